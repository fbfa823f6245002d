"""``hicmae predict`` in processes of their own: crashes, hangs and kills."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hicmae_cli.runtime import batch
from hicmae_cli.runtime.batch import PredictorPool
from hicmae_cli.workers import Report, Work, WorkerPool
from tests.cli.killing import end, linux_only, start
from tests.cli.running import hicmae


def voice(path: Path, seconds: float = 3.0, pitch: float = 9.0) -> Path:
    samples = np.arange(round(seconds * 16000))
    soundfile.write(path, 0.1 * np.sin(samples / pitch), 16000)
    return path


def stumble(work: Work[Path | None, object], path: Path | None, report: Report) -> object:
    """Do the work, unless the file's name says what becomes of the process."""
    if path is not None and path.stem == "abort":
        os.abort()
    if path is not None and path.stem == "hang":
        time.sleep(600)
    return work(path, report)


def stumbling(work: Work[Path | None, object], workers: int) -> WorkerPool[Path | None, object]:
    return WorkerPool(partial(stumble, work), workers, stall_s=20.0)


@pytest.mark.parametrize(
    ("bad", "said"),
    [("abort", "SIGABRT"), pytest.param("hang", "no progress for 20 s", marks=pytest.mark.slow)],
)
def test_a_file_that_takes_its_process_down_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, said: str
) -> None:
    monkeypatch.setattr(batch, "WorkerPool", stumbling)
    files = [voice(tmp_path / f"{name}.wav") for name in ("a", bad, "b")]
    run = hicmae("predict", *files, "--json", "--output", tmp_path / "out", "--modality", "audio")
    assert run.code == 1
    rows = run.document["files"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]
    assert rows[1]["message"].startswith(f"{files[1]}: ")
    assert said in rows[1]["message"]
    assert "2 of 3 files done, 1 failed" in run.err
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == run.document


def test_two_processes_judge_as_one_does(sample: Path, tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", pitch=8 + index) for index in range(3)]
    progress: set[Path] = set()
    with PredictorPool(jobs=2) as pool:
        both = {
            result.path: result
            for result in pool.predict([*files, sample], lambda path, *_: progress.add(path))
        }
    with PredictorPool(jobs=0) as alone:
        assert alone.model == pool.model
        for result in alone.predict([*files, sample]):
            assert result.to_dict() == both[result.path].to_dict()
    assert progress == {*files, sample}


def test_a_weight_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--weights", "no-such")
    assert run.code == 1
    assert run.last_line.startswith("error: no weight named 'no-such'")


def check_kills(folder: Path, files: list[Path], moments: list[tuple[signal.Signals, float]]) -> None:
    """Kill predict at some moments, each time going on; then finish, and compare with an undisturbed run."""
    out = folder / "out"
    command = ("predict", *files, "--output", out, "--skip-existing", "--quiet", "--modality", "audio")
    finished = 0
    for how, moment_s in moments:
        process = start(*command)
        time.sleep(moment_s)
        end(process, how)
        log = out / "predictions.jsonl"
        lines = log.read_text().splitlines(True) if log.exists() else []
        rows = [json.loads(line) for line in lines[1:] if line.endswith("\n")]
        assert len(rows) >= finished, "a finished file was lost"
        finished = len(rows)
    process = start(*command)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert sorted(p.name for p in out.iterdir()) == [
        "predictions.csv",
        "predictions.json",
        "predictions.jsonl",
    ]
    whole = json.loads((out / "predictions.json").read_text())
    assert [row["path"] for row in whole["files"]] == [str(path) for path in files]
    assert {row["status"] for row in whole["files"]} == {"ok"}


@linux_only
def test_a_killed_run_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", 20.0, 8 + index / 9) for index in range(2)]
    check_kills(tmp_path, files, [(signal.SIGKILL, 3.0)])


@linux_only
@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", 20.0, 8 + index / 9) for index in range(30)]
    rng = random.Random(0)
    moments = [(rng.choice([signal.SIGKILL, signal.SIGINT]), rng.uniform(0.1, 8.0)) for _ in range(20)]
    check_kills(tmp_path, files, moments)
