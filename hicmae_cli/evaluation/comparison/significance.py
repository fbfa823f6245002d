"""Tests of differences between systems on the same clips: paired bootstrap, McNemar, Wilcoxon, and Holm's correction.

The paired bootstrap (Efron and Tibshirani 1993, chapter 16; for language tasks Koehn 2004) draws people with
replacement and scores every system on the same draw. Percentiles of few people are too narrow, because the spread of a
resample lacks the factor n / (n - 1) and a normal quantile replaces Student's t. Hesterberg (2015, "What Teachers
Should Know About the Bootstrap") expands the percentiles by both; intervals and p-values here are expanded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hicmae_cli.evaluation.comparison.pairing import PairedDecisions
from hicmae_cli.evaluation.intervals import LEVEL, draw_sums, group_clips
from hicmae_cli.evaluation.metrics import score_sums, score_tables, value_sums
from hicmae_cli.metric_names import CLASSIFICATION, REGRESSION

DRAWS = 10_000


@dataclass(frozen=True)
class DrawnScores:
    """Scores of several systems on all clips and on the same resamples of them.

    Attributes:
        runs: the scores on all clips, one array per system: (S,), S the runs of that system.
        drawn: the scores of the resamples, mean over the runs of each system (systems, draws).
        groups: how many people, or clips, were there to draw.
        resampled: what was drawn: ``speaker`` or ``clip``.
    """

    runs: tuple[NDArray[np.float64], ...]
    drawn: NDArray[np.float64]
    groups: int
    resampled: str


@dataclass(frozen=True)
class McNemar:
    """The exact test of McNemar (1947) on the clips that one of two runs decided rightly and the other wrongly.

    Attributes:
        run: the seed or repetition of both runs; empty if each system has a single run.
        only_first: clips that only the first run decided rightly.
        only_second: clips that only the second run decided rightly.
        p: two-sided; it takes clips as independent, which those of one person are not.
        p_holm: corrected over all pairs of systems; None for a single pair.
    """

    run: str
    only_first: int
    only_second: int
    p: float
    p_holm: float | None = None


@dataclass(frozen=True)
class SignedRank:
    """The signed-rank test of Wilcoxon (1945) on the differences in several folds or runs.

    Attributes:
        over: ``folds`` or ``runs`` (seeds and repetitions).
        differences: first system minus second, one for each fold or run.
        p: two-sided.
        smallest_p: the smallest p that as many differences can have, 2 / 2^n; 0.0625 for five.
        p_holm: corrected over all pairs of systems; None for a single pair.
    """

    over: str
    differences: tuple[float, ...]
    p: float
    smallest_p: float
    p_holm: float | None = None


def draw_scores(paired: PairedDecisions, metric: str, *, draws: int = DRAWS, seed: int = 0) -> DrawnScores:
    """Score every system on all clips and on resamples, the same ones for all.

    People are drawn if every clip has a speaker and there are several; otherwise clips. The runs of a system are not
    drawn: the resamples show how much depends on the people, given these runs.

    Args:
        paired: the decisions.
        metric: name of the metric; for one target of a regression ``ccc_arousal`` and so on.
        draws: number of resamples.
        seed: seed of the draws.
    """
    groups, resampled = group_clips(paired.speakers, len(paired.truth))
    runs = [run for system in paired.predictions for run in system]
    # One table of the counts or sums of all runs, so that a draw of people is the same for all.
    columns = [_sum_groups(paired, run, groups) for run in runs]
    table = np.concatenate([counts for counts, _ in columns], axis=1)
    ends = np.cumsum([counts.shape[1] for counts, _ in columns])[:-1]

    def score(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(sums, ends, axis=1)
        return np.stack([_score(paired, metric, part, cells) for part, (_, cells) in zip(parts, columns, strict=True)])

    drawn = np.concatenate([score(sums) for sums in draw_sums(table, draws, seed)], axis=1)  # (runs, draws)
    whole = score(table.sum(axis=0, keepdims=True))[:, 0]
    counts = np.cumsum([len(system) for system in paired.predictions])[:-1]
    return DrawnScores(
        tuple(np.split(whole, counts)),
        np.stack([part.mean(axis=0) for part in np.split(drawn, counts)]),
        int(groups.max()) + 1,
        resampled,
    )


def score_decisions(paired: PairedDecisions, metric: str, clips: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Score every system on some of the clips, n times true or false -> one array per system: (S,)."""
    scores = []
    for system in paired.predictions:
        found = []
        for run in system:
            counts, cells = _sum_groups(paired, run, np.where(clips, 0, 1))
            found.append(float(_score(paired, metric, counts[:1], cells)[0]))
        scores.append(np.array(found))
    return scores


def _sum_groups(
    paired: PairedDecisions, run: NDArray[Any], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum what each clip adds to the scores, per group -> (G, K), and the cells of the confusion matrix (K,)."""
    if paired.regression:
        each = value_sums(paired.truth, run)
        cells = np.zeros(0, np.int64)
        sums = np.zeros((int(groups.max()) + 1, *each.shape[1:]))
        np.add.at(sums, groups, each)
        return sums.reshape(len(sums), -1), cells
    # Only the cells of the confusion matrix that occur.
    cells, cell = np.unique(paired.truth * len(paired.labels) + run, return_inverse=True)
    counts = np.zeros((int(groups.max()) + 1, len(cells)))
    np.add.at(counts, (groups, cell.reshape(-1)), 1)
    return counts, cells


def _score(
    paired: PairedDecisions, metric: str, sums: NDArray[np.float64], cells: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute a metric from sums over clips (draws, K) -> (draws,)."""
    classes = len(paired.labels)
    if not paired.regression:
        tables = np.zeros((len(sums), classes * classes))
        tables[:, cells] = sums
        return score_tables(tables.reshape(-1, classes, classes))[metric]
    name, _, target = metric.partition("_")
    scores = score_sums(sums.reshape(len(sums), -1, classes))[name]  # (draws, T)
    return scores[:, paired.labels.index(target)] if target else scores.mean(axis=1)


def list_metrics(paired: PairedDecisions) -> list[str]:
    """List the metrics that fit the decisions."""
    if not paired.regression:
        return list(CLASSIFICATION)
    return [*REGRESSION, *(f"{name}_{target}" for target in paired.labels for name in REGRESSION)]


def find_interval(drawn: NDArray[np.float64], groups: int) -> tuple[float, float]:
    """Find the expanded percentile interval of resampled scores or differences (draws,).

    Args:
        drawn: the resampled values.
        groups: how many people, or clips, were there to draw.
    """
    tail = (1 - LEVEL) / 2
    if groups > 1:
        tail = float(stats.norm.cdf(stats.t.ppf(tail, groups - 1) * np.sqrt(groups / (groups - 1))))
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def find_p(drawn: NDArray[np.float64], groups: int) -> float:
    """Find the two-sided p-value of resampled differences (draws,): the level whose interval just reaches zero.

    Args:
        drawn: the resampled differences.
        groups: how many people, or clips, were there to draw.
    """
    # The resamples are one sample of all that there could be: p is never 0 (Davison and Hinkley 1997, section 4.2).
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum())) + 1
    tail = min(0.5, beyond / (len(drawn) + 1))
    if groups > 1:
        tail = float(stats.t.cdf(stats.norm.ppf(tail) * np.sqrt((groups - 1) / groups), groups - 1))
    return min(1.0, 2 * tail)


def run_mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_], run: str = "") -> McNemar:
    """Run McNemar's exact test on the clips (n,) that two runs decided rightly."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p = float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0
    return McNemar(run, only_first, only_second, p)


def run_wilcoxon(differences: Sequence[float], over: str) -> SignedRank:
    """Run Wilcoxon's signed-rank test on the differences in several folds or runs."""
    changed = [difference for difference in differences if difference]
    p = float(stats.wilcoxon(changed).pvalue) if changed else 1.0
    # With ties, older versions of SciPy approximate p and can fall below what is possible.
    smallest = min(1.0, 2.0 ** (1 - len(differences)))
    return SignedRank(over, tuple(differences), max(p, smallest), smallest)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979), so that the chance of even one false alarm keeps to the level."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
