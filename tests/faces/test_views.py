"""Where the detector looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.faces.views import MIN_VIEW_PX, around, coarse_views, fine_views


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_views_lie_in_the_picture_and_cover_it(width: int, height: int) -> None:
    for views in (coarse_views(width, height), fine_views(width, height)):
        for view in views:
            assert 0 <= view.left < view.right <= width
            assert 0 <= view.top < view.bottom <= height
    assert coarse_views(width, height)[0] == (0, 0, width, height)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 480), (3000, 500)])
def test_a_small_face_is_whole_in_some_square(width: int, height: int) -> None:
    rng = np.random.default_rng(0)
    for views, side in ((coarse_views(width, height)[1:], min(width, height)), (fine_views(width, height), None)):
        side = views[0].width_px if side is None else side
        face = int(side * 0.3)
        for x, y in zip(rng.integers(0, width - face, 200), rng.integers(0, height - face, 200), strict=True):
            assert any(v.left <= x and v.top <= y and x + face <= v.right and y + face <= v.bottom for v in views)


def test_small_pictures_are_not_cut_up() -> None:
    assert fine_views(320, 2 * MIN_VIEW_PX - 1) == []
    assert coarse_views(120, 90) == [(0, 0, 120, 90)]


def test_around_stays_inside() -> None:
    assert around((10, 10, 30, 50), 2.0, 1000, 1000) == (0, 0, 61, 71)
    assert around((-500, -500, -400, -400), 1.0, 100, 80) == (0, 0, 100, 80)
