"""Scores of probabilities, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score, top_k_accuracy_score

from hicmae_cli.evaluation.intervals import probability_intervals
from hicmae_cli.evaluation.probability_metrics import ProbabilityScorer, assign_bins, probability_metrics


def drawn(clips: int = 80, classes: int = 5, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), rng.integers(0, classes, clips - classes)]
    # Few different outputs, so that many are equal.
    rows = rng.integers(1, 5, (clips, classes)) + 2.0 * np.eye(classes)[truth]
    return truth, rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn(seed: int) -> None:
    truth, rows = drawn(seed=seed)
    one_hot = np.eye(5)[truth]
    # Equal outputs in one row: our rule is that of argmax, scikit-learn's is its own.
    apart = rows + 1e-9 * np.arange(5, 0, -1)
    apart /= apart.sum(axis=1, keepdims=True)
    found = probability_metrics(truth, apart)
    assert found == pytest.approx(
        {
            "auc": roc_auc_score(truth, apart, multi_class="ovr"),
            "weighted_auc": roc_auc_score(truth, apart, multi_class="ovr", average="weighted"),
            "average_precision": average_precision_score(one_hot, apart),
            "top_2": top_k_accuracy_score(truth, apart, k=2),
            "top_3": top_k_accuracy_score(truth, apart, k=3),
            "nll": log_loss(truth, apart),
            "brier": ((apart - one_hot) ** 2).sum(axis=1).mean(),
            "ece": found["ece"],
        },
        abs=1e-12,
    )
    tied = probability_metrics(truth, rows)
    assert tied["auc"] == pytest.approx(roc_auc_score(truth, rows, multi_class="ovr"), abs=1e-12)
    assert tied["average_precision"] == pytest.approx(average_precision_score(one_hot, rows), abs=1e-12)


def test_calibration_error_by_hand() -> None:
    """Two bins: 0.6 is right in one of two, 0.9 in both; (2 * |0.5 - 0.6| + 2 * |1 - 0.9|) / 4."""
    rows = np.array([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9]])
    assert probability_metrics(np.array([0, 1, 0, 1]), rows)["ece"] == pytest.approx(0.1)
    assert assign_bins(np.array([1 / 15, 1 / 15 + 1e-9, 1.0, 0.0])).tolist() == [0, 1, 14, 0]


def test_weights_are_repetitions() -> None:
    truth, rows = drawn(30)
    weights = np.random.default_rng(1).integers(0, 3, 30)
    weighted = ProbabilityScorer(truth, rows).score(weights[None].astype(float))
    repeated = probability_metrics(truth.repeat(weights), rows.repeat(weights, axis=0))
    assert {name: values[0] for name, values in weighted.items()} == pytest.approx(repeated, abs=1e-12)


def test_what_is_not_defined_is_none() -> None:
    one = probability_metrics(np.array([0, 0]), np.array([[0.9, 0.1], [0.6, 0.4]]))
    assert (one["auc"], one["weighted_auc"], one["average_precision"]) == (None, None, None)
    assert "top_2" not in one  # two of two classes
    assert "auc" not in probability_intervals(np.array([0, 0]), np.array([[0.9, 0.1], [0.6, 0.4]])).bounds
    # An absent class does not count.
    truth, rows = drawn(40, 4)
    wider = np.c_[rows, np.zeros(40)]
    assert probability_metrics(truth, wider)["auc"] == pytest.approx(probability_metrics(truth, rows)["auc"])


def test_intervals_cover_the_scores() -> None:
    truth, rows = drawn()
    found = probability_intervals(truth, rows, [f"s{clip % 16}" for clip in range(80)])
    scores = probability_metrics(truth, rows)
    assert found.resampled == "speaker" and found.bounds.keys() == scores.keys()
    for name in ("auc", "average_precision", "top_2", "brier", "nll"):
        low, high = found.bounds[name]
        value = scores[name]
        assert value is not None and low < value < high
