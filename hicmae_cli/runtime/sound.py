"""A sliding view of a file's sound that never holds more than a window of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.media import read_audio_blocks
from hicmae_cli.model_input import SAMPLE_RATE_HZ

_SILENCE = 1 / 32768
"""Below one step of 16-bit sound there is nothing to hear: the track is there, the voice is not."""


class SlidingSound:
    """Cuts of a sound by time, asked for in rising order.

    Args:
        path: an audio or video file with sound.
    """

    def __init__(self, path: Path) -> None:
        self._blocks: Iterator[NDArray[np.float32]] = iter(read_audio_blocks(path))
        self._held = np.zeros(0, np.float32)
        self._first = 0  # index of the first sample held
        self.heard = False

    def cut(self, start_s: float, end_s: float) -> NDArray[np.float32] | None:
        """Samples between two times (n,), fewer at the end of the file; None when there is only silence."""
        start, end = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
        while self._first + len(self._held) < end:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate((self._held, block))
        self._held = self._held[max(0, start - self._first) :]
        self._first = max(self._first, start)
        cut = self._held[: max(0, end - self._first)]
        if len(cut) == 0 or float(np.abs(cut).max()) < _SILENCE:
            return None
        self.heard = True
        return cut
