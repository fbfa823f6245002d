"""From a crop or a voice to inputs of the model, and the changes that test how steady a judgement of a voice is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, PreparedClip
from hicmae_cli.model_input import CLIP_FRAMES, SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
_TELEPHONE_HZ: Final = (300.0, 3400.0)
_BABBLE_DB: Final = 20.0
_SHIFT_DB: Final = 12.0
_TALKERS: Final = 6
_LOWEST_F0_HZ, _HIGHEST_F0_HZ = 90.0, 240.0
_HIGHEST_HARMONIC_HZ: Final = 4000.0
# Syllables follow each other about four times a second.
_SYLLABLE_HZ: Final = (3.0, 5.0)


def make_face_clip(crop: NDArray[np.uint8]) -> Clip:
    """Make the input of the model from a still (160, 160, 3): 16 equal frames without sound."""
    return Clip(np.repeat(crop[None], CLIP_FRAMES, axis=0), None)


def make_grey(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the colour of a crop (160, 160, 3); a grey crop stays as it is."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def make_voice_clips(samples: Samples, frame_stride: int | None) -> list[Clip]:
    """Make the inputs of the model from a voice: its test views, as for any sound-only clip."""
    return PreparedClip(None, samples).read_evaluation_clips(frame_stride, "audio")


def shift_loudness(samples: Samples, gain_db: float) -> Samples:
    """Amplify a sound; what exceeds -1..1 is cut off, as in a file."""
    shifted: Samples = np.clip(samples * 10 ** (gain_db / 20), -1, 1).astype(np.float32)
    return shifted


def limit_band(samples: Samples) -> Samples:
    """Remove everything outside the band of a telephone, 300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    at_hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    spectrum[(at_hz < _TELEPHONE_HZ[0]) | (at_hz > _TELEPHONE_HZ[1])] = 0
    limited: Samples = np.fft.irfft(spectrum, len(samples)).astype(np.float32)
    return limited


def add_babble(samples: Samples, rng: np.random.Generator) -> Samples:
    """Add the murmur of six synthetic talkers, 20 dB below the voice.

    A talker is a series of harmonics that fall by 6 dB per octave, of a pitch that wanders, loud and quiet at the pace
    of syllables.
    """
    time_s = np.arange(len(samples)) / SAMPLE_RATE_HZ
    babble = np.zeros(len(samples))
    for _ in range(_TALKERS):
        f0_hz, pace_hz = rng.uniform(_LOWEST_F0_HZ, _HIGHEST_F0_HZ), rng.uniform(*_SYLLABLE_HZ)
        starts = rng.uniform(0, 2 * np.pi, 2)
        pitch_hz = f0_hz * (1 + 0.1 * np.sin(np.pi * time_s + starts[0]))
        phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
        syllables = np.maximum(0, np.sin(2 * np.pi * pace_hz * time_s + starts[1]))
        for harmonic in range(1, int(_HIGHEST_HARMONIC_HZ / f0_hz) + 1):
            babble += syllables * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi)) / harmonic
    power = np.mean(samples.astype(np.float64) ** 2)
    scale = np.sqrt(power / 10 ** (_BABBLE_DB / 10) / np.maximum(np.mean(babble**2), 1e-12))
    mixed: Samples = (samples + scale * babble).astype(np.float32)
    return mixed


CHANGES: Final[Mapping[str, Callable[[Samples, str], Samples]]] = {
    "12 dB louder": lambda samples, _: shift_loudness(samples, _SHIFT_DB),
    "12 dB quieter": lambda samples, _: shift_loudness(samples, -_SHIFT_DB),
    "telephone band": lambda samples, _: limit_band(samples),
    "20 dB babble": lambda samples, name: add_babble(samples, np.random.default_rng(zlib.crc32(name.encode()))),
}
"""Name -> change of a sound, given it and the name of its file, which seeds what is random."""
