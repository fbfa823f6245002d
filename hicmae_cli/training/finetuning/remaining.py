"""How long a call over several folds and seeds still takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Remaining:
    """Estimates the time left from the steps that this call has made.

    All runs count as long as the current one. The time of validation and tests is part of the time per step. Early
    stopping makes a run shorter than estimated.

    Args:
        runs: number of runs: folds x seeds x repetitions.
        clock: seconds.
    """

    def __init__(self, runs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.runs, self.clock = runs, clock
        self.started: float | None = None
        self.run, self.step, self.total_steps, self.made = 0, 0, 0, 0

    def start_run(self, step: int, total_steps: int) -> None:
        """Begin the next run, with some of its steps done before."""
        self.run += 1
        self.step, self.total_steps = step, total_steps
        if self.started is None and step < total_steps:
            self.started = self.clock()

    def count_step(self) -> None:
        """Count a step of the current run."""
        self.step += 1
        self.made += 1

    def end_run(self) -> None:
        """End the current run, whose remaining steps early stopping saved."""
        self.step = self.total_steps

    @property
    def seconds(self) -> float | None:
        """Seconds left; None as long as no step has been made."""
        if not self.made or self.started is None:
            return None
        left = self.total_steps - self.step + (self.runs - self.run) * self.total_steps
        return left * (self.clock() - self.started) / self.made

    def __str__(self) -> str:
        """The time left in words, such as ``2 h 05 min``; empty if unknown."""
        if (seconds := self.seconds) is None:
            return ""
        minutes = round(seconds / 60)
        if minutes < 1:
            return "less than a minute"
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
