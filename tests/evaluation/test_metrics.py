"""Metrics against tables worked by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from hicmae_cli.evaluation.metrics import (
    class_recalls,
    classification_metrics,
    confusion,
    regression_metrics,
    score_tables,
)

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


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, guess = (np.array(side) for side in zip(*pairs, strict=True))
    occurring, every = np.unique(truth), np.arange(5)

    def f1(average: str, labels: np.ndarray | None = None) -> float:
        return float(f1_score(truth, guess, labels=labels, average=average, zero_division=0))

    expected = {
        "uar": recall_score(truth, guess, labels=occurring, average="macro", zero_division=0),
        "war": np.mean(truth == guess),
        "weighted_f1": f1("weighted", every),
        "macro_f1": f1("macro"),
        "micro_f1": f1("micro", every),
    }
    assert classification_metrics(truth, guess, 5) == pytest.approx(expected)
    table = np.array(confusion(truth, guess, 5))
    np.testing.assert_array_equal(table, confusion_matrix(truth, guess, labels=every))
    scores = score_tables(np.stack([table, 2 * table]))
    for name, value in expected.items():
        assert scores[name] == pytest.approx([value, value]), name


def test_a_hand_worked_regression() -> None:
    truth, guess = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [2.0], [5.0]])
    scores = regression_metrics(truth, guess, ("arousal",))
    # Means 2 and 3; sums of squares 2 and 6, of products 3; unbiased: var 1 and 3, cov 1.5.
    assert scores["ccc"] == pytest.approx(2 * 1.5 / (1 + 3 + 1))
    assert scores["pcc"] == pytest.approx(1.5 / 3**0.5)
    assert scores["mae"] == pytest.approx(1)
    assert scores["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert scores["ccc_arousal"] == scores["ccc"]


def test_targets_are_scored_alone_and_averaged() -> None:
    rng = np.random.default_rng(0)
    truth = 1000 + rng.normal(size=(200, 3))
    guess = truth + rng.normal(size=(200, 3)) * [0.1, 1, 10] + [0, 1, 0]
    scores = regression_metrics(truth, guess, ("a", "b", "c"))
    for index, name in enumerate("abc"):
        x, y = truth[:, index], guess[:, index]
        covariance = np.cov(x, y)
        width = covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2
        assert scores[f"ccc_{name}"] == pytest.approx(2 * covariance[0, 1] / width)
        assert scores[f"pcc_{name}"] == pytest.approx(np.corrcoef(x, y)[0, 1])
        assert scores[f"mae_{name}"] == pytest.approx(np.abs(x - y).mean())
        assert scores[f"rmse_{name}"] == pytest.approx(((x - y) ** 2).mean() ** 0.5)
    for metric in ("ccc", "pcc", "mae", "rmse"):
        assert scores[metric] == pytest.approx(np.mean([scores[f"{metric}_{name}"] for name in "abc"]))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 / 3])
def test_a_constant_agrees_with_nothing_and_warns_nobody(constant: float) -> None:
    varied, flat = np.linspace(0, 1, 7)[:, None], np.full((7, 1), constant)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for truth, guess in ((varied, flat), (flat, varied), (flat, flat), (flat[:1], flat[:1])):
            scores = regression_metrics(truth, guess, ("x",))
            assert scores["ccc"] == scores["pcc"] == 0


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two tables \(n, 2\)"):
        regression_metrics(np.zeros((3, 1)), np.zeros((3, 1)), ("a", "b"))
