from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from timm.data.random_erasing import RandomErasing
from torchvision.transforms import RandomResizedCrop

from hicmae_cli.augmentation import faces as augmentation
from hicmae_cli.augmentation.faces import augment_faces, random_crop
from hicmae_cli.augmentation.rand_augment import rand_augment
from hicmae_cli.models.inputs import to_video
from hicmae_cli.recipes.policy import parse_policy
from hicmae_cli.recipes.settings import FinetuneSettings

STILL = FinetuneSettings(
    crop_area=(1.0, 1.0), flip=0.0, erase=0.0, colour_jitter=0.0, rand_augment="", audio_gain=False
)


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


def test_crops_are_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(3, 160, 160)
    theirs = np.array([RandomResizedCrop.get_params(picture, (0.08, 1), (3 / 4, 4 / 3)) for _ in range(4000)])
    rng = np.random.default_rng(0)
    ours = np.array([random_crop((0.08, 1.0), rng) for _ in range(4000)])
    at = np.linspace(0.02, 0.98, 9)
    for side in range(4):  # top, left, height, width
        ours_px, theirs_px = (np.quantile(boxes[:, side], at) for boxes in (ours, theirs))
        np.testing.assert_allclose(ours_px, theirs_px, atol=6)
    ratios, their_ratios = (np.log(boxes[:, 3] / boxes[:, 2]) for boxes in (ours, theirs))
    np.testing.assert_allclose(np.quantile(ratios, at), np.quantile(their_ratios, at), atol=0.03)
    # Uniform in the logarithm, but for large boxes, which have to be about square.
    small = ratios[ours[:, 2] * ours[:, 3] < 0.6 * 160**2] / np.log(4 / 3)
    np.testing.assert_allclose(np.quantile(small, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.08)


def test_a_crop_of_everything_and_one_that_never_fits_are_the_whole_picture() -> None:
    rng = np.random.default_rng(0)
    assert {random_crop((1.0, 1.0), rng) for _ in range(50)} == {(0, 0, 160, 160)}


def erased(seed: int) -> NDArray[np.bool_]:
    """Find the pixels of black frames that are not black any more (4, 160, 160)."""
    faces = np.zeros((4, 160, 160, 3), np.uint8)
    recipe = STILL.model_copy(update={"erase": 1.0})
    changed = augment_faces(faces, recipe, np.random.default_rng(seed))
    return np.asarray(changed.max(axis=3) > 0)


def test_one_box_is_erased_in_all_frames_by_timms_rules() -> None:
    areas, ratios = [], []
    for seed in range(80):
        where = np.asarray(erased(seed).any(axis=0))
        rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        # Nearly every pixel has a value above 0 in some frame, and every frame has noise of its own.
        assert where.sum() == height * width
        areas.append(height * width / 160**2)
        ratios.append(np.log(height / width))
    random.seed(0)
    torch.manual_seed(0)
    timms = RandomErasing(probability=1.0, mode="pixel", device="cpu")
    their_areas, their_ratios = [], []
    for _ in range(400):
        box: NDArray[np.bool_] = (timms(torch.full((1, 160, 160), 99.0)) != 99).numpy()[0]
        height, width = (np.ptp(np.flatnonzero(box.any(axis=axis))) + 1 for axis in (1, 0))
        their_areas.append(height * width / 160**2)
        their_ratios.append(np.log(height / width))
    assert 0.019 < min(areas) < 0.06 and 0.28 < max(areas) < 0.34
    assert np.mean(areas) == pytest.approx(np.mean(their_areas), abs=0.04)
    assert np.std(ratios) == pytest.approx(np.std(their_ratios), abs=0.15)


def test_erased_pixels_are_standard_normal_for_the_model() -> None:
    faces = np.zeros((16, 160, 160, 3), np.uint8)
    changed = augment_faces(faces, STILL.model_copy(update={"erase": 1.0}), np.random.default_rng(3))
    where = (changed.max(axis=3) > 0).any(axis=0)
    video = to_video(torch.from_numpy(changed)[None], torch.tensor([True]))[0].numpy()
    noise = video[:, :, where]  # (3, 16, pixels)
    np.testing.assert_allclose(noise.mean(axis=(1, 2)), 0, atol=0.03)
    np.testing.assert_allclose(noise.std(axis=(1, 2)), 1, atol=0.05)  # less what is cut off at black and white
    assert abs(np.corrcoef(noise[0, 0], noise[0, 1])[0, 1]) < 0.1
    assert abs(np.corrcoef(noise[0, 0], noise[1, 0])[0, 1]) < 0.1


def test_clips_are_erased_and_flipped_with_the_recipes_probability() -> None:
    faces = np.zeros((1, 160, 160, 3), np.uint8)
    recipe = STILL.model_copy(update={"erase": 0.25})
    hits = sum(bool(augment_faces(faces, recipe, np.random.default_rng(s)).any()) for s in range(400))
    assert 75 <= hits <= 125


def test_the_order_is_rand_augment_crop_flip_erase(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = parse_policy("rand-m7-n4-p1-mstd0.5-inc1")
    assert policy is not None
    faces = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3)).astype(np.uint8)
    before = faces.copy()
    recipe = STILL.model_copy(update={"rand_augment": "rand-m7-n4-p1-mstd0.5-inc1", "flip": 1.0})
    expected = rand_augment(faces, policy, np.random.default_rng(5))
    assert np.array_equal(augment_faces(faces, recipe, np.random.default_rng(5)), expected[:, :, ::-1])
    box = (20, 0, 80, 40)
    monkeypatch.setattr(augmentation, "random_crop", lambda *_: box)
    cut = augmentation._resize(expected[:, 20:100, :40][:, :, ::-1])
    assert np.array_equal(augment_faces(faces, recipe, np.random.default_rng(5)), cut)
    assert np.array_equal(faces, before)  # a clip of the cache stays as it is


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


def test_wobbling_frames_move_a_little_and_independently() -> None:
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
