"""Puppets' voices: a source-filter synthesiser in NumPy, with the settings of a manner of speaking.

The formants of vowels shape a train of glottal pulses and noise, frame by frame; vowels, pulses and syllables are
those of a world. The words are nonsense.

Letters: n samples at 16 kHz, T control frames at 100 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.puppets.manners import LEAST, MANNERS, NEUTRAL, SPREAD, Manner
from hicmae_cli.puppets.world import FILM, Floats, Speech

CONTROL_HZ = 100
_STEP_SAMPLES = SAMPLE_RATE_HZ // CONTROL_HZ  # 160
_FFT_SAMPLES = 512
_HOP_SAMPLES = 128

_NASAL_HZ = np.array([280.0, 1300.0, 2300.0])
_FORMANT_WIDTHS_HZ = np.array([80.0, 100.0, 140.0, 220.0])
_FOURTH_FORMANT_HZ = 3500.0


@dataclass(frozen=True)
class VoiceIdentity:
    """One speaker: pitch, vocal tract length (as a factor on formants), habits relative to neutral, language."""

    pitch_hz: float
    formant_scale: float
    rate_scale: float
    tilt_db: float
    breath: float
    range_scale: float
    speech: Speech = FILM.speech

    @classmethod
    def draw(
        cls, rng: np.random.Generator, female: float, age_years: float, speech: Speech = FILM.speech
    ) -> VoiceIdentity:
        """Draw a random speaker.

        Args:
            rng: the source of randomness.
            female: 0 (male) to 1 (female).
            age_years: age of the face that belongs to the voice.
            speech: of the speaker's world.
        """
        age = float(np.clip((age_years - 20) / 60, 0, 1))
        low_hz, high_hz = speech.pitch_hz
        long, short = speech.tract_scale
        pitch_hz = low_hz * (high_hz / low_hz) ** female * np.exp(rng.normal(0, speech.pitch_spread))
        pitch_hz *= 1 + 0.08 * age * (1 - 2 * female)
        return cls(
            pitch_hz=float(pitch_hz),
            formant_scale=float(long * (short / long) ** female * np.exp(rng.normal(0, 0.035))),
            rate_scale=float(speech.rate_scale * np.exp(rng.normal(-0.1 * age, 0.08))),
            tilt_db=float(rng.normal(-0.8 * age, 0.8)),
            breath=float(max(0, rng.normal(0.02 + 0.05 * age, 0.03))),
            range_scale=float(np.exp(rng.normal(0, 0.15))),
            speech=speech,
        )


@dataclass(frozen=True)
class Mouth:
    """Movements of the mouth, (T,) in 0..1 at 100 Hz: jaw opening, rounding, closing and spreading of the lips."""

    jaw: NDArray[np.float32]
    round: NDArray[np.float32]
    press: NDArray[np.float32]
    wide: NDArray[np.float32]

    def resample(self, times_s: Floats) -> Mouth:
        """Interpolate the curves at other times, (len(times_s),) each."""
        grid = np.arange(len(self.jaw)) / CONTROL_HZ
        curves = (np.interp(times_s, grid, getattr(self, f.name)).astype(np.float32) for f in fields(self))
        return Mouth(*curves)


@dataclass(frozen=True)
class Utterance:
    """A clip's sound (n,) float32 in -1..1, and the movements of the mouth."""

    samples: NDArray[np.float32]
    mouth: Mouth


def speak(
    manner: str, speaker: VoiceIdentity, intensity: float, duration_s: float, rng: np.random.Generator
) -> Utterance:
    """Speak nonsense syllables.

    Args:
        manner: one of ``MANNERS``: an emotion, or a manner that two emotions share.
        speaker: the speaker.
        intensity: 0 (neutral) to 1 (full).
        duration_s: length of the clip.
        rng: draws the syllables, the rendering and the recording.

    Raises:
        ValueError: the manner is unknown.
    """
    if manner not in MANNERS:
        raise ValueError(f"unknown manner {manner!r}; known: {', '.join(MANNERS)}")
    rendered = _render_manner(MANNERS[manner], speaker, intensity, rng)
    num_control = round(duration_s * CONTROL_HZ) + 1
    tracks = _Tracks(num_control)
    _lay_syllables(tracks, rendered, speaker, rng)
    pitch_hz = _compute_pitch(tracks, rendered, speaker, rng)
    num_samples = round(duration_s * SAMPLE_RATE_HZ)
    voice = _synthesise(tracks, pitch_hz, rendered, speaker, num_samples, rng)
    return Utterance(_record(voice, rendered.loudness_db, rng), tracks.build_mouth())


def _render_manner(target: Manner, speaker: VoiceIdentity, intensity: float, rng: np.random.Generator) -> Manner:
    """Render a manner at some intensity by one speaker, with random variation."""
    values = {}
    for f in fields(Manner):
        plain, full = getattr(NEUTRAL, f.name), getattr(target, f.name)
        value = plain + intensity * (full - plain) + rng.normal(0, getattr(SPREAD, f.name))
        values[f.name] = value
    values["rate_hz"] *= speaker.rate_scale
    values["range_st"] *= speaker.range_scale
    values["arch_st"] *= speaker.range_scale
    values["tilt_db"] += speaker.tilt_db
    values["breath"] += speaker.breath
    return Manner(**{name: float(max(value, getattr(LEAST, name))) for name, value in values.items()})


class _Tracks:
    """Control signals at 100 Hz, (T,) each, filled syllable by syllable."""

    def __init__(self, count: int) -> None:
        self.voiced = np.zeros(count)
        self.hiss = np.zeros(count)
        self.hiss_hz = np.full(count, 4500.0)
        self.formants = np.tile(np.array([500.0, 1500.0, 2500.0]), (count, 1))
        self.syllable_st = np.zeros(count)
        self.jaw, self.round, self.press, self.wide = (np.zeros(count) for _ in range(4))

    def build_mouth(self) -> Mouth:
        """Build the mouth's movements, smoothed like those of flesh."""
        kernel = np.hanning(11) / np.hanning(11).sum()
        curves = (np.convolve(c, kernel, "same") for c in (self.jaw, self.round, self.press, self.wide))
        return Mouth(*(np.clip(curve, 0, 1).astype(np.float32) for curve in curves))


def _lay_syllables(tracks: _Tracks, manner: Manner, speaker: VoiceIdentity, rng: np.random.Generator) -> None:
    """Fill the tracks with consonant-vowel syllables and pauses until the clip ends."""
    count, speech = len(tracks.voiced), speaker.speech
    at = int(rng.integers(0, 12))
    loudness = 10 ** (manner.loudness_db / 20)
    while at < count - 8:
        slot = int(CONTROL_HZ / manner.rate_hz * np.exp(rng.normal(0, speech.unevenness)))
        consonant = int(slot * rng.uniform(0.12, 0.3))
        length = max(6, int((slot - consonant) * manner.held))
        stress = np.exp(rng.normal(0, 0.2))
        manner_of = rng.choice(["stop", "hiss", "nasal", "none"], p=speech.consonants)
        start, end = at + consonant, min(count, at + consonant + length)
        if manner_of in ("stop", "nasal"):
            tracks.press[at:start] = 1.0
        if manner_of == "hiss":
            tracks.hiss[at:start] = 0.22 * loudness**0.7 * stress
            tracks.hiss_hz[at:start] = rng.uniform(3000, 6000)
        elif manner_of == "stop":
            tracks.hiss[max(at, start - 2) : start] = 0.3 * loudness * min(1.0, 0.03 / manner.attack_s)
        elif manner_of == "nasal":
            tracks.voiced[at:start] = 0.35 * loudness * stress
            tracks.formants[at:start] = _NASAL_HZ * speaker.formant_scale
        vowel = speech.vowels[int(rng.integers(len(speech.vowels)))]
        span = np.arange(max(0, end - start))
        swell = np.clip(span / CONTROL_HZ / manner.attack_s, 0, 1)
        fade = np.clip((len(span) - span) / (0.2 * length + 3), 0, 1)
        tracks.voiced[start:end] = loudness * stress * swell * fade
        tracks.formants[start:end] = np.array(vowel.formants_hz) * speaker.formant_scale
        arch = np.sin(np.pi * np.clip(span / length, 0, 1)) if manner.arch_st >= 0 else span / length
        tracks.syllable_st[at:] = rng.normal(0, manner.range_st * 0.6)
        tracks.syllable_st[start:end] += abs(manner.arch_st) * (arch if manner.arch_st >= 0 else 0.5 - arch)
        openness = min(1.0, 0.55 + 0.05 * max(0.0, manner.loudness_db + 4)) * swell * fade
        tracks.jaw[start:end] = vowel.jaw * openness
        tracks.round[start:end] = vowel.rounded * (swell * fade)
        tracks.wide[start:end] = vowel.wide * (swell * fade)
        # No draw in a world without codas, whose voices would change.
        if speech.coda and rng.random() < speech.coda:
            _close_with_nasal(tracks, slice(start + length * 2 // 3, end), speaker)
        at = at + slot
        if rng.random() < manner.pauses:
            at += int(rng.uniform(0.12, 0.45) * CONTROL_HZ)


def _close_with_nasal(tracks: _Tracks, part: slice, speaker: VoiceIdentity) -> None:
    """Turn the end of a syllable into a nasal."""
    tracks.formants[part] = _NASAL_HZ * speaker.formant_scale
    for track, share in ((tracks.voiced, 0.6), (tracks.jaw, 0.3), (tracks.round, 0.3), (tracks.wide, 0.3)):
        track[part] *= share


def _compute_pitch(tracks: _Tracks, manner: Manner, speaker: VoiceIdentity, rng: np.random.Generator) -> Floats:
    """Compute the fundamental frequency, (T,) Hz."""
    count = len(tracks.voiced)
    time_s = np.arange(count) / CONTROL_HZ
    semitones = manner.pitch_st + tracks.syllable_st + manner.slope_st * (time_s - time_s[-1] / 2)
    kernel = np.hanning(9) / np.hanning(9).sum()
    semitones = np.convolve(np.pad(semitones, 4, "edge"), kernel, "valid")
    semitones += manner.tremor_st * np.sin(2 * np.pi * (rng.uniform(6, 8) * time_s + rng.random()))
    semitones += rng.normal(0, manner.jitter, count)
    return np.asarray(np.clip(speaker.pitch_hz * 2 ** (semitones / 12), 55, 600))


def _synthesise(
    tracks: _Tracks,
    pitch_hz: Floats,
    manner: Manner,
    speaker: VoiceIdentity,
    num_samples: int,
    rng: np.random.Generator,
) -> Floats:
    """Send the source through the filter, (n,)."""
    grid = np.arange(num_samples) / _STEP_SAMPLES
    control = np.arange(len(pitch_hz))
    phase = np.cumsum(np.interp(grid, control, pitch_hz)) / SAMPLE_RATE_HZ
    cycle, within = np.divmod(phase, 1.0)
    flow = speaker.speech.pulse(within)
    # Creak: every other pulse is weak, so that single beats can be heard.
    flow *= np.where(cycle % 2 == 1, 1 - 0.85 * min(1.0, manner.creak), 1.0)
    shimmer = np.exp(rng.normal(0, 0.05 + 0.15 * manner.jitter, int(cycle[-1]) + 2))
    voiced = np.interp(grid, control, _smooth(tracks.voiced))
    pulses = np.diff(flow * shimmer[cycle.astype(int)], prepend=0.0) * 6 * voiced
    white = rng.normal(0, 1, (2, num_samples))
    pulses = (1 - 0.7 * min(1.0, manner.breath)) * pulses + 0.5 * manner.breath * voiced * white[0]
    hiss = np.interp(grid, control, _smooth(tracks.hiss)) * white[1]
    return _filter(pulses, hiss, tracks, manner, speaker)


def _smooth(track: Floats) -> Floats:
    return np.convolve(track, np.array([0.25, 0.5, 0.25]), "same")


def _filter(pulses: Floats, hiss: Floats, tracks: _Tracks, manner: Manner, speaker: VoiceIdentity) -> Floats:
    """Shape source and hiss by overlap-add of short spectra, (n,)."""
    num = len(pulses)
    starts = np.arange(0, num + _HOP_SAMPLES, _HOP_SAMPLES)
    window = np.hanning(_FFT_SAMPLES + 1)[:-1]
    at = np.clip(starts // _STEP_SAMPLES, 0, len(tracks.voiced) - 1)
    hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    kernel = np.hanning(7) / np.hanning(7).sum()
    formants = np.stack([np.convolve(np.pad(f, 3, "edge"), kernel, "valid") for f in tracks.formants.T], 1)[at]
    fourth = np.full((len(at), 1), _FOURTH_FORMANT_HZ * speaker.formant_scale)
    centres = np.concatenate((formants, fourth), 1)[:, :, None]  # (frames, 4, 1)
    widths = _FORMANT_WIDTHS_HZ[None, :, None]
    resonance = centres**2 / np.sqrt((centres**2 - hz**2) ** 2 + (widths * hz) ** 2)
    tilt = 10 ** (manner.tilt_db * np.log2(np.maximum(hz, 100) / 500) / 20)
    band = np.exp(-0.5 * ((hz - tracks.hiss_hz[at][:, None]) / 1500) ** 2)
    out = np.zeros(num + 2 * _FFT_SAMPLES)
    for source, shape in ((pulses, resonance.prod(1) * tilt), (hiss, band)):
        padded = np.pad(source, (_FFT_SAMPLES // 2, 2 * _FFT_SAMPLES))
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[starts] * window
        shaped = np.fft.irfft(np.fft.rfft(frames) * shape, _FFT_SAMPLES)
        # Every fourth frame: these do not overlap.
        for quarter in range(_FFT_SAMPLES // _HOP_SAMPLES):
            part = shaped[quarter :: _FFT_SAMPLES // _HOP_SAMPLES].ravel()
            offset = quarter * _HOP_SAMPLES
            room = min(len(part), len(out) - offset)
            out[offset : offset + room] += part[:room]
    return out[_FFT_SAMPLES // 2 : _FFT_SAMPLES // 2 + num] / 2


def _record(voice: Floats, loudness_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Record a voice: add a room, a microphone and a noise floor, (n,) float32 in -1..1."""
    if rng.random() < 0.6:
        length = int(rng.uniform(0.05, 0.3) * SAMPLE_RATE_HZ)
        echo = rng.normal(0, 1, length) * np.exp(-6 * np.arange(length) / length)
        echo *= rng.uniform(0.05, 0.3) / np.sqrt((echo**2).sum())
        echo[0] += 1
        size = 1 << (len(voice) + length).bit_length()
        voice = np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(echo, size), size)[: len(voice)]
    level = float(np.sqrt(np.mean(voice**2))) + 1e-9
    # The level of a neutral voice.
    reference = level / 10 ** (loudness_db / 20)
    noise = rng.normal(0, 1, len(voice))
    # Rumble in half of the clips, hiss in the others.
    if rng.random() < 0.5:
        noise = np.cumsum(noise)
        noise -= np.convolve(noise, np.ones(400) / 400, "same")
        noise /= noise.std() + 1e-9
    out = voice + noise * reference * 10 ** (-rng.uniform(14, 40) / 20)
    # A telephone.
    if rng.random() < 0.25:
        hz = np.fft.rfftfreq(len(out), 1 / SAMPLE_RATE_HZ)
        out = np.fft.irfft(np.fft.rfft(out) * ((hz > 250) & (hz < 3600)), len(out))
    gain = 0.035 / reference * 10 ** (rng.normal(0, 2.5) / 20)
    return np.tanh(out * gain).astype(np.float32)
