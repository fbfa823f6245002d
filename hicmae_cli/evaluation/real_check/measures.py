"""Scores of a check, each with the number of files and people behind it, and its interval over people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.evaluation.intervals import (
    DRAWS,
    draw_classification_scores,
    draw_times,
    find_bounds,
    group_clips,
    probability_intervals,
)
from hicmae_cli.evaluation.metrics import classification_metrics
from hicmae_cli.evaluation.probability_metrics import probability_metrics

_SEED: Final = 0
Table = NDArray[np.float64]
Classes = NDArray[np.int64]

AROUSAL: Final[Mapping[str, float]] = {
    "anger": 0.9,
    "fear": 0.8,
    "happiness": 0.75,
    "disgust": 0.45,
    "neutral": 0.35,
    "sadness": 0.2,
}
"""Arousal of each emotion, 0 to 1. Set by hand: only the order matters, and it is the usual one in the literature."""


@dataclass(frozen=True)
class Measure:
    """A score.

    Attributes:
        value: the score.
        n: number of files that were scored.
        people: number of people in them.
        lower: lower bound of the 95 % interval; None if it is not defined.
        upper: upper bound.
    """

    value: float
    n: int
    people: int
    lower: float | None = None
    upper: float | None = None

    def __str__(self) -> str:
        bounds = "" if self.lower is None or self.upper is None else f" [{self.lower:.2f}, {self.upper:.2f}]"
        return f"{self.value:.3f}{bounds}"

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return asdict(self)


def choose_among(probabilities: Table, labels: Sequence[str], among: Sequence[str]) -> Classes:
    """Choose the most probable of some labels -> its number in ``among`` (n,); the other labels are ignored."""
    columns = [labels.index(label) for label in among]
    chosen: Classes = probabilities[:, columns].argmax(axis=1).astype(np.int64)
    return chosen


def number_labels(truth: Sequence[str], among: Sequence[str]) -> Classes:
    """Return the number in ``among`` of each true label (n,)."""
    return np.array([among.index(label) for label in truth], np.int64)


def measure_choice(
    metric: str,
    truth: Sequence[str],
    people: Sequence[str],
    probabilities: Table,
    labels: Sequence[str],
    among: Sequence[str],
) -> Measure | None:
    """Score the choice among some labels on the files that have one of them.

    Args:
        metric: ``uar`` or ``war`` (accuracy).
        truth: true label of each file (n,).
        people: person of each file (n,).
        probabilities: (n, C).
        labels: the C labels.
        among: the labels to choose from.

    Returns:
        The score; None if the files have fewer than two of the labels, so that there is nothing to tell apart.
    """
    rows = [row for row, label in enumerate(truth) if label in among]
    true = [truth[row] for row in rows]
    if len(set(true)) < 2:
        return None
    shown = [people[row] for row in rows]
    numbers = number_labels(true, among)
    chosen = choose_among(probabilities[rows], labels, among)
    value = classification_metrics(numbers, chosen, len(among))[metric]
    drawn, _ = draw_classification_scores(numbers, chosen, len(among), shown, seed=_SEED)
    return make_measure(value, drawn[metric], shown)


def measure_difference(
    truth: Classes, first: Classes, second: Classes, num_classes: int, people: Sequence[str]
) -> Measure:
    """Measure by how much the first system's UAR is above the second's on the same files, resampled together."""
    systems = [draw_classification_scores(truth, each, num_classes, people, seed=_SEED)[0] for each in (first, second)]
    values = [classification_metrics(truth, each, num_classes)["uar"] for each in (first, second)]
    return make_measure(values[0] - values[1], systems[0]["uar"] - systems[1]["uar"], people)


def measure_mean(values: Table, people: Sequence[str]) -> Measure:
    """Measure the mean of a number per file (n,)."""
    return make_measure(float(values.mean()), _resample(people, lambda times: times @ values / times.sum()), people)


def measure_ece(probabilities: Table, truth: Classes, people: Sequence[str]) -> Measure:
    """Measure the expected calibration error of probabilities (n, C)."""
    value = probability_metrics(truth, probabilities)["ece"]
    assert value is not None, "the error is defined for any number of files"
    lower, upper = probability_intervals(truth, probabilities, people, seed=_SEED).bounds["ece"]
    return Measure(value, len(truth), len(set(people)), lower, upper)


def measure_rank_correlation(first: Table, second: Table, people: Sequence[str]) -> Measure:
    """Measure Spearman's rank correlation of two numbers per file (n,); 0 if one of them does not vary."""

    def correlate(times: Table) -> float:
        rows = np.repeat(np.arange(len(first)), times.astype(np.int64))
        return correlate_ranks(first[rows], second[rows])

    return make_measure(correlate_ranks(first, second), _resample(people, correlate), people)


def correlate_ranks(first: Table, second: Table) -> float:
    """Compute Spearman's rank correlation (n,); equal numbers share their mean rank."""
    ranks = [_rank(values) for values in (first, second)]
    spread = [float(rank.std()) for rank in ranks]
    if not all(spread):
        return 0.0
    return float(np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (spread[0] * spread[1]))


def expect_arousal(probabilities: Table, labels: Sequence[str]) -> Table:
    """Compute the expected arousal (n,) of probabilities (n, C), over the labels that ``AROUSAL`` rates."""
    rated = [number for number, label in enumerate(labels) if label in AROUSAL]
    shares = probabilities[:, rated]
    ratings = np.array([AROUSAL[labels[number]] for number in rated])
    # Rounded, so that equal probabilities stay equal ranks.
    expected: Table = np.round(shares @ ratings / np.maximum(shares.sum(axis=1), 1e-12), 9)
    return expected


def make_measure(value: float, drawn: Table, people: Sequence[str]) -> Measure:
    """Join a score with its resamples (draws,)."""
    lower, upper = find_bounds(drawn)
    return Measure(value, len(people), len(set(people)), lower, upper)


def _resample(people: Sequence[str], score: Callable[[Table], float]) -> Table:
    """Score resamples of people: ``score`` gets how often each file was drawn (n,)."""
    groups, _ = group_clips(people, len(people))
    parts = draw_times(int(groups.max()) + 1, DRAWS, _SEED)
    return np.array([score(times) for part in parts for times in part[:, groups]])


def _rank(values: Table) -> Table:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Table = (np.cumsum(counts) - (counts - 1) / 2)[where.reshape(-1)]
    return ranks
