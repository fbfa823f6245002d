"""Speed and memory as ratios within one run, so that they can be compared across machines.

The two sides of a ratio are timed in turn, and their medians are compared: other load slows down both.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hicmae_cli import __version__
from hicmae_cli.errors import HicmaeError
from hicmae_cli.records.surroundings import read_cpu_model

SCHEMA = "hicmae.bench/1"


@dataclass(frozen=True)
class Measure:
    """One result and its bound.

    Attributes:
        name: what was measured.
        value: the result.
        unit: unit of the value and the bound.
        bound: the limit that the value must keep; None for a result that depends on the machine alone.
        at_most: whether the value must be at most the bound; otherwise at least.
        detail: how it was measured.
    """

    name: str
    value: float
    unit: str
    bound: float | None
    at_most: bool
    detail: str

    @property
    def holds(self) -> bool:
        """Whether the value keeps its bound."""
        if self.bound is None:
            return True
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {**asdict(self), "holds": self.holds}


def to_document(measures: list[Measure], device: str | None = None) -> dict[str, Any]:
    """Make the document that ``hicmae bench --json`` writes.

    Args:
        measures: the results.
        device: name of the device that was measured, if it was one device alone.
    """
    machine: dict[str, Any] = {
        "processor": read_cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "device": device,
    }
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


def run_alone(module: str, *calls: str) -> list[Any]:
    """Call functions of a module in a process of its own, with one thread for each library.

    Args:
        module: full name of the module.
        calls: such as ``"time_evaluation('nano')"``.

    Returns:
        What the calls return, as JSON values.

    Raises:
        HicmaeError: a call fails.
    """
    listed = ", ".join(f"module.{call}" for call in calls)
    code = f"import json\nimport {module} as module\nprint(json.dumps([{listed}]))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        name = module.rpartition(".")[2]
        raise HicmaeError(f"the measure of {name} failed: {done.stderr.strip().splitlines()[-1]}")
    results: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return results
