"""Confidence intervals of scores: percentile bootstrap over the people of a test set (Efron 1979).

Clips of one person are alike, so people are resampled, not clips, if the manifest names them. A resample needs no
clips: it is the number of times that each person was drawn, times that person's share of a table of counts, or of sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.evaluation.metrics import score_sums, score_tables, value_sums
from hicmae_cli.evaluation.multilabel import MultilabelScorer
from hicmae_cli.evaluation.probability_metrics import ProbabilityScorer
from hicmae_cli.metric_names import REGRESSION

DRAWS = 1000
LEVEL = 0.95
FEW_PEOPLE = 10
"""Below this number of speakers, a bootstrap over them is unreliable (Cameron, Gelbach and Miller 2008)."""
# Draws at a time: a table of draws x clips stays small.
_CHUNK = 100


@dataclass(frozen=True)
class Intervals:
    """Confidence intervals by metric.

    Attributes:
        bounds: metric -> (lower, upper).
        resampled: what was drawn: ``speaker`` or ``clip``.
        draws: number of resamples.
        seed: seed of the draws.
        level: share of the resamples within the bounds.
    """

    bounds: Mapping[str, tuple[float, float]]
    resampled: str
    draws: int = DRAWS
    seed: int = 0
    level: float = LEVEL

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "level": self.level,
            "draws": self.draws,
            "seed": self.seed,
            "resampled": self.resampled,
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
        }


def classification_intervals(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    num_classes: int,
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Compute the intervals of UAR, WAR and F1 scores.

    Args:
        truth: true classes (n,).
        predicted: predicted classes (n,).
        num_classes: C.
        speakers: the speaker of each clip; if one is unknown (empty), or all are one person, clips are drawn.
        draws: number of resamples.
        seed: seed of the draws.
    """
    drawn, resampled = draw_classification_scores(truth, predicted, num_classes, speakers, draws=draws, seed=seed)
    return Intervals(_find_bounds([drawn]), resampled, draws, seed)


def draw_classification_scores(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    num_classes: int,
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[dict[str, NDArray[np.float64]], str]:
    """Score resamples: metric -> (draws,), and the kind of the groups that are drawn.

    The same clips, speakers and seed give the same resamples, so two systems can be compared draw by draw. The
    parameters are those of ``classification_intervals``.
    """
    # Only the cells of the confusion matrix that occur.
    cells, cell = np.unique(truth * num_classes + predicted, return_inverse=True)
    groups, resampled = group_clips(speakers, len(truth))
    counts = np.zeros((int(groups.max()) + 1, len(cells)))
    np.add.at(counts, (groups, cell.reshape(-1)), 1)
    parts: list[dict[str, NDArray[np.float64]]] = []
    for sums in draw_sums(counts, draws, seed):
        tables = np.zeros((len(sums), num_classes * num_classes))
        tables[:, cells] = sums
        parts.append(score_tables(tables.reshape(-1, num_classes, num_classes)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, resampled


def regression_intervals(
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    targets: Sequence[str],
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Compute the intervals of ``regression_metrics`` of values (n, T); see ``classification_intervals``."""
    each = value_sums(truth, predicted)
    groups, resampled = group_clips(speakers, len(truth))
    counts = np.zeros((int(groups.max()) + 1, *each.shape[1:]))
    np.add.at(counts, groups, each)
    drawn: list[dict[str, NDArray[np.float64]]] = []
    for sums in draw_sums(counts.reshape(len(counts), -1), draws, seed):
        scores = score_sums(sums.reshape(-1, *each.shape[1:]))
        columns = {name: scores[name].mean(axis=-1) for name in REGRESSION}
        for index, target in enumerate(targets):
            columns |= {f"{name}_{target}": scores[name][:, index] for name in REGRESSION}
        drawn.append(columns)
    return Intervals(_find_bounds(drawn), resampled, draws, seed)


def probability_intervals(
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Compute the intervals of ``probability_metrics`` of (n,) and (n, C); see ``classification_intervals``.

    A draw without any clip of a class skips this class; a metric that no draw defines has no interval.
    """
    scorer = ProbabilityScorer(truth, probabilities)
    groups, resampled = group_clips(speakers, len(truth))
    drawn = [scorer.score(times[:, groups]) for times in draw_times(int(groups.max()) + 1, draws, seed)]
    return Intervals(_find_bounds(drawn), resampled, draws, seed)


def multilabel_intervals(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Intervals:
    """Compute the intervals of ``multilabel_metrics`` of three tables (n, C); see ``classification_intervals``."""
    scorer = MultilabelScorer(truth, predicted, probabilities)
    groups, resampled = group_clips(speakers, len(truth))
    drawn = [scorer.score(times[:, groups]) for times in draw_times(int(groups.max()) + 1, draws, seed)]
    return Intervals(_find_bounds(drawn), resampled, draws, seed)


def class_intervals(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    speakers: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[dict[str, tuple[float, float]]]:
    """Compute the intervals of precision, recall and F1 of each class or label; see ``classification_intervals``.

    A draw that does not define a score, such as the recall of a class without clips, is skipped; a score that no draw
    defines has no interval.

    Args:
        truth: which labels each clip has (n, C).
        predicted: which labels were predicted (n, C).
        speakers: as in ``classification_intervals``.
        draws: number of resamples.
        seed: seed of the draws.
    """
    groups, _ = group_clips(speakers, len(truth))
    each = np.stack([truth & predicted, truth, predicted], axis=1).astype(np.float64)
    counts = np.zeros((int(groups.max()) + 1, *each.shape[1:]))
    np.add.at(counts, groups, each)
    drawn = [sums.reshape(-1, *each.shape[1:]) for sums in draw_sums(counts.reshape(len(counts), -1), draws, seed)]
    hits, true, guessed = np.moveaxis(np.concatenate(drawn), 1, 0)
    wholes = {"precision": (hits, guessed), "recall": (hits, true), "f1": (2 * hits, true + guessed)}
    scores = {
        name: np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
        for name, (part, whole) in wholes.items()
    }
    return [_find_bounds([{name: own[:, place] for name, own in scores.items()}]) for place in range(truth.shape[1])]


def group_clips(speakers: Sequence[str], clips: int) -> tuple[NDArray[np.int64], str]:
    """Group the clips that are drawn together -> the number of each clip's group (n,), and the kind of the groups."""
    if len(speakers) == clips and all(speakers) and len(set(speakers)) > 1:
        _, groups = np.unique(np.array(speakers), return_inverse=True)
        return groups.reshape(-1).astype(np.int64), "speaker"
    return np.arange(clips), "clip"


def warn_of_people(speakers: Sequence[str]) -> list[str]:
    """List why intervals and tests of clips by these speakers (n,) are doubtful; empty if they are not."""
    unknown = sum(not speaker for speaker in speakers)
    people = len(set(speakers) - {""})
    narrow = "clips of one person are alike, so the intervals are too narrow and the p-values too small"
    if unknown:
        return [
            f"the speakers of {unknown} of {len(speakers)} clips are unknown, so clips are drawn, not people: {narrow}"
        ]
    if people == 1:
        return [f"all clips are of one speaker, so clips are drawn: {narrow}, and say nothing about other people"]
    if people < FEW_PEOPLE:
        return [
            f"only {people} speakers: with fewer than {FEW_PEOPLE}, a bootstrap cannot show how different people are, "
            "and its intervals are unreliable"
        ]
    return []


def draw_times(groups: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw groups with replacement -> parts of (draws, G): how often each group was drawn."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        picked = rng.integers(0, groups, (size, groups)) + groups * np.arange(size)[:, None]
        times = np.bincount(picked.reshape(-1), minlength=size * groups).reshape(size, groups)
        yield times.astype(np.float64)


def draw_sums(counts: NDArray[np.float64], draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw groups with replacement and sum over them: (G, K) -> parts of (draws, K)."""
    for times in draw_times(len(counts), draws, seed):
        yield times @ counts


def _find_bounds(drawn: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, tuple[float, float]]:
    columns = {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}
    return {name: find_bounds(values) for name, values in columns.items() if np.isfinite(values).any()}


def find_bounds(values: NDArray[np.float64]) -> tuple[float, float]:
    """Find the bounds of the middle ``LEVEL`` of resampled scores (draws,); NaN for a draw without a score."""
    # 2.5 % and 97.5 %.
    low, high = np.nanpercentile(values, (50 * (1 - LEVEL), 100 - 50 * (1 - LEVEL)))
    return float(low), float(high)
