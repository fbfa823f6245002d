"""The table of seconds."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from hicmae_cli.report.timings import make_timings_table
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.timings import Timings
from tests.runtime.stubs import track

CALL = Timings({"decode": 1.0, "faces": 2.0, "model": 6.0, "loading": 0.5}, 10.0)


def draw(files: list[FileResult], call: Timings) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(make_timings_table(files, call))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def timed(name: str, total_s: float) -> FileResult:
    seconds = {"decode": 0.1 * total_s, "faces": 0.2 * total_s, "model": 0.6 * total_s}
    return FileResult(Path(name), "ok", tracks=(track(1),), timings=Timings(seconds, total_s))


def test_each_file_their_sum_and_the_call() -> None:
    lines = draw([timed("a[b].mp4", 4.0), timed("b.mp4", 6.0), FileResult(Path("c"), "error")], CALL).splitlines()
    assert lines[1].split() == ["file", "decode", "faces", "model", "loading", "rest", "all"]
    assert lines[2].split() == ["a[b].mp4", "0.40", "0.80", "2.40", "0.00", "0.40", "4.00"]
    assert lines[4].split() == ["2", "files", "1.00", "2.00", "6.00", "0.00", "1.00", "10.00"]
    assert lines[5].split() == ["the", "whole", "call", "1.00", "2.00", "6.00", "0.50", "0.50", "10.00"]
    assert lines[6].split()[-7:] == ["it", "10.0%", "20.0%", "60.0%", "5.0%", "5.0%", "100%"]


def test_of_many_files_the_slowest_are_listed() -> None:
    drawn = draw([timed(f"{index}.mp4", 1.0 + index % 7 + index / 1000) for index in range(50)], CALL)
    assert "and 30 faster files" in drawn and "50 files" in drawn
    assert "41.mp4" in drawn and "42.mp4" not in drawn
