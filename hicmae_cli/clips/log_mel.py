"""Log-mel spectrogram of a clip's sound, in NumPy.

The numbers equal ``torchaudio.compliance.kaldi.fbank`` with a Hann window and 128 bins, on which the authors trained
their models (HiCMAE, section 4.1; constants measured from their data).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import LOG_MEL_BINS, LOG_MEL_FRAMES, SAMPLE_RATE_HZ

_WINDOW_SAMPLES = SAMPLE_RATE_HZ * 25 // 1000  # 400
SHIFT_SAMPLES: Final = SAMPLE_RATE_HZ * 10 // 1000  # 160
_FFT_SAMPLES = 512
_LOWEST_HZ = 20.0
_PRE_EMPHASIS = 0.97
# Mean and standard deviation of AudioSet's log-mels; as the authors do, we divide by twice the deviation.
LOG_MEL_MEAN: Final = -4.2677393
LOG_MEL_STD: Final = 4.5689974
LOG_MEL_FLOOR: Final = float(np.finfo(np.float32).eps)
"""The smallest energy of a bin: digital silence has it."""

MIN_SAMPLES = _WINDOW_SAMPLES
"""Fewer samples than one window give no spectrum."""


def to_mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Convert frequencies to Kaldi's mel scale."""
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)


def from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert places on Kaldi's mel scale to frequencies in Hz."""
    return 700.0 * np.expm1(mel / 1127.0)


def compute_mel_centres() -> NDArray[np.float64]:
    """Compute the centre of each bin of the log-mel on Kaldi's mel scale (bins,)."""
    return _compute_edges()[1:-1]


def _compute_edges() -> NDArray[np.float64]:
    return np.linspace(to_mel(_LOWEST_HZ), to_mel(SAMPLE_RATE_HZ / 2), LOG_MEL_BINS + 2)


@cache
def compute_mel_filters() -> NDArray[np.float32]:
    """Compute triangular filters, equally spaced on Kaldi's mel scale -> (FFT/2, bins)."""
    edges = _compute_edges()
    at = to_mel(np.arange(_FFT_SAMPLES // 2) * SAMPLE_RATE_HZ / _FFT_SAMPLES)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (at - left) / (centre - left), (right - at) / (right - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def compute_log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the normalised log-mel spectrogram of one piece of sound.

    Args:
        samples: (n,) float32, 16 kHz mono, in -1..1.

    Returns:
        (256, 128) float32, time x mel: cut to 256 frames of 10 ms, or padded with zeros, which are then normalised too.

    Raises:
        ValueError: the samples are not one-dimensional, or shorter than one window of 25 ms.
    """
    if samples.ndim != 1 or samples.size < MIN_SAMPLES:
        raise ValueError(f"log-mel: expected at least {MIN_SAMPLES} mono samples, got shape {samples.shape}")
    wave = samples.astype(np.float64)
    wave = wave - wave.mean()
    frames = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW_SAMPLES)[::SHIFT_SAMPLES][:LOG_MEL_FRAMES]
    waves = _transform(frames)
    spectrum = waves.real**2 + waves.imag**2
    energies = spectrum.astype(np.float32) @ compute_mel_filters()
    padded = np.zeros((LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)
    padded[: len(energies)] = np.log(np.maximum(energies, LOG_MEL_FLOOR))
    return ((padded - LOG_MEL_MEAN) / (2 * LOG_MEL_STD)).astype(np.float32)


def compute_spectrum_kernels() -> NDArray[np.float32]:
    """Compute all that comes before the powers, as one matrix: (2 * FFT/2, 400), the real parts first.

    Every step of it is linear, so it is known from what it makes of single samples.
    """
    waves = _transform(np.eye(_WINDOW_SAMPLES)).T
    return np.concatenate((waves.real, waves.imag)).astype(np.float32)


def _transform(frames: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Remove the DC offset of frames (n, 400), emphasise, window and transform them -> (n, FFT/2)."""
    frames = frames - frames.mean(axis=1, keepdims=True)
    previous = np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)
    frames = (frames - _PRE_EMPHASIS * previous) * np.hanning(_WINDOW_SAMPLES)
    return np.fft.rfft(frames, _FFT_SAMPLES)[:, :-1]
