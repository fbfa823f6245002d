from __future__ import annotations

import pytest

from hicmae_cli.tasks import join_labels, pick_labels

LABELS = ("anger", "disgust", "fear")


@pytest.mark.parametrize(
    ("probabilities", "picked"),
    [
        ((0.6, 0.5, 0.9), "anger+fear"),  # 0.5 itself is not above
        ((0.51, 0.99, 0.7), "anger+disgust+fear"),
        ((0.1, 0.3, 0.2), "disgust"),  # none is likely: the largest
        ((0.2, 0.2, 0.1), "anger"),
        ((0.5, 0.5, 0.5), "anger"),
    ],
)
def test_a_set_holds_what_is_likely_and_is_never_empty(probabilities: tuple[float, ...], picked: str) -> None:
    assert join_labels(pick_labels(LABELS, probabilities)) == picked


def test_a_set_is_written_in_one_way() -> None:
    assert join_labels(["fear", "anger"]) == join_labels(frozenset({"anger", "fear"})) == "anger+fear"
