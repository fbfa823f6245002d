"""A face's box, and the overlap of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hicmae_cli.faces.face import NUM_LANDMARKS, Box, Face, box_iou

edges = st.floats(-100, 100)
boxes = st.tuples(edges, edges, st.floats(0.5, 50), st.floats(0.5, 50)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def test_the_box_holds_all_landmarks() -> None:
    points = np.full((NUM_LANDMARKS, 2), 15.0, np.float32)
    points[7], points[9] = (10, 40), (30, 12)
    face = Face(points)
    assert [*face.box_px, face.size_px, *face.centre_px] == [10, 12, 30, 40, 28, 20, 26]


@pytest.mark.parametrize(
    "points", [np.zeros((468, 2), np.float32), np.full((NUM_LANDMARKS, 2), np.nan, np.float32), np.zeros(956)]
)
def test_impossible_landmarks_are_refused(points: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="landmarks_px"):
        Face(points)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 10), (2, 2, 4, 4), 0.04),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),
    ],
)
def test_overlap(first: Box, second: Box, expected: float) -> None:
    assert box_iou(first, second) == pytest.approx(expected)


@given(first=boxes, second=boxes)
def test_overlap_is_symmetric_and_a_share(first: Box, second: Box) -> None:
    overlap = box_iou(first, second)
    assert overlap == pytest.approx(box_iou(second, first)) and 0 <= overlap <= 1 + 1e-9
    assert box_iou(first, first) == pytest.approx(1)
