"""Cues in the sound of a voice: how high, lively, fast and bright it is, but not how loud.

The cues follow the ideas of eGeMAPS (Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for Voice
Research and Affective Computing", IEEE Transactions on Affective Computing 7(2), 2016), with definitions of our own.
Each one is a difference of levels or logarithms, a share or a rate, so a gain changes none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import SAMPLE_RATE_HZ

Floats = NDArray[np.float64]

_SHAPE_BANDS: Final = 20
_COEFFICIENTS: Final = 12


def _number(name: str, count: int, meaning: str) -> dict[str, str]:
    """Name and explain one cue for each band or coefficient, counted from 1."""
    return {f"{name}_{number:02d}": meaning.format(number) for number in range(1, count + 1)}


VOICE_CUES: Final[Mapping[str, str]] = {
    "pitch_median": "median pitch, in semitones above 27.5 Hz",
    "pitch_low": "5th percentile of the pitch, in semitones",
    "pitch_high": "95th percentile of the pitch, in semitones",
    "pitch_spread": "standard deviation of the pitch, in semitones",
    "pitch_slope": "mean absolute slope of the pitch, in semitones/s",
    "level_spread": "standard deviation of the level over speech, in dB",
    "level_range": "90th minus 10th percentile of the level over speech, in dB",
    "level_change": "mean absolute change of the level over speech, in dB per 10 ms",
    "speech_share": "share of frames with speech, from its first to its last one",
    "voiced_share": "share of voiced frames in speech",
    "voiced_length": "mean length of a voiced stretch, in s",
    "peak_rate": "peaks of the level per second, about the rate of syllables",
    "harmonicity": "mean ratio of harmonics to noise in voiced frames, in dB",
    "centroid": "centroid of the spectrum, in octaves above 1 kHz",
    "spectral_slope": "slope of the spectrum from 0.5 to 5 kHz, in dB per octave",
    "spectral_change": "mean change of the shape of the spectrum, in dB per 10 ms",
    "alpha_ratio": "level from 0.05 to 1 kHz minus that from 1 to 5 kHz, in dB",
    "hammarberg": "highest level up to 2 kHz minus that from 2 to 5 kHz, in dB",
    "band_low": "level below 0.25 kHz minus that from 0.25 to 0.65 kHz, in dB",
    "band_middle": "level from 0.65 to 2 kHz minus that from 0.25 to 0.65 kHz, in dB",
    "band_high": "level from 4 to 8 kHz minus that below 4 kHz, in dB",
    **_number("shape", _SHAPE_BANDS, "mean level over speech of mel band {}, relative to all bands, in dB"),
    **_number("shape_spread", _SHAPE_BANDS, "standard deviation over speech of that level of band {}, in dB"),
    **_number("shape_low", _SHAPE_BANDS, "10th percentile over speech of that level of band {}, in dB"),
    **_number("shape_high", _SHAPE_BANDS, "90th percentile over speech of that level of band {}, in dB"),
    **_number("cepstrum_spread", _COEFFICIENTS, "standard deviation over speech of cepstral coefficient {}, in dB"),
    **_number("cepstrum_low", _COEFFICIENTS, "10th percentile over speech of cepstral coefficient {}, in dB"),
    **_number("cepstrum_high", _COEFFICIENTS, "90th percentile over speech of cepstral coefficient {}, in dB"),
    **_number("cepstrum_change", _COEFFICIENTS, "root mean square change of coefficient {}, in dB per 10 ms"),
}
"""Name and meaning of each cue."""

_STEP_SAMPLES: Final = 160  # 10 ms
_PITCH_SAMPLES: Final = 640  # 40 ms: three periods of the lowest pitch
_PITCH_FFT: Final = 1024  # more than a frame and the longest lag
_LEVEL_SAMPLES: Final = 400  # 25 ms, in the middle of the 40
_LEVEL_FFT: Final = 512
_BLOCK_FRAMES: Final = 1000  # at a time, to bound the memory

_LOWEST_PITCH_HZ: Final = 75.0
_HIGHEST_PITCH_HZ: Final = 550.0
_REFERENCE_HZ: Final = 27.5  # of eGeMAPS
# Lags in halves of a sample, with one more at either end. At whole samples, twice a period of 33.5 samples would look
# more regular than the period.
_LAG_RATE_HZ: Final = 2 * SAMPLE_RATE_HZ
_LAGS: Final = np.arange(int(_LAG_RATE_HZ / _HIGHEST_PITCH_HZ) - 1, int(_LAG_RATE_HZ / _LOWEST_PITCH_HZ) + 3)
# By this much per octave, a shorter period is preferred (Boersma 1993): twice the period fits as well.
_OCTAVE_COST: Final = 0.02
_VOICED: Final = 0.6
_LEAST_BEND: Final = 1e-12
# Range of a voice, relative to the quartiles of the first pass.
_BELOW_QUARTILE: Final = 0.7
_ABOVE_QUARTILE: Final = 2.0
_SMOOTHED_FRAMES: Final = 5
# Between neighbouring frames, a larger step is an error of an octave and no glide.
_LARGEST_STEP_SEMITONES: Final = 4.0
_FEWEST_VOICED: Final = 5

# Quieter frames than this below the loud ones are pauses.
_SPEECH_DB: Final = 35.0
_SILENT_DB: Final = 60.0  # below the loudest frame, whatever most of the clip is
_FEWEST_SPEECH: Final = 20
# Below the loudest frame; samples of 16 bit have no more.
_FLOOR_DB: Final = 80.0
# Depth of a dip between two syllables (de Jong & Wempe 2009).
_DIP_DB: Final = 2.0


@dataclass(frozen=True)
class _Frames:
    """What is measured in each frame (t,), 100 per second.

    Attributes:
        level_db: the level.
        power: (t, 257) the power spectrum of 25 ms.
        pitch_semitones: the pitch above 27.5 Hz, if the frame is voiced.
        periodicity: 0 to 1: how well the sound repeats itself after one period.
    """

    level_db: Floats
    power: Floats
    pitch_semitones: Floats
    periodicity: Floats


def measure_voice_cues(samples: NDArray[np.float32]) -> dict[str, float]:
    """Measure the cues of a sound.

    Args:
        samples: (m,) 16 kHz mono.

    Returns:
        Some or all of `VOICE_CUES`: none for a sound with less than 0.2 s above silence, and not those of the pitch
        where nothing is voiced.
    """
    sound = np.asarray(samples, np.float64)
    sound = sound - sound.mean() if len(sound) else sound
    peak = np.abs(sound).max(initial=0.0)
    if len(sound) < _PITCH_SAMPLES or peak < 1e-6 or not np.isfinite(peak):
        return {}
    frames = _measure_frames(sound / peak)
    # In a nearly silent clip, the 95th percentile is silence itself, which is no speech.
    silence_db = frames.level_db.max() - _SILENT_DB
    is_speech = frames.level_db > max(np.percentile(frames.level_db, 95) - _SPEECH_DB, silence_db)
    if is_speech.sum() < _FEWEST_SPEECH:
        return {}
    cues = {
        **_measure_pitch(frames, is_speech),
        **_measure_level(frames.level_db, is_speech),
        **_measure_spectrum(frames.power[is_speech]),
    }
    return {name: cues[name] for name in VOICE_CUES if name in cues}


def _measure_frames(sound: Floats) -> _Frames:
    starts = np.lib.stride_tricks.sliding_window_view(sound, _PITCH_SAMPLES)[::_STEP_SAMPLES]
    parts: list[tuple[Floats, ...]] = []
    edge = (_PITCH_SAMPLES - _LEVEL_SAMPLES) // 2
    window = np.hanning(_LEVEL_SAMPLES)
    for first in range(0, len(starts), _BLOCK_FRAMES):
        block = starts[first : first + _BLOCK_FRAMES]
        middle = block[:, edge : edge + _LEVEL_SAMPLES]
        power = np.abs(np.fft.rfft(middle * window, _LEVEL_FFT)) ** 2
        parts.append(((middle**2).mean(axis=1), power, _correlate(block)))
    energy, power, correlation = (np.concatenate(part) for part in zip(*parts, strict=True))
    floor = energy.max() * 10 ** (-_FLOOR_DB / 10)
    pitch_hz, periodicity = _track_pitch(correlation)
    return _Frames(
        level_db=10 * np.log10(np.maximum(energy, floor)),
        power=power,
        pitch_semitones=12 * np.log2(pitch_hz / _REFERENCE_HZ),
        periodicity=periodicity,
    )


def _correlate(frames: Floats) -> Floats:
    """Compute the autocorrelation of frames (t, 640), without the effect of the window, at `_LAGS` (t, lags)."""
    window, own = _pitch_window()
    centred = (frames - frames.mean(axis=1, keepdims=True)) * window
    power = np.abs(np.fft.rfft(centred, _PITCH_FFT)) ** 2
    correlation = np.fft.irfft(power, 2 * _PITCH_FFT)
    energy = correlation[:, :1]
    part = np.divide(correlation[:, _LAGS], energy, out=np.zeros((len(frames), len(_LAGS))), where=energy > 0)
    return np.asarray(part / own[_LAGS], np.float64)


def _track_pitch(correlation: Floats) -> tuple[Floats, Floats]:
    """Find the pitch of each frame by its autocorrelation (Boersma 1993).

    The second of two passes searches the range of the voice alone (de Looze & Hirst 2008).

    Args:
        correlation: (t, lags), see `_correlate`.

    Returns:
        (t,) the pitch in Hz, and (t,) the periodicity, 0 to 1.
    """
    before, here, after = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    # Only peaks: at a short lag, the correlation is high for any sound.
    is_peak = (here > before) & (here >= after)
    # A parabola through three points. In digital silence they may differ by rounding errors alone.
    bend = np.where(is_peak, np.minimum(before - 2 * here + after, -_LEAST_BEND), -1.0)
    shift = np.where(is_peak, 0.5 * (before - after) / bend, 0.0)
    height = here - 0.25 * (before - after) * shift
    pitches_hz = _LAG_RATE_HZ / _LAGS[1:-1]
    score = np.where(is_peak, height + _OCTAVE_COST * np.log2(pitches_hz), -np.inf)
    rows = np.arange(len(correlation))
    best = score.argmax(axis=1)
    is_voiced = is_peak[rows, best] & (height[rows, best] > _VOICED)
    if is_voiced.sum() >= _FEWEST_VOICED:
        low_hz, high_hz = np.percentile(pitches_hz[best[is_voiced]], (25, 75))
        is_near = (pitches_hz >= low_hz * _BELOW_QUARTILE) & (pitches_hz <= high_hz * _ABOVE_QUARTILE)
        score = np.where(is_near, score, -np.inf)
        best = score.argmax(axis=1)
    has_peak = np.isfinite(score[rows, best])
    pitch_hz = _LAG_RATE_HZ / (_LAGS[1:-1][best] + np.where(has_peak, shift[rows, best], 0.0))
    return pitch_hz, np.where(has_peak, np.clip(height[rows, best], 0.0, 1.0), 0.0)


@cache
def _pitch_window() -> tuple[Floats, Floats]:
    """Compute the window of a frame (640,), and its own autocorrelation, which is 1 at lag 0."""
    window = np.hanning(_PITCH_SAMPLES)
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _PITCH_FFT)) ** 2, 2 * _PITCH_FFT)
    return window, np.asarray(own / own[0], np.float64)


def _measure_pitch(frames: _Frames, is_speech: NDArray[np.bool_]) -> dict[str, float]:
    is_voiced = is_speech & (frames.periodicity > _VOICED)
    cues = {"voiced_share": float(is_voiced.sum() / is_speech.sum())}
    places = np.flatnonzero(is_voiced)
    if len(places) < _FEWEST_VOICED:
        return cues
    stretches = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    pitch = np.concatenate([_smooth(frames.pitch_semitones[stretch]) for stretch in stretches])
    steps = np.abs(np.diff(pitch))[np.diff(places) == 1]
    steps = steps[steps < _LARGEST_STEP_SEMITONES]
    low, median, high = np.percentile(pitch, (5, 50, 95))
    periodicity = np.clip(frames.periodicity[places], 0.0, 0.999)
    cues |= {
        "pitch_median": float(median),
        "pitch_low": float(low),
        "pitch_high": float(high),
        "pitch_spread": float(pitch.std()),
        "voiced_length": len(places) / len(stretches) * _STEP_SAMPLES / SAMPLE_RATE_HZ,
        "harmonicity": float((10 * np.log10(periodicity / (1 - periodicity))).mean()),
    }
    if len(steps):
        cues["pitch_slope"] = float(steps.mean() * SAMPLE_RATE_HZ / _STEP_SAMPLES)
    return cues


def _smooth(pitch: Floats) -> Floats:
    """Take the median of five neighbours, which removes single errors of an octave."""
    padded = np.pad(pitch, _SMOOTHED_FRAMES // 2, mode="edge")
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED_FRAMES), axis=1)
    return medians


def _measure_level(level_db: Floats, is_speech: NDArray[np.bool_]) -> dict[str, float]:
    places = np.flatnonzero(is_speech)
    spoken = level_db[places]
    low, high = np.percentile(spoken, (10, 90))
    inside = level_db[places[0] : places[-1] + 1]
    length_s = len(inside) * _STEP_SAMPLES / SAMPLE_RATE_HZ
    changes = np.abs(np.diff(level_db))[is_speech[1:] & is_speech[:-1]]
    return {
        "level_spread": float(spoken.std()),
        "level_range": float(high - low),
        "level_change": float(changes.mean()) if len(changes) else 0.0,
        "speech_share": len(spoken) / len(inside),
        "peak_rate": _count_peaks(np.maximum(inside, spoken.min())) / length_s,
    }


def _count_peaks(level_db: Floats) -> int:
    """Count the peaks of a level that has been smoothed over 50 ms, with dips of at least 2 dB between them."""
    padded = np.pad(level_db, 2, mode="edge")
    peaks, rises, turn = 0, True, -np.inf
    for value in np.convolve(padded, np.full(5, 0.2), mode="valid"):
        # The highest level of a rise, or the lowest of a fall.
        turn = max(turn, value) if rises else min(turn, value)
        if abs(value - turn) >= _DIP_DB:
            peaks += rises
            rises, turn = not rises, value
    return peaks + rises


def _measure_spectrum(power: Floats) -> dict[str, float]:
    """Measure the mean spectrum of speech (257,), and how its shape changes from frame to frame."""
    hz, mean = np.fft.rfftfreq(_LEVEL_FFT, 1 / SAMPLE_RATE_HZ), power.mean(axis=0)
    floor = mean.max() * 10 ** (-_FLOOR_DB / 10)
    spectrum = np.maximum(mean, floor)

    def level(low_hz: float, high_hz: float) -> float:
        return float(10 * np.log10(spectrum[(hz >= low_hz) & (hz < high_hz)].sum()))

    def highest(low_hz: float, high_hz: float) -> float:
        return float(10 * np.log10(spectrum[(hz >= low_hz) & (hz < high_hz)].max()))

    bands = power @ _shape_bands()
    bands_db = 10 * np.log10(np.maximum(bands, bands.max() * 10 ** (-_FLOOR_DB / 10)))
    shape = bands_db - bands_db.mean(axis=1, keepdims=True)
    octaves = np.log2(_shape_centres_hz())
    is_sloped = (_shape_centres_hz() >= 500) & (_shape_centres_hz() <= 5000)
    vowels, heard = level(250, 650), hz >= 50
    return {
        "centroid": float(np.log2((spectrum[heard] * hz[heard]).sum() / spectrum[heard].sum() / 1000)),
        "spectral_slope": float(np.polyfit(octaves[is_sloped], shape.mean(axis=0)[is_sloped], 1)[0]),
        "spectral_change": float(np.abs(np.diff(shape, axis=0)).mean()),
        "alpha_ratio": level(50, 1000) - level(1000, 5000),
        "hammarberg": highest(0, 2000) - highest(2000, 5000),
        "band_low": level(50, 250) - vowels,
        "band_middle": level(650, 2000) - vowels,
        "band_high": level(4000, 8001) - level(50, 4000),
        **_summarise(shape),
    }


def _summarise(shape: Floats) -> dict[str, float]:
    """Summarise the relative levels of the bands (t, 20) in dB, and their cepstrum."""
    bands = np.arange(_SHAPE_BANDS) + 0.5
    waves = np.cos(np.pi / _SHAPE_BANDS * np.outer(bands, np.arange(1, _COEFFICIENTS + 1)))
    cepstrum = shape @ waves * (2 / _SHAPE_BANDS)
    found = {
        "shape": shape.mean(axis=0),
        "shape_spread": shape.std(axis=0),
        "shape_low": np.percentile(shape, 10, axis=0),
        "shape_high": np.percentile(shape, 90, axis=0),
        "cepstrum_spread": cepstrum.std(axis=0),
        "cepstrum_low": np.percentile(cepstrum, 10, axis=0),
        "cepstrum_high": np.percentile(cepstrum, 90, axis=0),
        "cepstrum_change": np.sqrt((np.diff(cepstrum, axis=0) ** 2).mean(axis=0)),
    }
    return {
        f"{name}_{number:02d}": float(value)
        for name, values in found.items()
        for number, value in enumerate(values, start=1)
    }


@cache
def _shape_edges_hz() -> Floats:
    """Compute the edges (22,) of 20 overlapping bands, evenly spaced in mel from 50 to 7900 Hz."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (50.0, 7900.0))
    return np.asarray(700 * (10 ** (np.linspace(low, high, _SHAPE_BANDS + 2) / 2595) - 1), np.float64)


def _shape_centres_hz() -> Floats:
    return _shape_edges_hz()[1:-1]


@cache
def _shape_bands() -> Floats:
    """Compute the weights (257, 20) of triangular bands; each sums to 1."""
    hz, edges = np.fft.rfftfreq(_LEVEL_FFT, 1 / SAMPLE_RATE_HZ)[:, None], _shape_edges_hz()
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    weights = np.clip(np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)), 0.0, None)
    return np.asarray(weights / weights.sum(axis=0), np.float64)
