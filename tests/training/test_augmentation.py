from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hicmae_cli.training.augmentation import augment_faces, augment_samples, mask_log_mel
from hicmae_cli.training.settings import FinetuneSettings

STILL = FinetuneSettings(crop_area=(1.0, 1.0), flip=0.0, erase=0.0, colour_jitter=0.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_faces_keep_their_shape_and_change_together(seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (160, 160, 3)).astype(np.uint8)
    faces = np.repeat(frame[None], 16, axis=0)
    recipe = FinetuneSettings(erase=0.0, colour_jitter=0.4)
    out = augment_faces(faces, recipe, np.random.default_rng(seed))
    assert out.shape == faces.shape
    assert out.dtype == np.uint8
    assert (out == out[:1]).all()  # one set of parameters for all frames
    again = augment_faces(faces, recipe, np.random.default_rng(seed))
    assert (out == again).all()


def test_flip_mirrors() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3)).astype(np.uint8)
    out = augment_faces(faces, STILL.model_copy(update={"flip": 1.0}), np.random.default_rng(0))
    plain = augment_faces(faces, STILL, np.random.default_rng(0))
    assert (out == plain[:, :, ::-1]).mean() > 0.99 or (out == faces[:, :, ::-1]).all()


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
        masked = mask_log_mel(mel, recipe, np.random.default_rng(seed)) == 0
        rows, columns = masked.all(axis=1), masked.all(axis=0)
        assert (masked == (rows[:, None] | columns[None])).all()
        assert rows.sum() <= 40
        assert columns.sum() <= 20
        widest = max(widest, int(rows.sum()))
    assert widest > 20
    assert (mel == 1).all()


def numbered() -> NDArray[np.uint8]:
    """Frame t is grey level 10 t with a bright square in the middle."""
    faces = np.repeat(10 * np.arange(16, dtype=np.uint8), 160 * 160 * 3).reshape(16, 160, 160, 3)
    faces[:, 60:100, 60:100] = 200
    return faces


def changed(seed: int, **update: object) -> NDArray[np.uint8]:
    return augment_faces(numbered(), STILL.model_copy(update=update), np.random.default_rng(seed))


def test_jittered_frames_are_neighbours() -> None:
    shifts = [changed(seed, frame_jitter=0.2)[:, 0, 0, 0] / 10 - np.arange(16) for seed in range(60)]
    assert set(np.unique(shifts)) == {-1, 0, 1}
    assert 0.15 < np.mean(np.abs(shifts)) < 0.22  # 0.2, less what cannot move at the ends


def test_wobbling_frames_move_a_little_each_on_its_own() -> None:
    wobbled = changed(0, wobble_px=1.5)
    columns = [np.flatnonzero(frame[80, :, 0] == 200).mean() for frame in wobbled]
    assert 0 < np.abs(np.array(columns) - 79.5).max() < 8
    assert np.ptp(columns) > 0
    assert np.array_equal(wobbled, changed(0, wobble_px=1.5))


def test_noise_stays_within_its_bound_and_differs_between_frames_and_clips() -> None:
    errors = [changed(seed, noise_levels=6).astype(int) - numbered() for seed in range(12)]
    assert max(np.abs(error).max() for error in errors) in range(8, 13)  # fine and coarse, 6 each
    amounts = [error[5].std() for error in errors]
    assert max(amounts) > 2 * min(amounts)
    loudest = errors[int(np.argmax(amounts))]
    assert not np.array_equal(loudest[5], loudest[6])
    assert abs(loudest[5].mean()) < 0.5
