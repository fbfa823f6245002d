"""The difference between two systems in words that claim no more than the clips show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from hicmae_cli.evaluation.intervals import LEVEL, warn_of_people
from hicmae_cli.metric_names import SMALLER_IS_BETTER, format_metric

if TYPE_CHECKING:
    from hicmae_cli.evaluation.comparison.pairing import PairedDecisions
    from hicmae_cli.evaluation.comparison.reading import System
    from hicmae_cli.evaluation.comparison.result import PairDifference

ALPHA: Final = 0.05
"""A difference with a larger p is not called one."""


def format_p(p: float) -> str:
    """Format a p-value; small ones as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def describe_pair(pair: PairDifference, metric: str, *, runs: tuple[int, int], pairs: int) -> str:
    """Say in one sentence how two systems differ, the better one first.

    Args:
        pair: the difference and its tests.
        metric: name of the metric.
        runs: how many runs each of the two scores is the mean over.
        pairs: number of compared pairs.
    """
    return f"{_describe_difference(pair, metric, runs)}: {_conclude(pair, pairs)}."


def _describe_difference(pair: PairDifference, metric: str, runs: tuple[int, int]) -> str:
    low, high = pair.interval
    smaller = metric.partition("_")[0] in SMALLER_IS_BETTER
    swap = (pair.difference < 0) != smaller
    better, other = (pair.second, pair.first) if swap else (pair.first, pair.second)
    if pair.difference < 0:
        low, high = -high, -low
    size = f"{abs(pair.difference):.3f} {format_metric(metric)} {'lower' if smaller else 'higher'}"
    count = f"{runs[0]}" if runs[0] == runs[1] else f"{runs[0]} and {runs[1]}"
    over = f", on average over {count} runs" if max(runs) > 1 else ""
    level = f"{100 * LEVEL:.0f} %"
    interval = f"{level} interval {low:.3f} to {high:.3f}"
    if pair.difference == 0:
        score = f"the same {format_metric(metric)}"
        return f"{pair.first} and {pair.second} scored {score}{over} ({interval}; p {_name_p(pair.p)})"
    return f"{better} scored {size} than {other}{over} ({interval}; p {_name_p(pair.p)})"


def _name_p(p: float) -> str:
    return format_p(p) if p < 0.001 else f"= {format_p(p)}"


def _conclude(pair: PairDifference, pairs: int) -> str:
    if pair.identical:
        return "both decided every clip alike"
    bounds = sorted(map(abs, pair.interval))
    corrected = ""
    if pair.p_holm is not None:
        corrected = f"after Holm's correction for {pairs} pairs (p {_name_p(pair.p_holm)}), "
        if pair.p_holm > ALPHA >= pair.p:
            return f"{corrected}these clips do not show a difference"
    if pair.p <= ALPHA:
        return f"{corrected}these clips show a difference; it may be as small as {bounds[0]:.3f}"
    if pair.interval[0] > 0 or pair.interval[1] < 0:
        # The wanted percentile of the resamples of two or three people is beyond all of them.
        return (
            f"{corrected}these clips do not show a difference: with so few people or resamples, p is above {ALPHA} "
            "although the interval excludes 0"
        )
    return f"these clips do not show a difference, and do not exclude one of {bounds[1]:.3f}"


def list_warnings(systems: Sequence[System], paired: PairedDecisions, pairs: Sequence[PairDifference]) -> list[str]:
    """List what a reader of the comparison must know.

    Args:
        systems: the compared systems.
        paired: their decisions.
        pairs: the differences and their tests.
    """
    warnings = warn_of_people(paired.speakers)
    ranks = {test.over: test for pair in pairs for test in pair.wilcoxon if test.smallest_p > ALPHA}
    warnings += [
        f"with {len(test.differences)} {over}, the p of Wilcoxon's test cannot be below {test.smallest_p:g}, so it "
        "cannot show a difference"
        for over, test in ranks.items()
    ]
    runs: Mapping[str, list[str]] = {system.name: list(system.runs) for system in systems}
    if any(len(each) == 1 for each in runs.values()):
        single = ", ".join(name for name, each in runs.items() if len(each) == 1)
        warnings.append(
            f"a single training run of {single}: intervals and p-values do not cover what another seed would change"
        )
    if len({tuple(each) for each in runs.values()}) > 1 and any(len(each) > 1 for each in runs.values()):
        texts = "; ".join(f"{name}: {', '.join(map(_name_run, each))}" for name, each in runs.items())
        warnings.append(f"the systems have different runs ({texts}): tests that pair runs skip them")
    if not paired.folds and all(sample.fold for system in systems for sample in system.first.samples):
        folds = {sample.fold for system in systems for sample in system.first.samples}
        if len(folds) > 1:
            warnings.append("the clips are in different folds, by system or repetition: no test is over folds")
    for system in systems:
        if any(run.optimistic for run in system.runs.values()):
            warnings.append(f"{system.name}: its epoch was chosen on the test clips: its score is optimistic")
    return warnings


def _name_run(run: str) -> str:
    return run or "a single run"
