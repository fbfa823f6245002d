"""Hostile media through the whole of ``hicmae predict``: a row each, little time, little memory, the others judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from hicmae_cli.errors import MediaError
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.predictor import Predictor
from tests.cli.running import hicmae
from tests.media.hostile import HOSTILE
from tests.media.mutations import field_mutations, mutations, posix_only, run_all
from tests.runtime.stubs import voice

pytestmark = pytest.mark.integration

_SLOW = {"gif_4980_40.gif", "paused_10h.mp4"}  # which take seconds
REFUSED = {
    "gif_8000_40.gif",
    "gif_8000_300.gif",
    "gif_largest.gif",
    "png_8190.mov",
    "rate_2g.wav",
    "rate_0.wav",
    "channels_255.wav",
}
"""Files that claim more than is read; the others are small once they are decoded, and have no face."""


@cache
def predictor() -> Predictor:
    return Predictor(open_engine("puppets-nano", "onnx", "cpu", threads=1))


def predict(path: Path) -> None:
    """Judge a file as `hicmae predict` does; run in a child process by `run_all`."""
    result = predictor().predict(path)
    if result.status == "error":
        raise MediaError(result.message)


def hostile(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name, write in HOSTILE.items():
        write(folder / "made")
        yield name, (folder / "made").read_bytes()


def test_hostile_files_are_rows_and_the_others_are_judged(tmp_path: Path) -> None:
    names = [name for name in HOSTILE if name not in _SLOW]
    for name in names:
        HOSTILE[name](tmp_path / name)
    good = [tmp_path / f"good-{index}.wav" for index in range(24)]
    for index, path in enumerate(good):
        voice(path, 1.0, seed=index)
    # Hostile ones between good ones, in one batch.
    bad = [tmp_path / name for name in names]
    mixed = [path for pair in zip(good, bad, strict=False) for path in pair] + good[len(bad) :]
    # Some of them are noise, which is not a voice.
    run = hicmae("predict", *mixed, "--json", "--jobs", 2, "--sound", "shared")
    rows = {row["path"]: row for row in run.document["files"]}
    assert [row["path"] for row in run.document["files"]] == list(map(str, mixed))
    assert {rows[str(path)]["status"] for path in good} == {"ok"}
    for path in bad:
        row = rows[str(path)]
        expected = "error" if path.name in REFUSED else "ok" if path.suffix == ".wav" else "no-face"
        assert row["status"] == expected, row
        assert "\n" not in row["message"] and "unexpected" not in row["message"], row
    failed = [line for line in run.err.splitlines() if line.startswith("failed ")]
    assert len(failed) == sum(not row["tracks"] for row in rows.values())
    assert run.code == 1


@pytest.mark.slow
@posix_only
def test_hostile_files_take_little(tmp_path: Path) -> None:
    for outcome in run_all(hostile(tmp_path), tmp_path, "tests.cli.test_hostile_media:predict"):
        assert outcome.said.startswith(("ok", "error")), outcome
        assert outcome.cpu_s < 10, outcome
        assert outcome.peak_mb < 1000, outcome


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize(("make", "count"), [(mutations, 500), (field_mutations, 300)])
def test_damaged_files_take_little(
    tmp_path: Path, make: Callable[[int, int], Iterator[tuple[str, bytes]]], count: int
) -> None:
    outcomes = list(run_all(make(29, count), tmp_path, "tests.cli.test_hostile_media:predict"))
    assert len(outcomes) == count
    for outcome in outcomes:
        assert outcome.said.startswith(("ok", "error")), outcome
        assert outcome.cpu_s < 20, outcome
        assert outcome.peak_mb < 1000, outcome
