"""The log of a run over many files."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.errors import DiskError, SettingsError
from hicmae_cli.files import compute_sha256
from hicmae_cli.runtime.log import PredictionLog
from hicmae_cli.runtime.outputs import Scores
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import TOY_MODEL, track, window


def result_of(path: Path) -> FileResult:
    return FileResult(path, "ok", tracks=(track(1),), size_bytes=path.stat().st_size, sha256=compute_sha256(path))


def open_log(folder: Path, **settings: float) -> PredictionLog:
    return PredictionLog(folder / "log.jsonl", TOY_MODEL, PredictSettings(**settings))  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{index}.mp4" for index in range(3)]
    for path in paths:
        path.write_text(path.name)
    with open_log(tmp_path) as log:
        log.start()
        for path in paths:
            log.add(result_of(path))
    return paths


def test_results_come_back_as_they_were(tmp_path: Path, files: list[Path]) -> None:
    with open_log(tmp_path) as log:
        kept = {path: log.read(path) for path in log.resume(files[:2])}
        assert {path: result.to_dict() for path, result in kept.items()} == {
            path: result_of(path).to_dict() for path in files[:2]
        }
        assert set(log.resume(files)) == set(files)


def test_labels_may_be_called_as_fields_are(tmp_path: Path) -> None:
    labels = ("id", "windows", "start_s")
    model = replace(TOY_MODEL, info=TOY_MODEL.info.model_copy(update={"labels": labels}))
    path = tmp_path / "a.mp4"
    path.write_text("a")
    scores = Scores(dict(zip(labels, (0.5, 0.25, 0.25), strict=True)))
    result = replace(result_of(path), tracks=(track(1, replace(window(), scores=scores)),))
    with PredictionLog(tmp_path / "log.jsonl", model, PredictSettings()) as log:
        log.start()
        log.add(result)
        assert log.resume([path]) == [path] and log.read(path).to_dict() == result.to_dict()


def test_a_changed_file_and_a_failure_are_tried_again(tmp_path: Path, files: list[Path]) -> None:
    files[0].write_text("0.mp5")
    with open_log(tmp_path) as log:
        log.add(FileResult(files[1], "error", "broken"))
        assert set(log.resume(files)) == {files[1], files[2]}  # the failure replaces nothing
    with open_log(tmp_path) as log:
        log.start()
        assert log.resume(files) == []


def test_another_smoothing_keeps_the_results(tmp_path: Path, files: list[Path]) -> None:
    """Timelines are made from the results."""
    with open_log(tmp_path, smooth_s=3.0, abstain=0.5) as log:
        assert set(log.resume(files)) == set(files)


@pytest.mark.parametrize("cut", [2, 40, 200])
def test_a_line_that_was_cut_off_costs_its_file_only(tmp_path: Path, files: list[Path], cut: int) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with open_log(tmp_path) as log:
        expected = set(files[:2])
        assert set(log.resume(files)) == expected
        log.add(result_of(files[2]))
        assert set(log.resume(files)) == set(files)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        "null",
        "{}",
        '{"path": "0.mp4", "status": "ok", "message": "", "duration_s": 1, "fps": 1, "tracks": [1]}',
    ],
)
def test_a_line_of_another_make_is_skipped(tmp_path: Path, files: list[Path], line: str) -> None:
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(line + "\n")
    with open_log(tmp_path) as log:
        assert set(log.resume(files)) == set(files)


@pytest.mark.parametrize("change", ["nan", "label", "text", "values"])
def test_a_row_that_was_changed_is_not_taken_for_a_result(tmp_path: Path, files: list[Path], change: str) -> None:
    head, first, *others = (tmp_path / "log.jsonl").read_text().splitlines()
    row = json.loads(first)
    window = row["tracks"][0]["windows"][0]
    if change == "nan":
        window["start_s"] = float("nan")
    elif change == "label":
        window["probabilities"] = {"joy": 1.0}
    elif change == "values":  # of a regression
        window["values"] = window.pop("probabilities")
    else:
        window["probabilities"]["anger"] = "much"
    (tmp_path / "log.jsonl").write_text("\n".join([head, json.dumps(row), *others]) + "\n")
    with open_log(tmp_path) as log:
        assert set(log.resume(files)) == set(files[1:])


def test_another_run_is_refused_and_stays(tmp_path: Path, files: list[Path]) -> None:
    before = (tmp_path / "log.jsonl").read_bytes()
    with open_log(tmp_path, hop_s=1.28) as log, pytest.raises(SettingsError, match=r"hop_s 0\.64 there, 1\.28 here"):
        log.resume(files)
    assert (tmp_path / "log.jsonl").read_bytes() == before
    (tmp_path / "log.jsonl").write_text("shopping list\n")
    with open_log(tmp_path) as log, pytest.raises(SettingsError, match="not a log of predictions"):
        log.resume(files)


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks, links and pipes")
def test_one_process_at_a_time_and_regular_files_only(tmp_path: Path, files: list[Path]) -> None:
    with open_log(tmp_path), pytest.raises(SettingsError, match="another process writes to it"):
        open_log(tmp_path)
    open_log(tmp_path).close()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="not a regular file"):
        PredictionLog(tmp_path / "pipe", TOY_MODEL, PredictSettings())
    (tmp_path / "link").symlink_to(files[0])
    with pytest.raises(DiskError, match="link: cannot be written"):
        PredictionLog(tmp_path / "link", TOY_MODEL, PredictSettings())
    assert files[0].read_text() == "0.mp4"
