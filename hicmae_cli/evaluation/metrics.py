"""Scores of a classification, by the names the field uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, recall_score


def classification_metrics(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int
) -> dict[str, float]:
    """UAR, WAR and F1 scores of class indices (n,).

    UAR (unweighted average recall) is the mean recall of the classes that occur in ``truth``; WAR (weighted
    average recall) is accuracy.
    """
    occurring = np.unique(truth)
    every = np.arange(num_classes)
    return {
        "uar": float(recall_score(truth, predicted, labels=occurring, average="macro", zero_division=0)),
        "war": float(np.mean(truth == predicted)),
        "weighted_f1": float(f1_score(truth, predicted, labels=every, average="weighted", zero_division=0)),
        "macro_f1": float(f1_score(truth, predicted, labels=occurring, average="macro", zero_division=0)),
        "micro_f1": float(f1_score(truth, predicted, labels=every, average="micro", zero_division=0)),
    }


def class_recalls(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, float | None]:
    """Recall of each class from its row of the confusion matrix; None where it does not occur."""
    totals = [sum(row) for row in confusion]
    return {
        label: row[index] / total if total else None
        for index, (label, row, total) in enumerate(zip(labels, confusion, totals, strict=True))
    }


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> list[list[int]]:
    """Counts (C, C): row true class, column predicted class."""
    matrix = confusion_matrix(truth, predicted, labels=np.arange(num_classes))
    return [[int(count) for count in row] for row in matrix]
