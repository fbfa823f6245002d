"""Metrics against tables worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.evaluation.metrics import class_recalls, classification_metrics, confusion

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
GUESS = np.array([0, 0, 0, 1, 1, 0, 2, 2, 0, 1])


def test_a_hand_worked_table() -> None:
    scores = classification_metrics(TRUTH, GUESS, 3)
    assert scores["uar"] == pytest.approx((3 / 4 + 1 / 2 + 2 / 4) / 3)
    assert scores["war"] == pytest.approx(6 / 10)
    f1 = [2 * 3 / (4 + 5), 2 * 1 / (2 + 3), 2 * 2 / (4 + 2)]
    assert scores["macro_f1"] == pytest.approx(np.mean(f1))
    assert scores["weighted_f1"] == pytest.approx((4 * f1[0] + 2 * f1[1] + 4 * f1[2]) / 10)
    assert scores["micro_f1"] == pytest.approx(6 / 10)


def test_confusion_rows_are_true_classes() -> None:
    assert confusion(TRUTH, GUESS, 3) == [[3, 1, 0], [1, 1, 0], [1, 1, 2]]


def test_a_class_that_does_not_occur_counts_for_nothing() -> None:
    scores = classification_metrics(TRUTH, GUESS, 4)
    assert scores["uar"] == classification_metrics(TRUTH, GUESS, 3)["uar"]
    recalls = class_recalls(confusion(TRUTH, GUESS, 4), ["a", "b", "c", "d"])
    assert recalls == {"a": 0.75, "b": 0.5, "c": 0.5, "d": None}
