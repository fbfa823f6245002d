"""Where a sound has a voice, and how loud it is, 31.25 times a second.

Silero's voice activity detector (weights/voice_activity.LICENCE.md) reads frames of 32 ms, each behind the last 4 ms
of the one before, and carries its state from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.onnx_runtime import open_session

FRAME_SAMPLES: Final = 512
FRAME_S: Final = FRAME_SAMPLES / SAMPLE_RATE_HZ  # 0.032
_FRAME_MS: Final = 1000 * FRAME_SAMPLES // SAMPLE_RATE_HZ
VOICE_PROBABILITY: Final = 0.5
"""A frame with a higher probability has a voice. White and brown noise, hum, beeps, drums and chords stay below 0.3."""

VOICE_NET: Final = "voice_activity.onnx"
VOICE_NET_SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
_CONTEXT_SAMPLES: Final = 64
_STATE_SHAPE: Final = (1, 1, 128)
# Sound before the wanted part, on which the detector's state settles.
_SETTLING_S: Final = 2.0
# Most of a voice's energy, without rumble and hiss.
_BAND_HZ: Final = (200, 4000)
_QUIET_DB: Final = -100.0
# Half a minute at a time, to bound the memory for blocks of any length.
_BATCH_FRAMES: Final = 1024


class VoiceMeter:
    """Measures a sound that arrives in blocks, and holds only the frames that are still needed.

    Of all frames before, it remembers where a voice starts and ends.

    Frame i is the sound from ``i * FRAME_S`` to ``(i + 1) * FRAME_S`` on the input's clock.

    Args:
        start_s: start of the part of the sound that is wanted. Earlier sound costs nothing.

    Raises:
        WeightsError: the detector's file is missing or damaged.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._net = open_voice_net()
        self._first = max(0, int((start_s - _SETTLING_S) / FRAME_S))  # index of the first frame held
        self._skip_samples = self._first * FRAME_SAMPLES
        self._rest = np.zeros(0, np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._state = np.zeros(_STATE_SHAPE, np.float32), np.zeros(_STATE_SHAPE, np.float32)
        self._probabilities: NDArray[np.float32] = np.zeros(0, np.float32)
        self._levels_db: NDArray[np.float32] = np.zeros(0, np.float32)
        self._voices: list[tuple[int, int]] = []  # first frame of each stretch with a voice, and the first after it

    def listen(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks of a sound at 16 kHz from time 0 on, and measure each one when it passes."""
        for block in blocks:
            self._measure(block)
            yield block

    def measure_share(self, start_s: float, end_s: float) -> float:
        """Measure the share of a time, 0 to 1, that has a voice."""
        first, last = round(start_s / FRAME_S), round(end_s / FRAME_S)
        voiced = self._cut(self._probabilities, first, last, 0.0) > VOICE_PROBABILITY
        return float(voiced.mean()) if len(voiced) else 0.0

    def list_voices(self, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        """List start and end, in milliseconds, of each stretch of voice that was heard between two times."""
        heard = ((max(start_ms, _FRAME_MS * first), min(end_ms, _FRAME_MS * last)) for first, last in self._voices)
        return [(from_ms, to_ms) for from_ms, to_ms in heard if from_ms < to_ms]

    def cut_levels(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the level of frames ``first`` to ``last - 1`` in decibels of the voice's band; no sound is quiet."""
        return self._cut(self._levels_db, first, last, _QUIET_DB)

    def drop_before(self, time_s: float) -> None:
        """Forget the frames before a time."""
        dropped = min(max(0, int(time_s / FRAME_S) - self._first), len(self._levels_db))
        self._probabilities, self._levels_db = self._probabilities[dropped:], self._levels_db[dropped:]
        self._first += dropped

    def _measure(self, block: NDArray[np.float32]) -> None:
        skipped = min(self._skip_samples, len(block))
        self._skip_samples -= skipped
        samples = np.concatenate((self._rest, block[skipped:]))
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = samples[whole:]
        frames = samples[:whole].reshape(-1, FRAME_SAMPLES)
        for start in range(0, len(frames), _BATCH_FRAMES):
            some = frames[start : start + _BATCH_FRAMES]
            probabilities = self._detect(some)
            self._note_voices(self._first + len(self._probabilities), probabilities > VOICE_PROBABILITY)
            self._probabilities = np.append(self._probabilities, probabilities)
            self._levels_db = np.append(self._levels_db, _measure_levels(some))

    def _note_voices(self, first: int, voiced: NDArray[np.bool_]) -> None:
        """Remember where a voice starts and ends in the frames (N,) from ``first`` on."""
        borders = first + np.flatnonzero(np.diff(voiced, prepend=False, append=False))
        for start, end in borders.reshape(-1, 2).tolist():
            goes_on = bool(self._voices) and self._voices[-1][1] == start
            self._voices.append((self._voices.pop()[0] if goes_on else start, end))

    def _detect(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of a voice in each of (N, 512) frames."""
        contexts = np.vstack((self._context, frames[:-1, -_CONTEXT_SAMPLES:]))
        self._context = frames[-1, -_CONTEXT_SAMPLES:].copy()
        hidden, cell = self._state
        inputs = {"input": np.hstack((contexts, frames)), "h": hidden, "c": cell}
        probabilities, hidden, cell = self._net.run(["speech_probs", "hn", "cn"], inputs)
        self._state = hidden, cell
        return np.asarray(probabilities, np.float32)

    def _cut(self, held: NDArray[np.float32], first: int, last: int, fill: float) -> NDArray[np.float32]:
        values = np.full(max(0, last - first), fill, np.float32)
        start, end = max(first, self._first), min(last, self._first + len(held))
        if start < end:
            values[start - first : end - first] = held[start - self._first : end - self._first]
        return values


@cache
def open_voice_net() -> Any:
    """Load the voice activity detector once per process.

    Raises:
        WeightsError: its file is missing or damaged.
    """
    return open_session(find_bundled_file(VOICE_NET, VOICE_NET_SHA256), threads=1, fold_constants=True)


def _measure_levels(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the level of each of (N, 512) frames in the voice's band, in decibels of full scale."""
    low, high = (round(hz * FRAME_S) for hz in _BAND_HZ)
    spectra = np.fft.rfft(frames * np.hanning(FRAME_SAMPLES).astype(np.float32))[:, low:high]
    power = (np.abs(spectra) ** 2).sum(axis=1) / FRAME_SAMPLES**2
    return np.asarray(np.maximum(10 * np.log10(power + 1e-12), _QUIET_DB), np.float32)
