"""Augmentation of the sound of training clips: what rooms, microphones and telephones do to a voice.

Letters: n samples at 16 kHz, F frequencies of their spectrum.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from hicmae_cli.clips.log_mel import compute_mel_centres, from_mel, to_mel
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.recipes.augmentation_settings import AugmentationSettings

Samples = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

_GAIN: Final = 10.0  # both parameters of the beta distribution
_NOISY_SHARE: Final = 0.5
_REVERBERATION_S: Final = (0.1, 0.6)  # until the echo has fallen by 60 dB
_DIRECT_DB: Final = (-3.0, 15.0)  # level of the direct sound over that of its echo
_BAND_HZ: Final = (300.0, 3400.0)
_STOPPED_DB: Final = (30.0, 90.0)  # how much quieter a telephone is outside of its band
_TILTED_BANDS: Final = 6
_LOWEST_HZ: Final = 50.0
_BENT_HZ: Final = 4800.0  # above it, the warp of the frequencies leads back to the end of the spectrum


def random_gain(rng: np.random.Generator) -> np.float32:
    """Draw a factor for a clip's sound: Beta(10, 10) + 0.5, so 0.5 to 1.5 and mostly near 1."""
    return np.float32(rng.beta(_GAIN, _GAIN) + 0.5)


def augment_samples(samples: Samples, settings: AugmentationSettings, rng: np.random.Generator) -> Samples:
    """Change a clip's sound (n,) by the recipe -> (n,).

    In this order: speed, babble, room, noise, tilt, telephone, shift in time, gain. A recipe that turns one off draws
    nothing for it, so the random numbers of the others stay the same.
    """
    gain = np.float32(10 ** (rng.uniform(-1, 1) * settings.audio_gain_db / 20))
    shift = int(rng.uniform(-1, 1) * settings.audio_shift_s * SAMPLE_RATE_HZ)
    if settings.audio_gain:
        gain *= random_gain(rng)
    if settings.speed:
        samples = _change_speed(samples, 1 + settings.speed * rng.uniform(-1, 1))
    if settings.babble and rng.random() < settings.babble:
        samples = _add_babble(samples, rng.uniform(*settings.babble_db), rng)
    samples = _pass_channel(samples, settings, rng)
    return (np.roll(samples, shift) * gain).astype(np.float32)


def _change_speed(samples: Samples, factor: float) -> Samples:
    """Resample (n,) to change tempo and pitch together -> (n,).

    The middle stays where it is. Faster sound is too short and repeats itself at both ends, as ``np.roll`` does.
    """
    count = len(samples)
    changed = _stretch(samples, round(count / factor))
    start = (len(changed) - count) // 2
    if start < 0:
        changed, start = np.concatenate((changed[start:], changed, changed[: count - len(changed)])), 0
    return changed[start : start + count]


def _stretch(samples: Samples, count: int, interpolation: int = cv2.INTER_CUBIC) -> Samples:
    """Resample (n,) -> (count,)."""
    row = np.ascontiguousarray(samples, np.float32)[None]
    return np.asarray(cv2.resize(row, (count, 1), interpolation=interpolation)[0], np.float32)


def _add_babble(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add a murmur of 3 to 6 voices: the clip's own at another pitch and tempo, shifted, half of them reversed.

    It has the spectrum and the rhythm of recorded voices, and needs no corpus of noise.
    """
    count = len(samples)
    murmur = np.zeros(count, np.float32)
    endless = np.concatenate((samples, samples))
    for _ in range(rng.integers(3, 7)):
        pace, loudness = np.exp2(rng.uniform(-0.5, 0.5, 2))
        source_samples = int(count * pace)
        start = int(rng.integers(2 * count - source_samples))
        voice = _stretch(endless[start : start + source_samples], count, cv2.INTER_LINEAR)
        murmur += np.float32(loudness) * (voice[::-1] if rng.random() < 0.5 else voice)
    power = float(np.dot(murmur, murmur))
    if not power:
        return samples
    scale = math.sqrt(float(np.dot(samples, samples)) / power / 10 ** (snr_db / 10))
    return samples + np.float32(scale) * murmur


def _pass_channel(samples: Samples, settings: AugmentationSettings, rng: np.random.Generator) -> Samples:
    """Add a room and noise, change the balance of the bands, and send it through a telephone: (n,) -> (n,)."""
    echo = _draw_room(rng) if settings.room and rng.random() < settings.room else None
    snr_db = None
    if settings.audio_noise_db is not None and rng.random() < _NOISY_SHARE:
        snr_db = rng.uniform(*settings.audio_noise_db)
    telephone = bool(settings.telephone) and rng.random() < settings.telephone
    if echo is None and snr_db is None and not telephone and not settings.tilt_db:
        return samples
    count = len(samples)
    size = next_fast_len(count + (0 if echo is None else len(echo)), real=True)
    spectrum = rfft(samples.astype(np.float32), size)
    if echo is not None:
        spectrum *= rfft(echo, size)
    if snr_db is not None:
        # The noise fills all of the transform, and the voice only a part.
        spectrum += _draw_noise(spectrum, 10 ** (-snr_db / 10) * size / count, rng)
    if settings.tilt_db:
        spectrum *= _draw_balance(len(spectrum), settings.tilt_db, rng)
    if telephone:
        # In logarithms, lest the floor of every clip is the same.
        spectrum *= np.maximum(_shape_band(len(spectrum)), np.float32(10 ** (-rng.uniform(*_STOPPED_DB) / 20)))
    changed = np.asarray(irfft(spectrum, size)[:count], np.float32)
    return _distort(changed, rng) if telephone else changed


def _draw_room(rng: np.random.Generator) -> Samples:
    """Draw the impulse response of a room: the direct sound, then noise that decays exponentially; its energy is 1."""
    seconds, direct_db = rng.uniform(*_REVERBERATION_S), rng.uniform(*_DIRECT_DB)
    count = int(seconds * SAMPLE_RATE_HZ)
    decay = np.exp(np.linspace(0, -3 * math.log(10), count, dtype=np.float32))  # 60 dB
    echo = rng.standard_normal(count, np.float32) * decay
    echo[0] = 0
    echo *= 10 ** (-direct_db / 20) / math.sqrt(float(np.dot(echo, echo)))
    echo[0] = 1
    return np.asarray(echo / math.sqrt(float(np.dot(echo, echo))), np.float32)


def _draw_noise(spectrum: Spectrum, power: float, rng: np.random.Generator) -> Spectrum:
    """Draw the spectrum (F,) of noise between white and brown, of so much power relative to a signal's."""
    slope = rng.random()  # of the amplitude: 0 is white, 0.5 pink, 1 brown
    noise = rng.standard_normal(2 * len(spectrum), np.float32).view(np.complex64)
    noise *= np.exp(np.float32(-slope) * _compute_log_hz(len(spectrum)))
    scale = math.sqrt(power * float(np.vdot(spectrum, spectrum).real) / float(np.vdot(noise, noise).real))
    return np.asarray(noise * np.float32(scale), np.complex64)


@cache
def _compute_log_hz(count: int) -> NDArray[np.float32]:
    """Compute the logarithm of each frequency of a spectrum (F,) over the lowest that counts, at least 0."""
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, count)
    return np.log(np.maximum(hz, _LOWEST_HZ) / _LOWEST_HZ).astype(np.float32)


def _draw_balance(count: int, most_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the gain of each frequency (F,): random in a few bands, equally wide in octaves, and smooth between them."""
    log_hz = _compute_log_hz(count)
    gains = math.log(10) / 20 * most_db * rng.uniform(-1, 1, _TILTED_BANDS)
    balance = np.interp(log_hz, np.linspace(0, log_hz[-1], _TILTED_BANDS), gains)
    return np.asarray(np.exp(balance.astype(np.float32)))


@cache
def _shape_band(count: int) -> NDArray[np.float32]:
    """Compute the gain of each frequency (F,) in a telephone: those of two Butterworth filters."""
    hz = np.maximum(np.linspace(0, SAMPLE_RATE_HZ / 2, count), 1)
    low, high = _BAND_HZ
    return np.asarray(1 / np.sqrt((1 + (low / hz) ** 8) * (1 + (hz / high) ** 20)), np.float32)


def _distort(samples: Samples, rng: np.random.Generator) -> Samples:
    """Clip (n,) a little, and in half of the clips round it as 8-bit mu-law does (ITU-T G.711)."""
    peak = float(np.abs(samples).max()) * rng.uniform(0.5, 1)
    rounded = rng.random() < 0.5
    if not peak:
        return samples
    clipped = np.clip(samples * np.float32(1 / peak), -1, 1)
    if rounded:
        clipped = _tabulate_mu_law()[np.round(clipped * 32767).astype(np.int32) + 32767]
    distorted: Samples = clipped * np.float32(peak)
    return distorted


@cache
def _tabulate_mu_law() -> NDArray[np.float32]:
    """Compute the levels (65535,) of 16-bit samples after 8-bit mu-law."""
    level = np.arange(-32767, 32768) / 32767
    code = np.round(127 * np.log1p(255 * np.abs(level)) / math.log(256)) / 127
    return np.asarray(np.sign(level) * np.expm1(code * math.log(256)) / 255, np.float32)


def augment_log_mel(mel: Samples, settings: AugmentationSettings, rng: np.random.Generator) -> Samples:
    """Stretch the frequencies of a log-mel and blank a band of time and one of frequency: (256, 128) -> same."""
    if settings.warp_mel:
        mel = warp_frequencies(mel, 1 + settings.warp_mel * rng.uniform(-1, 1))
    return mask_log_mel(mel, settings, rng)


def warp_frequencies(mel: Samples, factor: float) -> Samples:
    """Multiply the frequencies of a log-mel (256, 128) by a factor, as a shorter vocal tract would.

    Above 4.8 kHz (or what gets there) they are bent so that the end of the spectrum stays (Jaitly & Hinton 2013).
    """
    half = SAMPLE_RATE_HZ / 2
    bend = _BENT_HZ * min(1.0, 1 / factor)
    places = from_mel(compute_mel_centres())
    origins = np.interp(places, (0, bend * factor, half), (0, bend, half))
    centres = compute_mel_centres()
    at = np.interp(to_mel(origins), centres, np.arange(len(centres)))
    below = np.minimum(at.astype(int), len(centres) - 2)
    share = (at - below).astype(np.float32)
    warped: Samples = mel[:, below] * (1 - share) + mel[:, below + 1] * share
    return warped


def mask_log_mel(mel: Samples, settings: AugmentationSettings, rng: np.random.Generator) -> Samples:
    """Blank a band of time and a band of frequency (SpecAugment, Park et al. 2019): (256, 128) -> same."""
    mel = mel.copy()
    for axis, widest in ((0, settings.mask_time_frames), (1, settings.mask_mel_bins)):
        width = int(rng.integers(0, widest + 1))
        start = int(rng.integers(0, mel.shape[axis] - width + 1))
        band = [slice(None), slice(None)]
        band[axis] = slice(start, start + width)
        mel[tuple(band)] = 0
    return mel
