"""``hicmae predict -`` and ``--camera``: usage, the view, and results as of a file."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.live import LivePrediction, LiveWindow
from hicmae_cli.runtime.results import FileResult
from tests.cli.running import hicmae
from tests.runtime.stubs import write_clip
from tests.runtime.test_live import remux


class Stdin:
    """A stdin into which something is piped."""

    def __init__(self, data: bytes, *, is_terminal: bool = False) -> None:
        self.buffer = io.BytesIO(data)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short clip that is piped in."""
    path = write_clip(tmp_path / "a.mkv", 3.0)
    monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
    return path


def test_a_stream_is_written_as_a_file_is(piped: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = hicmae("predict", "-", "--json", "--output", out, "--max-delay", 60)
    assert run.code == 0
    assert json.loads((out / "predictions.json").read_text()) == run.document
    (file,) = run.document["files"]
    assert (file["status"], file["sha256"]) == ("no-face", None)
    assert Prediction.from_dict(run.document).files[0].tracks[0].windows
    head, line = map(json.loads, (out / "predictions.jsonl").read_text().splitlines())
    assert head["schema"] == "hicmae.predict/1" and FileResult.from_dict(line) == FileResult.from_dict(file)
    assert "0:00:02.6  voice  " in run.err and " s late)" in run.err


def test_the_table_is_that_of_a_file(piped: Path) -> None:
    run = hicmae("predict", "-", "--quiet", "--max-delay", 60)
    assert run.code == 0 and " late)" not in run.err
    assert "voice" in run.out and "stream" in run.out


def test_ctrl_c_is_the_end_of_the_stream(piped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = LivePrediction.__iter__

    def interrupted(self: LivePrediction) -> Iterator[LiveWindow]:
        yield next(windows(self))
        raise KeyboardInterrupt

    monkeypatch.setattr(LivePrediction, "__iter__", interrupted)
    run = hicmae("predict", "-", "--json", "--output", tmp_path / "out", "--max-delay", 60)
    assert run.code == 0
    assert run.document["files"][0]["tracks"]
    assert (tmp_path / "out" / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "a.mp4"], "- reads one stream"),
        (["a.mp4", "--camera", 0], "give either --camera or inputs"),
        (["-", "--skip-existing", "--output", "out"], "--skip-existing needs files"),
        (["-", "--timings"], "--timings needs files"),
        (["-", "--ray", "auto"], "--ray needs files"),
        (["-", "--max-delay", 0], "--max-delay 0.0: expected more than 0"),
        (["--camera", -1], "--camera -1: expected 0 for the first camera"),
        ([], "give files, folders or patterns; or --camera N, or -"),
    ],
)
def test_wrong_usage(piped: Path, arguments: list[Any], message: str) -> None:
    run = hicmae("predict", *arguments)
    assert run.code == 2
    assert message in " ".join(run.err.replace("│", " ").split())


def test_nothing_piped_in_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"", is_terminal=True))
    run = hicmae("predict", "-")
    assert run.code == 2 and "nothing is piped in" in " ".join(run.err.replace("│", " ").split())


def test_a_stream_that_is_none_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(b"no video at all" * 1000))
    run = hicmae("predict", "-", "--json")
    assert run.code == 1
    assert run.last_line.startswith("failed stream: cannot be read as a media stream")
    assert run.document["files"][0]["status"] == "error"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_file_piped_at_its_own_rate_keeps_up_and_ends_with_ctrl_c(sample: Path, tmp_path: Path) -> None:
    """The whole command, in real time, with the bundled weight and faces: then Ctrl-C while the pipe stays open."""
    data = remux(sample, "mpegts", 100.0)
    command = [sys.executable, "-m", "hicmae_cli.cli", "predict", "-", "--json", "--output", str(tmp_path / "out")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdin is not None and process.stderr is not None
    process.stderr.readline()  # the model is loaded
    began_s = time.perf_counter()
    for start in range(0, len(data), 4000):
        process.stdin.write(data[start : start + 4000])
        process.stdin.flush()
        time.sleep(max(0.0, began_s + 8.75 * start / len(data) - time.perf_counter()))
    time.sleep(3.0)
    process.send_signal(signal.SIGINT)
    out, err = (pipe.decode() for pipe in process.communicate(timeout=60))
    assert process.returncode == 0, err
    (file,) = json.loads(out)["files"]
    assert file["status"] == "ok" and {track["id"] for track in file["tracks"]} >= {1, 2}
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())["files"] == [file]
    late_s = [float(line.rpartition(", ")[2].split()[0]) for line in err.splitlines() if line.endswith(" s late)")]
    assert late_s and max(late_s) < 2.0 + 4.0  # the bound, and one moment of a busy machine
