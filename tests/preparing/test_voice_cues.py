"""Cues of a voice: synthetic voices of known pitch, loudness, rhythm and spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.preparing import voice_cues
from hicmae_cli.preparing.voice_cues import VOICE_CUES, measure_voice_cues

LENGTH_S = 1.0
TIMES_S = np.arange(round(LENGTH_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def voice(pitch_hz: float | np.ndarray, tilt: float = 1.0, noise: float = 0.003) -> np.ndarray:
    """Harmonics up to 6 kHz, the n-th with the amplitude n ** -tilt, and a little noise."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch_hz, TIMES_S.shape)) / SAMPLE_RATE_HZ
    count = int(6000 / np.max(pitch_hz))
    sound = noise * np.random.default_rng(0).standard_normal(len(TIMES_S))
    for n in range(1, count + 1):
        sound += np.sin(n * phase) * n**-tilt
    return np.asarray(0.1 * sound, np.float32)


def hz(semitones: float) -> float:
    return 27.5 * 2 ** (semitones / 12)


@pytest.mark.parametrize("pitch_hz", [85.0, 123.4, 220.0, 16000 / 48.5, 16000 / 33.5])
@pytest.mark.parametrize("tilt", [0.3, 1.0, 2.0, 9.0])
def test_the_median_pitch_is_that_of_the_tone(pitch_hz: float, tilt: float) -> None:
    cues = measure_voice_cues(voice(pitch_hz, tilt))
    assert hz(cues["pitch_median"]) == pytest.approx(pitch_hz, rel=0.01)
    assert cues["pitch_spread"] < 0.1
    assert cues["voiced_share"] > 0.95


def test_a_glide_has_the_slope_and_the_range_of_its_pitch() -> None:
    cues = measure_voice_cues(voice(110 * 2**TIMES_S))
    assert cues["pitch_slope"] == pytest.approx(12, rel=0.05)
    low, high = (12 * np.log2(110 * 2**share / 27.5) for share in (0.05, 0.95))
    assert cues["pitch_low"] == pytest.approx(low, abs=0.4)
    assert cues["pitch_high"] == pytest.approx(high, abs=0.4)


@pytest.mark.parametrize("gain_db", [-50, -12, 12, 30])
def test_loudness_changes_nothing(gain_db: float) -> None:
    rng = np.random.default_rng(1)
    rhythm = 1 + 0.9 * np.sin(2 * np.pi * 4 * TIMES_S)
    sound = (voice(200 + 40 * np.sin(2 * np.pi * 3 * TIMES_S)) * rhythm).astype(np.float32)
    sound[4000:8000] = 0.02 * rng.standard_normal(4000)
    before, after = measure_voice_cues(sound), measure_voice_cues(sound * np.float32(10 ** (gain_db / 20)))
    assert list(before) == list(VOICE_CUES)
    assert after == pytest.approx(before, rel=1e-4, abs=1e-4)


def test_peaks_are_counted_as_syllables() -> None:
    for rate in (3, 5):
        rhythm = 1.05 - np.cos(2 * np.pi * rate * TIMES_S)
        sound = (voice(150.0) * rhythm).astype(np.float32)
        assert measure_voice_cues(sound)["peak_rate"] == pytest.approx(rate, abs=0.4)
    assert measure_voice_cues(voice(150.0))["peak_rate"] <= 1.1


def test_a_bright_voice_has_a_flatter_spectrum_than_a_dull_one() -> None:
    bright, dull = (measure_voice_cues(voice(150.0, tilt)) for tilt in (0.5, 2.0))
    for name in ("centroid", "spectral_slope", "band_middle", "band_high"):
        assert bright[name] > dull[name] + 0.5, name
    for name in ("alpha_ratio", "hammarberg"):
        assert bright[name] < dull[name] - 3, name


def test_the_shape_of_the_spectrum_is_relative_to_its_mean_and_shows_where_it_changes() -> None:
    changing = voice(150.0)
    changing[8000:] = voice(150.0, tilt=2.0)[8000:]
    steady, changed = measure_voice_cues(voice(150.0)), measure_voice_cues(changing)
    levels, spreads = (
        [[cues[f"shape{kind}_{band:02d}"] for band in range(1, 21)] for cues in (steady, changed)]
        for kind in ("", "_spread")
    )
    assert np.sum(levels, axis=1) == pytest.approx(0, abs=1e-6)
    # Harmonics whose amplitudes fall as 1 / n lose 6 dB per octave, and those of the second half 12.
    assert levels[0][2] > levels[0][15] + 10
    assert levels[1][2] - levels[1][15] > levels[0][2] - levels[0][15] + 5
    assert max(spreads[0]) < 2
    assert spreads[1][2] > 5 and spreads[1][15] > 5
    low, high = ([changed[f"shape_{kind}_{band:02d}"] for band in (3, 16)] for kind in ("low", "high"))
    assert np.subtract(high, low) == pytest.approx([2 * spreads[1][2], 2 * spreads[1][15]], rel=0.2)


def test_the_first_cepstral_coefficient_is_the_tilt_and_changes_once() -> None:
    changing = voice(150.0)
    changing[8000:] = voice(150.0, tilt=2.0)[8000:]
    steady, changed = measure_voice_cues(voice(150.0)), measure_voice_cues(changing)
    tilt = changed["cepstrum_high_01"] - changed["cepstrum_low_01"]
    assert tilt > 5 and changed["cepstrum_spread_01"] == pytest.approx(tilt / 2, rel=0.2)
    assert steady["cepstrum_spread_01"] < 1
    # One step in a second of 10 ms frames.
    assert changed["cepstrum_change_01"] < tilt / 2
    assert steady["cepstrum_change_01"] < changed["cepstrum_change_01"]


def test_noise_and_pauses_lower_the_shares_of_voice_and_speech() -> None:
    sound = voice(150.0)
    clear = measure_voice_cues(sound)
    sound[6000:10000] = 0.1 * np.random.default_rng(0).standard_normal(4000)
    hissing = measure_voice_cues(sound)
    assert hissing["voiced_share"] == pytest.approx(0.75, abs=0.07)
    assert hissing["speech_share"] == 1
    sound[6000:10000] = 0
    broken = measure_voice_cues(sound)
    assert broken["speech_share"] == pytest.approx(0.75, abs=0.07)
    assert broken["voiced_length"] == pytest.approx(clear["voiced_length"] * 0.75 / 2, rel=0.15)
    assert measure_voice_cues(voice(150.0, noise=0.3))["harmonicity"] < clear["harmonicity"] - 5


def test_silence_and_short_sounds_have_no_cues_and_noise_no_pitch() -> None:
    for sound in (np.zeros(16000), np.ones(16000), np.zeros(0), voice(150.0)[:2000], np.full(16000, np.nan)):
        assert measure_voice_cues(sound.astype(np.float32)) == {}
    hiss = measure_voice_cues(np.random.default_rng(0).standard_normal(16000).astype(np.float32))
    assert "pitch_median" not in hiss and hiss["voiced_share"] < 0.05
    assert np.isfinite(list(hiss.values())).all()


@pytest.mark.filterwarnings("error")
def test_a_click_in_digital_silence_is_no_speech() -> None:
    sound = np.zeros(48_000, np.float32)
    sound[24_000] = 1
    assert measure_voice_cues(sound) == {}
    # A voice in silence is measured.
    sound[:] = 0
    sound[8000:16_000] = voice(150.0)[:8000]
    assert measure_voice_cues(sound)["speech_share"] == 1


def test_long_sounds_are_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure_voice_cues(voice(180.0))
    monkeypatch.setattr(voice_cues, "_BLOCK_FRAMES", 7)
    assert measure_voice_cues(voice(180.0)) == pytest.approx(whole)
