"""Scores of a classification or a regression, by their usual names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.metric_names import CLASSIFICATION, REGRESSION

# A variance that is a smaller share of the mean square is a rounding error of zero.
_ROUNDING = 1e-12


def classification_metrics(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int
) -> dict[str, float]:
    """Compute UAR, WAR and F1 scores of class indices (n,).

    UAR (unweighted average recall) is the mean recall of the classes that occur in ``truth``; WAR (weighted average
    recall) is the accuracy; macro F1 is the mean over the classes that occur in either (scikit-learn's default).
    """
    scores = score_tables(_counts(truth, predicted, num_classes))
    return {name: float(scores[name]) for name in CLASSIFICATION}


def class_recalls(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, float | None]:
    """Compute the recall of each class from its row of the confusion matrix; None for a class without clips."""
    totals = [sum(row) for row in confusion]
    return {
        label: row[index] / total if total else None
        for index, (label, row, total) in enumerate(zip(labels, confusion, totals, strict=True))
    }


def class_scores(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Compute precision, recall and F1 of each class, and the clips that have it (``support``).

    None stands for a recall without clips, a precision without predictions, and an F1 without either.
    """
    table = np.array(confusion)
    hits, true, guessed = np.diagonal(table), table.sum(axis=1), table.sum(axis=0)

    def share(part: int, whole: int) -> float | None:
        return float(part / whole) if whole else None

    return {
        label: {
            "precision": share(hits[index], guessed[index]),
            "recall": share(hits[index], true[index]),
            "f1": share(2 * hits[index], true[index] + guessed[index]),
            "support": int(true[index]),
        }
        for index, label in enumerate(labels)
    }


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> list[list[int]]:
    """Count the clips of each true class (row) and predicted class (column) -> (C, C)."""
    counts: list[list[int]] = _counts(truth, predicted, num_classes).tolist()
    return counts


def _counts(truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    table = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def regression_metrics(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], targets: Sequence[str]
) -> dict[str, float]:
    """Compute CCC, PCC, MAE and RMSE of values (n, T): the mean over the targets, then each as ``ccc_arousal``.

    CCC (concordance, Lin 1989) is 2 cov / (var x + var y + (mean x - mean y)^2); moments are unbiased. CCC and PCC of a
    constant are 0.

    Raises:
        ValueError: the shapes differ, or are not (n, T) with n > 0.
    """
    if truth.shape != predicted.shape or truth.ndim != 2 or not truth.size or truth.shape[1] != len(targets):
        raise ValueError(
            f"regression: expected two tables (n, {len(targets)}), got {truth.shape} and {predicted.shape}"
        )
    scores = score_sums(value_sums(truth, predicted).sum(axis=0))
    means = {name: float(scores[name].mean()) for name in REGRESSION}
    each = {
        f"{name}_{target}": float(scores[name][index]) for index, target in enumerate(targets) for name in REGRESSION
    }
    return {**means, **each}


def value_sums(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute what each clip adds to the scores of a regression: (n, T) twice -> (n, 9, T).

    In order: 1, x, y, xx, yy, xy, e, |e|, ee. The true x and the predicted y are shifted by their first value, so that
    a constant is exactly 0; the error e is not shifted.
    """
    x, y, error = truth - truth[0], predicted - predicted[0], truth - predicted
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, error, np.abs(error), error * error], axis=1)


def score_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute the scores of ``REGRESSION`` from sums of ``value_sums`` over clips: (..., 9, T) -> (..., T) each."""
    n, x, y, xx, yy, xy, error, absolute, squared = np.moveaxis(sums, -2, 0)
    freedom = np.maximum(n - 1, 1)
    var_x, var_y = (
        np.where(squares - s * s / n > _ROUNDING * squares, (squares - s * s / n) / freedom, 0.0)
        for s, squares in ((x, xx), (y, yy))
    )
    varies = (var_x > 0) & (var_y > 0)
    cov = np.where(varies, (xy - x * y / n) / freedom, 0.0)
    return {
        "ccc": 2 * cov / np.where(varies, var_x + var_y + (error / n) ** 2, 1.0),
        "pcc": cov / np.sqrt(np.where(varies, var_x * var_y, 1.0)),
        "mae": absolute / n,
        "rmse": np.sqrt(squared / n),
    }


def score_tables(tables: NDArray[np.float64] | NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Compute ``classification_metrics`` of many confusion matrices at once: (..., C, C) -> (...) for each score."""
    hits = np.diagonal(tables, axis1=-2, axis2=-1).astype(np.float64)
    true, guessed = tables.sum(axis=-1), tables.sum(axis=-2)
    occurs = true > 0
    recalls = hits / np.where(occurs, true, 1)
    seen = true + guessed > 0
    f1 = 2 * hits / np.where(seen, true + guessed, 1)
    classes, clips = occurs.sum(axis=-1), true.sum(axis=-1)
    war = hits.sum(axis=-1) / clips
    return {
        # The recall of a class without clips is 0 in the sum.
        "uar": recalls.sum(axis=-1) / classes,
        "war": war,
        "weighted_f1": (f1 * true).sum(axis=-1) / clips,
        "macro_f1": f1.sum(axis=-1) / seen.sum(axis=-1),
        "micro_f1": war,
    }
