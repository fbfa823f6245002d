"""What a camera does to faces: within the bounds of the recipe, and the same for all frames."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.augmentation.faces import augment_faces
from hicmae_cli.recipes.settings import FinetuneSettings

STILL = FinetuneSettings(crop_area=(1.0, 1.0), flip=0.0, erase=0.0, rand_augment="", audio_gain=False)
AT = np.arange(160)
# Brightness rises to the right and below; so a warp can be read from the slopes.
SLOPES = np.broadcast_to((AT + AT[:, None] // 2)[..., None] // 2 + 40, (3, 160, 160, 3)).astype(np.uint8)
DETAIL = np.random.default_rng(1).integers(0, 256, (2, 160, 160, 3)).astype(np.uint8)


def change(faces: NDArray[np.uint8], seed: int = 0, **update: object) -> NDArray[np.uint8]:
    before = faces.copy()
    changed = augment_faces(faces, STILL.model_copy(update=update), np.random.default_rng(seed))
    assert np.array_equal(faces, before)  # a clip of the cache stays as it is
    assert changed.shape == faces.shape and changed.dtype == np.uint8
    return changed


def read_warp(face: NDArray[np.uint8]) -> tuple[float, float]:
    """Rotation (degrees) and zoom of ``SLOPES``, from its middle."""
    middle = face[40:120, 40:120, 0].astype(float)
    down, right = (gradient.mean() for gradient in np.gradient(middle))
    return float(np.degrees(np.arctan2(down, right) - np.arctan2(0.25, 0.5))), float(
        np.hypot(0.5, 0.25) / np.hypot(right, down)
    )


def test_a_clip_is_rotated_zoomed_and_shifted_within_its_bounds() -> None:
    angles = [read_warp(change(SLOPES, seed, rotate_deg=20.0)[0])[0] for seed in range(20)]
    assert min(angles) < -10 and max(angles) > 10 and np.abs(angles).max() < 21
    zooms = [read_warp(change(SLOPES, seed, scale=(0.8, 1.1))[0])[1] for seed in range(20)]
    assert 0.78 < min(zooms) < 0.88 and 1.02 < max(zooms) < 1.12
    middles = [float(change(SLOPES, seed, shift_px=8.0)[0, 60:100, 60:100].mean()) for seed in range(20)]
    off = np.array(middles) - SLOPES[0, 60:100, 60:100].mean()
    assert 2 < np.abs(off).max() <= 8 * 0.75 + 0.5


def test_moves_are_those_of_all_frames_and_a_wobble_comes_on_top() -> None:
    turned = change(SLOPES, 3, rotate_deg=20.0)
    assert (turned == turned[0]).all()
    both = [read_warp(face) for face in change(SLOPES, 3, rotate_deg=20.0, wobble_px=2.0)]
    assert np.ptp([angle for angle, _ in both]) < 1 and np.ptp([zoom for _, zoom in both]) > 0.002


def test_moves_and_wobble_interpolate_once() -> None:
    """Twice would blur twice: fine detail would lose more than half of its contrast."""
    apart = change(change(DETAIL, 0, wobble_px=1.2), 0, rotate_deg=10.0)
    together = change(DETAIL, 0, wobble_px=1.2, rotate_deg=10.0)
    assert together[:, 40:120, 40:120].std() > 1.2 * apart[:, 40:120, 40:120].std()


def test_light_is_smooth_and_bounded() -> None:
    grey = np.full((2, 160, 160, 3), 100, np.uint8)
    lit = [change(grey, seed, light=0.5) for seed in range(12)]
    assert all((clip == clip[:1, ..., :1]).all() for clip in lit)  # one light for all frames, and white
    steps = [np.abs(np.diff(clip[0, ..., 0].astype(int), axis=axis)).max() for clip in lit for axis in (0, 1)]
    assert max(steps) <= 3
    gammas = [255 * (100 / 255) ** 2**power for power in (0.5, -0.5)]
    assert gammas[0] * 0.5 - 1 <= min(clip.min() for clip in lit) < 60
    assert 140 < max(clip.max() for clip in lit) <= gammas[1] * 1.5 + 1


def measure_detail(faces: NDArray[np.uint8]) -> float:
    return float(np.abs(np.diff(faces.astype(int), axis=2)).mean())


def test_blur_and_small_faces_lose_detail_in_their_share_of_the_clips() -> None:
    sharp = measure_detail(DETAIL)
    blurred = [measure_detail(change(DETAIL, seed, blur_px=2.0)) / sharp for seed in range(20)]
    assert max(blurred) > 0.9 and min(blurred) < 0.2
    shrunk = [measure_detail(change(DETAIL, seed, least_face_px=40)) / sharp for seed in range(60)]
    assert 18 <= sum(share < 1 for share in shrunk) <= 42
    assert min(shrunk) < 0.15


def test_a_quarter_of_the_clips_is_compressed() -> None:
    smooth = np.repeat(SLOPES, 2, axis=0)
    smooth[:, 60:100, 60:100] = 250
    errors = [np.abs(change(smooth, seed, jpeg=10).astype(int) - smooth).mean() for seed in range(80)]
    assert 10 <= sum(error > 0 for error in errors) <= 30
    assert max(errors) < 6


@pytest.mark.parametrize("side", ["top", "right"])
def test_black_borders_are_covered_also_slanted_ones(side: str) -> None:
    black = SLOPES.copy()
    wedge = (AT[:, None] < 6 + AT // 10) if side == "top" else (150 - AT[:, None] // 10 < AT)
    black[:, wedge] = 0
    left = [float((change(black, seed, edges=1.0)[:, wedge].max(axis=-1) < 7).mean()) for seed in range(24)]
    kept = sum(share > 0.9 for share in left)  # a filling is black in a quarter of the clips
    assert 2 <= kept <= 12 and sum(share < 0.1 for share in left) == 24 - kept


def test_strips_are_at_most_a_fifth_of_a_side() -> None:
    changed = np.zeros((160, 160), bool)
    for seed in range(24):
        changed |= (change(SLOPES, seed, edges=1.0)[0] != SLOPES[0]).any(axis=-1)
    assert not changed[33:127, 33:127].any()
    assert changed[:16].mean() > 0.9 and changed[:, -16:].mean() > 0.9


def test_something_covers_a_part_of_the_face_and_moves() -> None:
    shares = []
    for seed in range(16):
        covered = (change(SLOPES, seed, occlude=1.0) != SLOPES).any(axis=-1)
        shares.append(covered.mean())
        assert not np.array_equal(covered[0], covered[-1])
    assert min(shares) > 0.01 and max(shares) < 0.4 and 0.05 < np.mean(shares) < 0.25


def test_a_share_of_the_clips_is_grey() -> None:
    grey = [bool(change(DETAIL, seed, grey=0.5).std(axis=-1).max() == 0) for seed in range(40)]
    assert 10 <= sum(grey) <= 30
    expected = DETAIL @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(change(DETAIL, 0, grey=1.0)[..., 0], expected, atol=1)
