"""Scores of sets of labels: macro F1, exact match, mean average precision, and the scores of each label.

Letters: n clips, C labels, D weightings of the clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.evaluation.probability_metrics import rank_clips
from hicmae_cli.metric_names import MULTILABEL


def multilabel_metrics(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """Compute the scores of ``MULTILABEL``; arguments as for ``MultilabelScorer``."""
    scores = MultilabelScorer(truth, predicted, probabilities).score(np.ones((1, len(truth))))
    return {name: float(values[0]) for name, values in scores.items()}


class MultilabelScorer:
    """Scores many weightings of the same clips at once, as a bootstrap needs.

    - ``macro_f1``: mean F1 over the labels that occur in either table, as in scikit-learn with ``zero_division=nan``.
    - ``exact_match``: share of the clips whose predicted set is the true one (subset accuracy).
    - ``map``: average precision of the probabilities of each label, averaged over the labels that have clips.

    Args:
        truth: the true sets (n, C); no set is empty.
        predicted: the predicted sets (n, C).
        probabilities: (n, C).

    Raises:
        ValueError: the shapes differ.
    """

    def __init__(
        self, truth: NDArray[np.bool_], predicted: NDArray[np.bool_], probabilities: NDArray[np.float64]
    ) -> None:
        if not truth.shape == predicted.shape == probabilities.shape or truth.ndim != 2:
            raise ValueError(
                f"sets of labels: expected three tables (n, C), got {truth.shape}, {predicted.shape} and "
                f"{probabilities.shape}"
            )
        self._truth, self._predicted, self._probabilities = truth, predicted, probabilities

    def score(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute the scores of weighted clips: (D, n) -> (D,) each; a weighting without any clip has no score."""
        hits = weights @ (self._truth & self._predicted)
        either = weights @ self._truth + weights @ self._predicted
        f1 = 2 * hits / np.where(either > 0, either, 1)
        exact = (self._truth == self._predicted).all(axis=1)
        precisions = np.stack(
            [rank_clips(self._probabilities[:, i], self._truth[:, i], weights)[1] for i in range(self._truth.shape[1])],
            axis=1,
        )
        scores = {
            "macro_f1": f1.sum(axis=1) / (either > 0).sum(axis=1),
            "exact_match": weights @ exact / weights.sum(axis=1),
            "map": np.nanmean(precisions, axis=1),
        }
        return {name: scores[name] for name in MULTILABEL}


def label_scores(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], probabilities: NDArray[np.float64], labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compute precision, recall, F1 and average precision of each label, and the clips that have it (``support``).

    None stands for a recall or an average precision without clips, a precision without predictions, and an F1 without
    either.
    """
    once = np.ones((1, len(truth)))

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    found = {}
    for i, label in enumerate(labels):
        hits, true, guessed = (
            int(column.sum()) for column in (truth[:, i] & predicted[:, i], truth[:, i], predicted[:, i])
        )
        found[label] = {
            "precision": share(hits, guessed),
            "recall": share(hits, true),
            "f1": share(2 * hits, true + guessed),
            "average_precision": float(rank_clips(probabilities[:, i], truth[:, i], once)[1][0]) if true else None,
            "support": true,
        }
    return found
