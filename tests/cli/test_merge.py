"""``hicmae merge``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import read_manifest
from tests.cli.running import hicmae
from tests.corpora.test_merging import photos


def test_lists_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        photos(Path(name))
    run = hicmae(
        "merge", "a=a/list.csv", "b=b/list.csv", "-o", "out/all.csv", "--labels", "anger,fear", "--drop", "b:fear"
    )
    assert run.code == 0, run.err
    samples = read_manifest("out/all.csv")
    assert {(sample.extra["source"], sample.label) for sample in samples} == {
        ("a", "anger"),
        ("a", "fear"),
        ("b", "anger"),
    }
    assert "90 clips are listed in out/all.csv" in " ".join(run.out.split())
    assert "skipped 30 clips of a: 30 of contempt" in " ".join(run.out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a/list.csv"], "a/list.csv: expected NAME=FILE.csv"),
        (["a=a/list.csv", "a=b.csv"], "a=b.csv: a already names a/list.csv"),
        (["a=a/list.csv", "--drop", "b:fear"], "--drop b:fear: expected NAME:LABEL"),
        (["a=a/list.csv", "--test-share", "0.7"], "--test-share 0.7: expected at least 0"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos(Path("a"), 3)
    run = hicmae("merge", *arguments, "--output", "out.csv")
    assert run.code == 2
    assert said in " ".join(run.err.replace("│", " ").split())
