"""Where the detector looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.faces.crops import MIN_CROP_PX, crop_around, make_coarse_crops, make_fine_crops


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_views_lie_in_the_picture_and_cover_it(width: int, height: int) -> None:
    for crops in (make_coarse_crops(width, height), make_fine_crops(width, height)):
        for crop in crops:
            assert 0 <= crop.left < crop.right <= width
            assert 0 <= crop.top < crop.bottom <= height
    assert make_coarse_crops(width, height)[0] == (0, 0, width, height)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 480), (3000, 500)])
def test_a_small_face_is_whole_in_some_square(width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    for crops, side in (
        (make_coarse_crops(width, height)[1:], min(width, height)),
        (make_fine_crops(width, height), None),
    ):
        side = crops[0].width_px if side is None else side
        face = int(side * 0.3)
        for x, y in zip(rng.integers(0, width - face, 200), rng.integers(0, height - face, 200), strict=True):
            assert any(v.left <= x and v.top <= y and x + face <= v.right and y + face <= v.bottom for v in crops)


def test_small_pictures_are_not_cut_up() -> None:
    assert make_fine_crops(320, 2 * MIN_CROP_PX - 1) == []
    assert make_coarse_crops(120, 90) == [(0, 0, 120, 90)]


def test_around_stays_inside() -> None:
    assert crop_around((10, 10, 30, 50), 2.0, 1000, 1000) == (0, 0, 61, 71)
    assert crop_around((-500, -500, -400, -400), 1.0, 100, 80) == (0, 0, 100, 80)
