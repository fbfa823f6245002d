from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.augmentation.faces import augment_faces
from hicmae_cli.augmentation.sound import augment_log_mel, augment_samples, random_gain, warp_frequencies
from hicmae_cli.clips.log_mel import compute_mel_centres, from_mel
from hicmae_cli.recipes.settings import FinetuneSettings

Samples = NDArray[np.float32]
STILL = FinetuneSettings(audio_gain=False)
WHITE = (0.1 * np.random.default_rng(0).standard_normal(40960)).astype(np.float32)
HZ = np.fft.rfftfreq(len(WHITE), 1 / 16000)
# Syllables of noise.
VOICE = (WHITE * np.clip(np.sin(2 * np.pi * 3.7 * np.arange(40960) / 16000), 0, 1)).astype(np.float32)


def test_the_papers_gain_is_half_to_one_and_a_half() -> None:
    rng = np.random.default_rng(0)
    gains = np.array([random_gain(rng) for _ in range(2000)])
    assert gains.dtype == np.float32
    assert gains.min() > 0.5 and gains.max() < 1.5
    assert gains.mean() == pytest.approx(1, abs=0.01)
    assert gains.std() == pytest.approx(np.sqrt(1 / 84), abs=0.01)  # ab / ((a + b)^2 (a + b + 1))
    wave = np.ones(100, np.float32)
    recipe = STILL.model_copy(update={"audio_gain": True})
    loud = [augment_samples(wave, recipe, np.random.default_rng(s))[0] for s in range(50)]
    assert 0.05 < np.std(loud) < 0.2
    assert (augment_samples(wave, STILL, np.random.default_rng(0)) == wave).all()


def test_the_gain_stays_in_its_range() -> None:
    wave = np.ones(1000, np.float32)
    recipe = STILL.model_copy(update={"audio_gain_db": 6.0})
    gains = [augment_samples(wave, recipe, np.random.default_rng(s))[0] for s in range(200)]
    assert 10 ** (-6 / 20) <= min(gains) < 0.6
    assert 1.6 < max(gains) <= 10 ** (6 / 20)


def test_masks_are_bands_of_the_mean() -> None:
    mel = np.ones((256, 128), np.float32)
    recipe = STILL.model_copy(update={"mask_time_frames": 40, "mask_mel_bins": 20})
    widest = 0
    for seed in range(50):
        masked = augment_log_mel(mel, recipe, np.random.default_rng(seed)) == 0
        rows, columns = masked.all(axis=1), masked.all(axis=0)
        assert (masked == (rows[:, None] | columns[None])).all()
        assert rows.sum() <= 40
        assert columns.sum() <= 20
        widest = max(widest, int(rows.sum()))
    assert widest > 20
    assert (mel == 1).all()


def change(samples: Samples, seed: int = 0, **update: object) -> Samples:
    changed = augment_samples(samples, STILL.model_copy(update=update), np.random.default_rng(seed))
    assert changed.shape == samples.shape and changed.dtype == np.float32
    return changed


def measure_ratio_db(noise: Samples) -> float:
    return float(10 * np.log10(np.mean(VOICE.astype(float) ** 2) / np.mean(noise.astype(float) ** 2)))


def test_noise_has_its_ratio_and_any_colour_in_half_of_the_clips() -> None:
    noises = [change(VOICE, seed, audio_noise_db=(12.0, 12.0)) - VOICE for seed in range(40)]
    noises = [noise for noise in noises if np.abs(noise).max() > 1e-5]
    assert 12 <= len(noises) <= 28
    np.testing.assert_allclose([measure_ratio_db(noise) for noise in noises], 12, atol=0.3)
    # The correlation of neighbours is near 0 in white noise and near 1 in brown noise.
    likeness = [np.corrcoef(noise[1:], noise[:-1])[0, 1] for noise in noises]
    assert min(likeness) < 0.3 and max(likeness) > 0.9


def test_babble_has_its_ratio_and_is_not_the_voice_itself() -> None:
    for seed in range(6):
        murmur = change(VOICE, seed, babble=1.0, babble_db=(5.0, 8.0)) - VOICE
        assert 4.9 < measure_ratio_db(murmur) < 8.1
        assert abs(np.corrcoef(murmur, VOICE)[0, 1]) < 0.4
    assert not change(np.zeros_like(VOICE), babble=1.0, audio_noise_db=(5.0, 5.0), telephone=1.0, room=1.0).any()


def test_a_telephone_keeps_its_band() -> None:
    before = np.abs(np.fft.rfft(WHITE)) ** 2
    for seed in range(6):
        after = np.abs(np.fft.rfft(change(WHITE, seed, telephone=1.0))) ** 2
        kept = (HZ > 500) & (HZ < 3000)
        assert 0.3 < after[kept].sum() / before[kept].sum() < 1.2
        assert after[(HZ < 150) | (HZ > 5000)].mean() < 0.02 * after[kept].mean()


def test_a_room_echoes_for_its_time_and_keeps_the_loudness() -> None:
    click = np.zeros(16000, np.float32)
    click[1000] = 1
    times_s = []
    for seed in range(20):
        heard = change(click, seed, room=1.0).astype(float)
        assert np.abs(heard[:1000]).max() < 1e-6 and heard[1000] > 0.3
        assert np.sum(heard**2) == pytest.approx(1, abs=1e-3)
        # Schroeder's backward integral, from -5 to -25 dB of the echo.
        decay = 10 * np.log10(np.cumsum(heard[:1000:-1] ** 2)[::-1] + 1e-30)
        decay -= decay[0]
        start, end = int(np.argmax(decay < -5)), int(np.argmax(decay < -25))
        times_s.append(3 * (end - start) / 16000)
    assert 0.08 < min(times_s) < 0.25 and 0.45 < max(times_s) < 0.66


def test_speed_changes_tempo_and_pitch_within_its_bound() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    pitches = [float(np.abs(np.fft.rfft(change(tone, seed, speed=0.08))).argmax()) for seed in range(20)]
    assert 919 <= min(pitches) < 960 and 1040 < max(pitches) <= 1081


def test_tilt_stays_within_its_bound() -> None:
    for seed in range(4):
        gains_db = 20 * np.log10(np.abs(np.fft.rfft(change(WHITE, seed, tilt_db=6.0)) / np.fft.rfft(WHITE)))
        inner = gains_db[50:-50]
        assert np.abs(inner).max() < 6.5 and np.ptp(inner) > 2


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_warped_frequencies_are_multiplied(factor: float) -> None:
    centres_hz = from_mel(compute_mel_centres())
    for bin_ in (30, 60, 80):
        mel = np.zeros((256, 128), np.float32)
        mel[:, bin_] = 1
        expected = np.abs(centres_hz - factor * centres_hz[bin_]).argmin()
        assert abs(int(warp_frequencies(mel, factor)[0].argmax()) - expected) <= 1
    flat = np.ones((256, 128), np.float32)
    np.testing.assert_allclose(warp_frequencies(flat, factor), 1, rtol=1e-6)


def test_a_warp_by_one_changes_nothing_and_the_recipe_draws_one() -> None:
    mel = np.random.default_rng(0).standard_normal((256, 128)).astype(np.float32)
    np.testing.assert_allclose(warp_frequencies(mel, 1.0), mel, atol=1e-4)
    recipe = STILL.model_copy(update={"warp_mel": 0.1})
    assert not np.allclose(augment_log_mel(mel, recipe, np.random.default_rng(0)), mel, atol=0.1)


def test_what_is_off_draws_nothing() -> None:
    """The next number of the generator, as before these keys existed: old runs can be repeated and resumed."""
    faces = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3)).astype(np.uint8)
    busy = {"frame_jitter": 0.1, "wobble_px": 1.2, "noise_levels": 6, "colour_jitter": 0.3, "audio_gain_db": 6.0}
    busy |= {"audio_shift_s": 0.1, "mask_time_frames": 30, "mask_mel_bins": 16}
    for recipe, expected in (
        (FinetuneSettings(), 0.028319671145462966),
        (FinetuneSettings.model_validate(busy), 0.37116278708697414),
    ):
        rng = np.random.default_rng(0)
        augment_samples(np.ones(4000, np.float32), recipe, rng)
        augment_log_mel(np.ones((256, 128), np.float32), recipe, rng)
        augment_faces(faces, recipe, rng)
        assert rng.random() == expected
