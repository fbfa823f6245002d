from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.clips import compute_log_mel
from hicmae_cli.puppets.manners import MANNERS
from hicmae_cli.puppets.voice import VoiceIdentity, speak

SPEAKERS = [VoiceIdentity.draw(np.random.default_rng(s), s % 2, 30 + s) for s in range(12)]


def utterances(kind: str, intensity: float = 1.0) -> list[np.ndarray]:
    return [speak(kind, v, intensity, 2.56, np.random.default_rng(i)).samples for i, v in enumerate(SPEAKERS)]


def pitch_hz(samples: np.ndarray) -> float:
    """Median of the autocorrelation peak over loud frames."""
    frames = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    loud = frames[(frames**2).mean(1) > np.median((frames**2).mean(1))]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(loud, 2048)) ** 2)[:, 27:290]
    return float(np.median(16000 / (27 + correlation.argmax(1))))


@pytest.mark.parametrize("manner", MANNERS)
def test_every_manner_speaks(manner: str) -> None:
    utterance = speak(manner, SPEAKERS[0], 0.8, 2.56, np.random.default_rng(0))
    assert utterance.samples.shape == (40960,)
    assert utterance.samples.dtype == np.float32
    assert 1e-3 < np.sqrt((utterance.samples**2).mean()) < 0.5
    assert np.abs(utterance.samples).max() <= 1
    for name in ("jaw", "round", "press", "wide"):
        curve = getattr(utterance.mouth, name)
        assert curve.shape == (257,)
        assert 0 <= curve.min() <= curve.max() <= 1
    assert np.isfinite(compute_log_mel(utterance.samples)).all()


def test_the_same_seed_says_the_same() -> None:
    first, second = (speak("fear", SPEAKERS[1], 0.7, 2.56, np.random.default_rng(5)) for _ in range(2))
    assert (first.samples == second.samples).all()
    other = speak("fear", SPEAKERS[1], 0.7, 2.56, np.random.default_rng(6))
    assert not (first.samples == other.samples).all()


def test_the_mouth_moves_with_the_sound() -> None:
    correlations = []
    for seed, speaker in enumerate(SPEAKERS):
        utterance = speak("neutral", speaker, 0.0, 2.56, np.random.default_rng(seed))
        level = np.sqrt((utterance.samples.reshape(-1, 640) ** 2).mean(1))  # 25 values a second
        jaw = utterance.mouth.resample((np.arange(len(level)) + 0.5) / 25).jaw
        correlations.append(np.corrcoef(level, jaw)[0, 1])
    assert np.mean(correlations) > 0.35


def test_emotions_move_the_voice_as_reported() -> None:
    pitch = {kind: np.median([pitch_hz(u) for u in utterances(kind)]) for kind in ("anger", "fear", "neutral")}
    assert pitch["fear"] > 1.25 * pitch["neutral"]
    assert pitch["anger"] > 1.1 * pitch["neutral"]

    def brightness(kind: str) -> float:
        spectra = [np.abs(np.fft.rfft(u)) ** 2 for u in utterances(kind)]
        hz = np.fft.rfftfreq(40960, 1 / 16000)
        return float(np.median([(s * hz).sum() / s.sum() for s in spectra]))

    assert brightness("anger") > brightness("neutral")

    def level(kind: str) -> float:
        return float(np.median([np.sqrt((u**2).mean()) for u in utterances(kind)]))

    assert level("anger") > 1.5 * level("neutral") > 1.5 * level("sadness")


def test_without_intensity_every_manner_is_neutral() -> None:
    for kind in MANNERS:
        plain = speak("neutral", SPEAKERS[2], 0.0, 2.56, np.random.default_rng(1)).samples
        assert (speak(kind, SPEAKERS[2], 0.0, 2.56, np.random.default_rng(1)).samples == plain).all()


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown manner"):
        speak("boredom", SPEAKERS[0], 1.0, 2.56, np.random.default_rng(0))
