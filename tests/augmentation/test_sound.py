from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.augmentation.sound import augment_log_mel, augment_samples, random_gain, warp_frequencies
from hicmae_cli.recipes.settings import FinetuneSettings

STILL = FinetuneSettings(audio_gain=False)


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
