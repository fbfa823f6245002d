"""Speed and memory as ratios within one run, so that they can be compared across machines.

The two sides of a ratio are timed in turn, and their medians are compared: other load slows down both.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hicmae_cli import __version__

SCHEMA = "hicmae.bench/1"


@dataclass(frozen=True)
class Measure:
    """One result and its bound.

    Attributes:
        name: what was measured.
        value: the result.
        unit: unit of the value and the bound.
        bound: the limit that the value must keep.
        at_most: whether the value must be at most the bound; otherwise at least.
        detail: how it was measured.
    """

    name: str
    value: float
    unit: str
    bound: float
    at_most: bool
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the value keeps its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {**asdict(self), "holds": self.holds}


def to_document(measures: list[Measure]) -> dict[str, Any]:
    """Make the document that ``hicmae bench --json`` writes."""
    machine = {"processor": _name_processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "machine": machine,
        "measures": [measure.to_dict() for measure in measures],
    }


def alternate(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Time two functions in turn, after one warm-up each -> their median times in seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 1):
        for run, kept in zip((first, second), times, strict=True):
            started = clock()
            run()
            if round_:
                kept.append(clock() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
