"""Speed and memory as ratios within one run, so that they mean the same on any machine.

Timed things alternate, and medians are compared: what disturbs one disturbs the other.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hicmae_cli import __version__

SCHEMA = "hicmae.bench/1"


@dataclass(frozen=True)
class Measure:
    """One result with the bound it is held to; ``at_most`` says on which side of it is good."""

    name: str
    value: float
    unit: str
    bound: float
    at_most: bool
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the value is on the good side of its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON document."""
        return {**asdict(self), "holds": self.holds}


def to_document(measures: list[Measure]) -> dict[str, Any]:
    """The document ``hicmae bench --json`` writes."""
    machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "machine": machine,
        "measures": [measure.to_dict() for measure in measures],
    }


def peak_resident_mb() -> float:
    """Most memory this process has held so far, in MB.

    Linux keeps ``ru_maxrss`` over exec, so that a child of a large process starts with its parent's peak; the
    high-water mark of its own memory does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def alternate(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median times in seconds of two things, run in turn after one warm-up each."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 1):
        for run, kept in zip((first, second), times, strict=True):
            started = clock()
            run()
            if round_:
                kept.append(clock() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
