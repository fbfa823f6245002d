"""Scores of the probabilities of a classification: ranking, top-k accuracy, and how well confidence fits accuracy."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.metric_names import PROBABILITY

BINS: Final = 15
"""Bins of the expected calibration error: equally wide intervals of the confidence, closed on the right."""
_TOP: Final = (2, 3)
_SMALLEST: Final = float(np.finfo(np.float64).eps)  # as in scikit-learn's log loss


def probability_metrics(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float | None]:
    """Compute the scores of ``PROBABILITY``; None where one is not defined, such as the AUC of a single class.

    - ``auc``, ``weighted_auc``: area under the ROC curve of each class against the rest, averaged over the classes that
      have clips, and by their clips; ``average_precision`` likewise, averaged over the classes.
    - ``top_2``, ``top_3``: share of the clips with the true class among the two or three most probable ones.
    - ``ece``: expected calibration error (Guo et al. 2017), 15 equally wide bins of the largest probability.
    - ``brier``: mean over clips of the sum over classes of squared errors, 0 to 2 (Brier 1950).
    - ``nll``: mean negative logarithm of the true class's probability.

    Args:
        truth: true classes (n,).
        probabilities: (n, C).
    """
    scores = ProbabilityScorer(truth, probabilities).score(np.ones((1, len(truth))))
    return {name: float(values[0]) if np.isfinite(values[0]) else None for name, values in scores.items()}


def assign_bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each confidence (n,), 0 to ``BINS`` - 1: (0, 1/15], (1/15, 2/15] and so on."""
    numbers: NDArray[np.int64] = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(np.int64)
    return numbers


class ProbabilityScorer:
    """Scores many weightings of the same clips at once, as a bootstrap needs.

    Args:
        truth: true classes (n,).
        probabilities: (n, C).
    """

    def __init__(self, truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
        self._truth = truth
        self._probabilities = probabilities
        rows = np.arange(len(truth))
        own = probabilities[rows, truth]
        one_hot = np.eye(probabilities.shape[1])[truth]
        # Classes before the true one win a tie, as in argmax.
        before = (probabilities > own[:, None]) | (
            (probabilities == own[:, None]) & (np.arange(probabilities.shape[1]) < truth[:, None])
        )
        rank = before.sum(axis=1)
        # What each clip adds to a sum.
        self._sums = {
            **{f"top_{k}": (rank < k).astype(np.float64) for k in _TOP if k < probabilities.shape[1]},
            "brier": ((probabilities - one_hot) ** 2).sum(axis=1),
            "nll": -np.log(np.clip(own, _SMALLEST, 1.0)),
        }
        confidence = probabilities.max(axis=1)
        self._bins = np.zeros((len(truth), BINS))
        self._bins[rows, assign_bins(confidence)] = (probabilities.argmax(axis=1) == truth) - confidence

    def score(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Compute the scores of weighted clips: (D, n) -> (D,) each, NaN where one is not defined."""
        total = weights.sum(axis=1)
        ranked = [
            rank_clips(self._probabilities[:, number], self._truth == number, weights)
            for number in range(self._probabilities.shape[1])
        ]
        areas, precisions, clips = (np.stack(part, axis=1) for part in zip(*ranked, strict=True))
        scores = {name: weights @ values / total for name, values in self._sums.items()}
        scores["ece"] = np.abs(weights @ self._bins).sum(axis=1) / total
        known = np.isfinite(areas)
        scores["auc"] = _divide(np.where(known, areas, 0).sum(axis=1), known.sum(axis=1))
        scores["weighted_auc"] = _divide(np.where(known, areas * clips, 0).sum(axis=1), (known * clips).sum(axis=1))
        scores["average_precision"] = _divide(np.where(known, precisions, 0).sum(axis=1), known.sum(axis=1))
        return {name: scores[name] for name in PROBABILITY if name in scores}


def rank_clips(
    outputs: NDArray[np.float64], positives: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Measure how well the outputs for a class rank its clips before the rest, for many weightings of the clips.

    Args:
        outputs: of all clips (n,).
        positives: which clips are of the class (n,).
        weights: (D, n).

    Returns:
        The area under the ROC curve, the average precision and the weight of the class's clips, (D,) each; NaN where
        one is not defined.
    """
    order = np.argsort(-outputs, kind="stable")
    outputs = outputs[order]
    places = np.flatnonzero(positives[order])
    if not len(places):
        nothing = np.zeros(len(weights))
        return nothing + np.nan, nothing + np.nan, nothing
    # Only the runs of equal outputs that hold a clip of the class matter.
    starts = np.flatnonzero(np.r_[True, outputs[1:] != outputs[:-1]])
    runs = np.searchsorted(starts, places, side="right") - 1
    first = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
    begin, end = starts[runs[first]], np.r_[starts[1:], len(outputs)][runs[first]] - 1
    ordered = weights[:, order]
    through = ordered.cumsum(axis=1)
    positive = np.add.reduceat(ordered[:, places], first, axis=1)
    found = positive.cumsum(axis=1)
    total = found[:, -1]
    negatives = through[:, -1] - total
    before, through = through[:, begin] - ordered[:, begin], through[:, end]
    # Pairs of a clip of the class and a later one of the rest; half of those with equal outputs.
    later, equal = negatives[:, None] - (through - found), through - before - positive
    area = _divide((positive * (later + equal / 2)).sum(axis=1), total * negatives)
    precision = (positive * _divide(found, through, empty=0.0)).sum(axis=1)
    return area, _divide(precision, total), total


def _divide(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], *, empty: float = np.nan
) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = np.divide(
        numerator, denominator, out=np.full(numerator.shape, empty), where=denominator > 0
    )
    return quotient
