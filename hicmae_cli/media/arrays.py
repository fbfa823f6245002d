"""Pictures and sound that are in memory already, read as those of a file are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from hicmae_cli.media.frames import MAX_SIDE_PX
from hicmae_cli.media.mixer import Mixer
from hicmae_cli.media.source import SAMPLE_RATES_HZ

_LONE_PICTURE_S = 1 / 25  # how long a single picture stays on display, as in a file that states no rate


@dataclass(frozen=True)
class ArrayPicture:
    """One picture of a video in memory.

    Attributes:
        time_s: when it appears.
        end_s: when its presentation ends, if it is the last one.
        rgb: (H, W, 3) uint8.
    """

    time_s: float
    end_s: float
    rgb: NDArray[np.uint8]

    def to_rgb(self) -> NDArray[np.uint8]:
        """Return the picture."""
        return self.rgb


class PictureArray:
    """A video in memory.

    Args:
        frames: (T, H, W, 3) uint8 RGB, upright, with square pixels, T >= 1.
        times_s: (T,) seconds at which the pictures appear, rising, from 0 or later.

    Attributes:
        start_s: when the first picture appears.
        end_s: when the last one ends; it stays as long as the pictures do on average.

    Raises:
        ValueError: other shapes or types, or times that do not rise.
    """

    def __init__(self, frames: NDArray[np.uint8], times_s: NDArray[np.float64]) -> None:
        frames, times_s = np.asarray(frames), np.asarray(times_s, np.float64)
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
            raise ValueError(f"expected frames (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}")
        if max(frames.shape[1:3]) > MAX_SIDE_PX:
            raise ValueError(f"expected frames of at most {MAX_SIDE_PX} pixels a side, got {frames.shape}; shrink them")
        if times_s.shape != (len(frames),):
            raise ValueError(f"expected times_s ({len(frames)},), one for each frame, got {times_s.shape}")
        if not np.isfinite(times_s).all() or times_s[0] < 0 or (np.diff(times_s) <= 0).any():
            raise ValueError("expected times_s that rise from 0 or later, in seconds")
        self._frames, self._times_s = frames, times_s
        span_s = float(times_s[-1] - times_s[0])
        self._last_s = span_s / (len(frames) - 1) if len(frames) > 1 else _LONE_PICTURE_S
        self.start_s = float(times_s[0])
        self.end_s = float(times_s[-1]) + self._last_s
        self.height_px, self.width_px = frames.shape[1:3]

    @property
    def fps(self) -> Fraction:
        """Mean frame rate (Hz)."""
        return (1 / Fraction(self._last_s)).limit_denominator(1001)

    def pictures(self) -> Iterator[ArrayPicture]:
        """Yield the pictures in order."""
        for time_s, rgb in zip(self._times_s.tolist(), self._frames, strict=True):
            yield ArrayPicture(time_s, time_s + self._last_s, rgb)


class SoundArray:
    """A sound in memory; sample i plays at i / sample_rate_hz.

    Args:
        samples: (N,) float32 mono in -1..1, N >= 1.
        sample_rate_hz: samples per second.

    Attributes:
        duration_s: length in seconds.

    Raises:
        ValueError: another shape or type, or a rate that no sound has.
    """

    def __init__(self, samples: NDArray[np.float32], sample_rate_hz: int) -> None:
        samples = np.asarray(samples)
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating) or len(samples) == 0:
            raise ValueError(f"expected samples (N,) float32 in -1..1, mono, got {samples.shape} {samples.dtype}")
        low_hz, high_hz = SAMPLE_RATES_HZ
        if not low_hz <= sample_rate_hz <= high_hz or sample_rate_hz != int(sample_rate_hz):
            raise ValueError(f"expected a whole sample_rate_hz from {low_hz} to {high_hz}, got {sample_rate_hz}")
        self._samples, self._rate_hz = samples, int(sample_rate_hz)
        self.duration_s = len(samples) / self._rate_hz

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the sound at 16 kHz (n,) float32, a second at a time."""
        mixer: Mixer | None = None
        for start in range(0, len(self._samples), self._rate_hz):
            block = np.ascontiguousarray(self._samples[start : start + self._rate_hz], np.float32)
            frame = AudioFrame.from_ndarray(block[np.newaxis], format="flt", layout="mono")
            frame.sample_rate = self._rate_hz
            mixer = mixer or Mixer(frame)
            yield mixer.mix(frame)
        if mixer is not None:
            yield mixer.finish()
