"""Measure ``hicmae predict`` on an hour of video: its speed, whether it slows down, and the memory of its processes."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from hicmae_cli.bench.measure import Measure
from hicmae_cli.bench.prediction import repeat_clip
from hicmae_cli.errors import HicmaeError
from hicmae_cli.memory import parse_peak_mb

_HOUR_S: Final = 3600.0
_MINUTE_S: Final = 60.0
_POLL_S: Final = 0.05
# The command itself, which also prints how far it is; a terminal would show that as a bar.
_CODE: Final = """
import sys
from hicmae_cli.cli import main
from hicmae_cli.cli.file_bars import FileBars
FileBars.show_time = lambda self, path, done_s, total_s: print("at", done_s, total_s, file=sys.stderr, flush=True)
main(["predict", sys.argv[1], "--weights", sys.argv[2], "--output", sys.argv[3], "--quiet"])
"""


@dataclass(frozen=True)
class _Run:
    """One call of the command.

    Attributes:
        marks: (seconds since the start of the call, seconds of video that are done).
        took_s: seconds of the call.
        peak_mb: peak resident memory of each of its processes, added up.
    """

    marks: Sequence[tuple[float, float]]
    took_s: float
    peak_mb: float

    def measure_speed(self, start_s: float, end_s: float) -> float:
        """Return the seconds of video per second in a part of the video."""
        first = next(mark for mark in self.marks if mark[1] >= start_s)
        last = next(mark for mark in self.marks if mark[1] >= min(end_s, self.marks[-1][1]))
        return (last[1] - first[1]) / (last[0] - first[0])


def measure_hour(clip: Path, weights: str, duration_s: float = _HOUR_S, short_s: float = _MINUTE_S) -> list[Measure]:
    """Measure the command on a clip that is repeated to an hour, against a minute; Linux only.

    Args:
        clip: the clip.
        weights: name or file of the weight.
        duration_s: in place of the hour. Its first and last sixths are compared.
        short_s: in place of the minute.

    Raises:
        HicmaeError: the system is not Linux, or the prediction fails.
    """
    if sys.platform != "linux":
        raise HicmaeError("an hour of video is measured on Linux only: the memory of processes is read from /proc")
    with tempfile.TemporaryDirectory() as folder:
        short, long = (_run(clip, weights, seconds, Path(folder)) for seconds in (short_s, duration_s))
    part_s = duration_s / 6
    first, last = long.measure_speed(0.0, part_s), long.measure_speed(duration_s - part_s, duration_s)
    sizes = f"{short_s:g} s {short.peak_mb:.0f} MB, {duration_s:g} s {long.peak_mb:.0f} MB"
    took = f"{duration_s:g} s of video in {long.took_s:.0f} s, loading included"
    ends = f"first {part_s:g} s: {first:.2f} times real time, last: {last:.2f} times"
    return [
        Measure("predict an hour / real time", duration_s / long.took_s, "x", 3.0, False, took),
        Measure("speed of its last 10 min / first 10 min", last / first, "x", 0.8, False, ends),
        Measure("memory of 1 h - 1 min", long.peak_mb - short.peak_mb, "MB", 60, True, f"{sizes}, all processes"),
    ]


def _run(clip: Path, weights: str, duration_s: float, folder: Path) -> _Run:
    video = folder / f"{duration_s:g}.mp4"
    repeat_clip(clip, video, duration_s)
    given = [sys.executable, "-c", _CODE, str(video), weights, str(folder / video.stem)]
    started_s = time.monotonic()
    with subprocess.Popen(  # noqa: S603 (our own interpreter)
        given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        peaks: dict[int, float] = {}
        ended = Event()
        watch = Thread(target=_watch_memory, args=(process.pid, peaks, ended), daemon=True)
        watch.start()
        marks, others = [], []
        assert process.stderr is not None
        for line in process.stderr:
            match line.split():
                case ["at", done_s, total_s]:
                    if float(total_s):
                        marks.append((time.monotonic() - started_s, float(done_s)))
                case _:
                    others.append(line)
        process.wait()
        took_s = time.monotonic() - started_s
        ended.set()
        watch.join()
    if process.returncode or len(marks) < 2:
        raise HicmaeError(f"predicting {video.name} failed: {''.join(others).strip()}")
    return _Run(marks, took_s, sum(peaks.values()))


def _watch_memory(pid: int, peaks: dict[int, float], ended: Event) -> None:
    """Keep the peak resident memory, in MB, of a process and of all that it started."""
    while not ended.wait(_POLL_S):
        found = {each: facts for each in _list_processes() if (facts := _read_facts(each))}
        inside = {pid}
        for each, (parent, _) in sorted(found.items()):
            if parent in inside:
                inside.add(each)
        for each in inside & found.keys():
            peaks[each] = max(peaks.get(each, 0.0), found[each][1])


def _list_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _read_facts(pid: int) -> tuple[int, float] | None:
    """Return the parent of a process and its peak resident memory in MB; None if it has ended."""
    try:
        text = Path("/proc", str(pid), "status").read_text("utf-8", "replace")
    except OSError:
        return None
    parent, peak_mb = re.search(r"^PPid:\s+(\d+)", text, re.MULTILINE), parse_peak_mb(text)
    return (int(parent[1]), peak_mb) if parent and peak_mb is not None else None
