"""Overlapping windows of an input's sound; one window is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import SAMPLE_RATE_HZ

SILENCE_PEAK: Final = 1 / 32768
"""One step of 16-bit sound. A window that stays below it is digital silence: the microphone was off or muted, so the
face alone is used. Even a quiet room exceeds it, and so does dither, which `preparing` counts as silence: there a
person checks the clips of a dataset, here a wrong guess would drop a real, quiet voice."""


class SlidingSound:
    """Cut a sound by time, in rising order.

    Args:
        blocks: the sound at 16 kHz from time 0 on, in pieces (n,) float32.
        start_s: start of the first cut; no sound before it is held.

    Attributes:
        is_silent: whether every cut so far was silent.
    """

    def __init__(self, blocks: Iterable[NDArray[np.float32]], start_s: float = 0.0) -> None:
        self._blocks = iter(blocks)
        self._held = np.zeros(0, np.float32)
        self._first = 0  # index of the first sample held
        self._start = round(start_s * SAMPLE_RATE_HZ)
        self.is_silent = True

    def cut(self, start_s: float, end_s: float) -> NDArray[np.float32] | None:
        """Return the samples between two times (n,), fewer at the end of the sound; None if they are silent."""
        start, end = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
        self._start = start
        self.read_to(end_s)
        self._drop_before(start)
        cut = self._held[: max(0, end - self._first)]
        if len(cut) == 0 or float(np.abs(cut).max()) < SILENCE_PEAK:
            return None
        self.is_silent = False
        return cut

    def reaches(self, time_s: float) -> bool:
        """Whether there is sound up to a time; waits for it if it has yet to arrive."""
        self.read_to(time_s)
        return self._first + len(self._held) >= round(time_s * SAMPLE_RATE_HZ)

    def read_to(self, end_s: float) -> None:
        """Read the sound up to a time, and hold what comes after the start of the last cut."""
        end = round(end_s * SAMPLE_RATE_HZ)
        while self._first + len(self._held) < end:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate((self._held, block))
            self._drop_before(self._start)

    def _drop_before(self, start: int) -> None:
        dropped = min(max(0, start - self._first), len(self._held))
        self._held = self._held[dropped:]
        self._first += dropped
