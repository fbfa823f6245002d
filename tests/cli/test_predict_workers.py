"""``hicmae predict`` in processes of their own: crashes, hangs and kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.runtime import batch
from hicmae_cli.runtime.batch import PredictorPool
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.workers import Report, Work, WorkerPool, run_here
from tests.cli.killing import end, linux_only, start
from tests.cli.running import hicmae
from tests.runtime.stubs import voice

pytestmark = pytest.mark.integration


def stumble(work: Work[Path, object], path: Path, report: Report) -> object:
    """Do the work, unless the file's name says what becomes of the process."""
    if isinstance(path, Path) and path.stem == "abort":
        os.abort()
    if isinstance(path, Path) and path.stem == "hang":
        time.sleep(600)
    return work(path, report)


class StumblingPool(WorkerPool):
    """A pool whose workers stumble over some files."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, stall_s=20.0)

    def run(self, jobs: Any, work: Any, *more: Any) -> Any:
        return super().run(jobs, partial(stumble, work), *more)


@pytest.mark.parametrize(
    ("bad", "said"), [("abort", "SIGABRT"), pytest.param("hang", "no progress for 20 s", marks=pytest.mark.slow)]
)
def test_a_file_that_takes_its_process_down_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, said: str
) -> None:
    monkeypatch.setattr(batch, "WorkerPool", StumblingPool)
    files = [voice(tmp_path / f"{name}.wav") for name in ("a", bad, "b")]
    run = hicmae("predict", *files, "--json", "--output", tmp_path / "out", "--modality", "audio")
    assert run.code == 1
    rows = run.document["files"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]
    assert rows[1]["message"].startswith(f"{files[1]}: ")
    assert said in rows[1]["message"]
    assert "2 of 3 files done, 1 failed" in run.err
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == run.document


@pytest.mark.slow
def test_two_processes_judge_as_one_does(sample: Path, tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", seed=index) for index in range(3)]
    progress: set[Path] = set()
    with PredictorPool(jobs=2) as pool:
        both = {result.path: result for result in pool.predict([*files, sample], lambda path, *_: progress.add(path))}
    with PredictorPool(jobs=1) as alone:
        assert alone.model == pool.model
        for result in alone.predict([*files, sample]):
            assert result.to_dict() == both[result.path].to_dict()
    assert progress == {*files, sample}


def test_a_cluster_gets_whole_paths_and_the_user_gets_the_given_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[str, list[Path]]] = []

    def pretend(jobs: list[Path], work: Work[Path, FileResult], *_: object, address: str) -> Any:
        asked.append((address, list(jobs)))
        monkeypatch.chdir("/")  # where a process of the cluster may be
        return run_here(jobs, work)

    monkeypatch.setattr(batch, "run_on_ray", pretend)
    run = hicmae("predict", "a.wav", "b.wav", "--ray", "here:1", "--json", "--modality", "audio", "--sound", "shared")
    assert asked == [("here:1", [tmp_path / "a.wav", tmp_path / "b.wav"])]
    assert [(row["path"], row["status"]) for row in run.document["files"]] == [("a.wav", "ok"), ("b.wav", "error")]
    assert run.code == 1
    refused = hicmae("predict", "a.wav", "--ray", "here:1", "--timings")
    assert refused.code == 2 and "--timings" in refused.last_line and len(asked) == 1


@pytest.mark.slow
def test_a_cluster_judges_as_one_process_does(tmp_path: Path, sample: Path) -> None:
    pytest.importorskip("ray")
    files = [voice(tmp_path / "a.wav"), sample, tmp_path / "gone.mp4"]
    with PredictorPool(ray="local") as pool:
        there = {result.path: result for result in pool.predict(files)}
    with PredictorPool(jobs=1) as alone:
        here = {result.path: result for result in alone.predict(files)}
    assert here.keys() == there.keys() == set(files)
    for path, one in here.items():
        other = there[path]
        assert (one.status, one.message, one.sha256) == (other.status, other.message, other.sha256)
        for mine, theirs in zip(one.tracks, other.tracks, strict=True):
            # Other numbers of threads sum in another order.
            assert theirs.scores.by_name == pytest.approx(mine.scores.by_name, abs=1e-5)
            assert len(theirs.windows) == len(mine.windows)


def test_a_weight_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    run = hicmae("predict", voice(tmp_path / "a.wav"), "--weights", "no-such")
    assert run.code == 1
    assert run.last_line.startswith("error: no weight named 'no-such'")


def rows_in(log: Path) -> list[str]:
    """Complete lines of a log but for the first."""
    return [line for line in log.read_text().splitlines(True) if line.endswith("\n")][1:] if log.exists() else []


def parsed(line: str) -> dict[str, Any]:
    """A row; nothing for one that a kill cut off."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def wait_for_rows(log: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while len(rows_in(log)) < count and process.poll() is None:
        time.sleep(0.02)


def finish(command: tuple[object, ...], files: list[Path], out: Path) -> None:
    """Run to the end: every file is there once, and nothing else is left."""
    process = start(*command)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert sorted(p.name for p in out.iterdir()) == ["predictions.csv", "predictions.json", "predictions.jsonl"]
    whole = json.loads((out / "predictions.json").read_text())
    assert [row["path"] for row in whole["files"]] == [str(path) for path in files]
    assert {row["status"] for row in whole["files"]} == {"ok"}
    assert {row["path"] for row in map(parsed, rows_in(out / "predictions.jsonl")) if row} == set(map(str, files))


def command_on(files: list[Path], out: Path) -> tuple[object, ...]:
    return ("predict", *files, "--output", out, "--skip-existing", "--quiet", "--modality", "audio")


@linux_only
def test_a_killed_run_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", 30.0, index) for index in range(3)]
    log = tmp_path / "out" / "predictions.jsonl"
    process = start(*command_on(files, tmp_path / "out"))
    wait_for_rows(log, 1, process)
    end(process, signal.SIGKILL)
    first = rows_in(log)
    assert first
    finish(command_on(files, tmp_path / "out"), files, tmp_path / "out")
    assert set(first) <= set(rows_in(log))


@linux_only
@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    files = [voice(tmp_path / f"{index}.wav", 20.0, index) for index in range(30)]
    out = tmp_path / "out"
    rng = random.Random(0)
    kept: set[str] = set()
    counts = []
    for _ in range(20):
        process = start(*command_on(files, out))
        if rng.random() < 0.7:  # the others are killed while they start
            wait_for_rows(out / "predictions.jsonl", len(kept) + 1, process)
        time.sleep(rng.uniform(0.0, 0.8))
        end(process, rng.choice([signal.SIGKILL, signal.SIGINT]))
        now = set(rows_in(out / "predictions.jsonl"))
        assert kept <= now, "a finished file was lost"
        kept = now
        counts.append(len(kept))
    assert counts[-1] > counts[0]
    finish(command_on(files, out), files, out)
    assert kept <= set(rows_in(out / "predictions.jsonl"))
