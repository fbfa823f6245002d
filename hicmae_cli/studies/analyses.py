"""The analyses of studies: finished runs -> tables, claims and charts. An analysis reads numbers, and never trains.

A study names its analysis. Besides those of ``ANALYSES``, it may name one that an installed package offers as an entry
point of the group ``hicmae.analyses``. A study's file cannot name code by itself: whoever opens a file from elsewhere
runs only what is installed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from itertools import pairwise
from typing import Final

from scipy import stats

from hicmae_cli.errors import SettingsError, first_line
from hicmae_cli.evaluation.intervals import LEVEL
from hicmae_cli.report.grid import Grid
from hicmae_cli.studies.layer_analyses import analyse_alignment, analyse_layers
from hicmae_cli.studies.result import Chart, Claim, Findings, Runs, Series, slugify, summarise
from hicmae_cli.studies.scaling import analyse_scaling
from hicmae_cli.studies.statistics import POWER, PairedDifference, compare_paired, correct, count_seeds_needed
from hicmae_cli.studies.study import Factor, Study
from hicmae_cli.studies.wording import (
    claim_difference,
    describe_values,
    find_reference,
    is_less_better,
    name_measure,
    tabulate_differences,
    title_means,
)

GROUP: Final = "hicmae.analyses"
"""The entry point group; each value is a function ``Runs -> Findings``."""
# Analysis -> the measure that it reads, and which of its numbers it can compare.
_READS: Final = {
    "conditions": ("streams", ("uar",)),
    "layers": ("probe", ("uar",)),
    "alignment": ("alignment", ("modality_gap", "recall_at_1")),
}
_WITHOUT_FACTORS: Final = ("seeds", "conditions", "layers")
_SOUGHT: Final = (0.01, 0.02, 0.05, 0.1)
_MIDDLE: Final = "0.05"
Analysis = Callable[[Runs], Findings]


def analyse_factors(runs: Runs) -> Findings:
    """Compare the levels of each factor with its baseline, over seeds.

    With all combinations of several factors, a level's value is the mean over the other factors; otherwise the other
    factors have their baselines. A level that has the baseline's own jobs for a measure is not compared in it.
    """
    found: list[PairedDifference] = []
    claims: list[Claim] = []
    for metric in runs.metrics:
        pairs = [
            pair
            for factor in runs.factors
            for pair in _compare_levels(runs, factor, metric, {} if _is_crossed(runs) else runs.baselines, "")
        ]
        if runs.within:
            first, second = runs.factors
            for level in runs.factors[second]:
                pairs += _compare_levels(runs, first, metric, {second: level}, f" at {level}")
        found += correct(pairs)
        claims += [claim_difference(each, len(pairs)) for each in found[len(found) - len(pairs) :]]
    return Findings(
        (tabulate_runs(runs), tabulate_differences(found)),
        tuple(claims),
        (*(_chart_cells(runs, metric) for metric in runs.metrics), _chart_differences(found, runs.metrics[0])),
    )


def _is_crossed(runs: Runs) -> bool:
    """Whether all combinations of levels were run."""
    return len(runs.cells()) == math.prod(len(levels) for levels in runs.factors.values())


def _compare_levels(
    runs: Runs, factor: str, metric: str, others: Mapping[str, str], where: str
) -> list[PairedDifference]:
    base = runs.baselines[factor]
    held = {name: level for name, level in others.items() if name != factor}
    baseline = {**held, factor: base}
    against = runs.select(metric, baseline)
    label = f"{factor} " if len(runs.factors) > 1 else ""
    return [
        compare_paired(
            f"{label}{level}{where}",
            f"{label}{base}{where}",
            metric,
            runs.select(metric, {**held, factor: level}),
            against,
        )
        for level in runs.factors[factor]
        if level != base and not runs.are_same(metric, {**held, factor: level}, baseline)
    ]


def tabulate_runs(runs: Runs) -> Grid:
    """Make the table of all combinations: mean and sd over seeds of each measure to compare."""
    header = (*runs.factors, "seeds", *(f"{name_measure(metric)}, mean (sd)" for metric in runs.metrics))
    rows = tuple(
        (
            *cell.values(),
            str(len(runs.select(runs.metrics[0], cell))),
            *(describe_values(runs.select(metric, cell)) for metric in runs.metrics),
        )
        for cell in runs.cells()
    )
    return Grid("results", header, rows)


def _chart_cells(runs: Runs, metric: str) -> Chart:
    """Draw a measure over the levels of the first factor, with a line for each combination of the others."""
    first, *others = runs.factors
    levels = list(runs.factors[first])
    lines: dict[str, list[dict[int, float]]] = {}
    for cell in runs.cells():
        name = ", ".join(f"{other} {cell[other]}" for other in others) or name_measure(metric)
        lines.setdefault(name, [{} for _ in levels])[levels.index(cell[first])] = runs.select(metric, cell)
    series = tuple(summarise(name, values) for name, values in lines.items())
    return Chart(
        slugify(metric),
        title_means(name_measure(metric), runs),
        first,
        name_measure(metric),
        tuple(levels),
        series,
        reference=find_reference(runs, metric),
    )


def _chart_differences(found: Sequence[PairedDifference], metric: str) -> Chart:
    shown = [each for each in found if each.metric == metric]
    bases = {each.second for each in shown}
    base = bases.pop() if len(bases) == 1 else ""
    return Chart(
        "differences",
        f"Difference in {name_measure(metric)}, mean of the seeds with its 95 % interval",
        "",
        f"difference in {name_measure(metric)}" + (f" from {base}" if base else ""),
        tuple(each.first if base else f"{each.first} minus {each.second}" for each in shown),
        (
            Series(
                "difference",
                tuple(each.mean for each in shown),
                tuple(each.interval[0] for each in shown),
                tuple(each.interval[1] for each in shown),
            ),
        ),
        zero=True,
    )


def analyse_seeds(runs: Runs) -> Findings:
    """Describe how much a result varies over seeds, and how many seeds a claim needs."""
    rows, claims, charts = [], [], []
    for metric in runs.metrics:
        name, values = name_measure(metric), runs.select(metric, {})
        each = list(values.values())
        sd, count = statistics.stdev(each), len(each)
        # Chi-square interval of a standard deviation; it assumes normal values.
        ends = [
            sd * math.sqrt((count - 1) / float(stats.chi2.ppf(share, count - 1)))
            for share in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)
        ]
        # Two independent trainings differ by this much; pairs of the same seed may differ by less.
        needed = {
            f"{step:g}": [count_seeds_needed(math.sqrt(2) * size, step) for size in (sd, *ends)] for step in _SOUGHT
        }
        words = {step: _describe_seeds(*counts) for step, counts in needed.items()}
        rows.append((name, describe_values(values), f"{ends[0]:.3f} to {ends[1]:.3f}", *words.values()))
        claims.append(
            Claim(
                f"Over {count} seeds, {name} varies from {min(each):.3f} to {max(each):.3f} (sd {sd:.3f}, 95 % "
                f"interval {ends[0]:.3f} to {ends[1]:.3f}). To detect a difference of {_MIDDLE} with a power of "
                f"{POWER:g}, two systems need {words[_MIDDLE]} seeds each, if pairing by seed brings nothing.",
                {"metric": metric, "seeds": count, "mean": statistics.mean(each), "sd": sd, "interval": ends}
                | {"needed": needed, "each": each},
            )
        )
        charts.append(
            Chart(
                slugify(metric),
                f"{name} of each seed",
                "",
                name,
                tuple(f"seed {seed}" for seed in values),
                (Series("runs", tuple(each)),),
                reference=find_reference(runs, metric),
            )
        )
    header = ("measure", "mean (sd)", "95 % interval of the sd", *(f"seeds for {step:g}" for step in _SOUGHT))
    grid = Grid("variation over seeds", header, tuple(rows))
    return Findings((grid,), tuple(claims[1:]), tuple(charts), answer=claims[0])


def _describe_seeds(middle: int | None, low: int | None, high: int | None) -> str:
    """Describe how many seeds are needed, over the interval of the standard deviation: ``8 (5 to 27)``."""
    words = [f"{count}" if count is not None else "over 10 000" for count in (middle, low, high)]
    return f"{words[0]} ({words[1]} to {words[2]})"


def analyse_conditions(runs: Runs) -> Findings:
    """Compare each condition of the same weights at test time with both clean streams, over seeds."""
    clean = "uar both"
    names = runs.measures("uar ")
    against = runs.select(clean, {})
    found = correct(
        [
            compare_paired(name.removeprefix("uar "), "both", "uar", runs.select(name, {}), against)
            for name in names
            if name != clean
        ]
    )
    rows = tuple((name.removeprefix("uar "), describe_values(runs.select(name, {}))) for name in names)
    values = [runs.select(name, {}) for name in names]
    chart = Chart(
        "conditions",
        title_means("UAR by condition", runs),
        "",
        "UAR",
        tuple(name.removeprefix("uar ") for name in names),
        (summarise("UAR", values),),
        reference=find_reference(runs, "uar"),
    )
    return Findings(
        (Grid("results", ("streams at test time", "UAR, mean (sd)"), rows), tabulate_differences(found)),
        tuple(claim_difference(each, len(found)) for each in found),
        (chart, _chart_differences(found, "uar")),
    )


ANALYSES: Final[Mapping[str, Analysis]] = {
    "factors": analyse_factors,
    "seeds": analyse_seeds,
    "conditions": analyse_conditions,
    "layers": analyse_layers,
    "alignment": analyse_alignment,
    "scaling": analyse_scaling,
}
"""Name -> analysis."""


def find_analysis(name: str) -> Analysis:
    """Find an analysis: a built-in one, or one of an installed package.

    Raises:
        SettingsError: there is none of this name, or the package's cannot be used.
    """
    if name in ANALYSES:
        return ANALYSES[name]
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                found = point.load()
            except Exception as error:  # a package may do anything while it is imported
                raise SettingsError(f"analysis {name!r}: {point.value} cannot be used ({first_line(error)})") from error
            if not callable(found):
                raise SettingsError(f"analysis {name!r}: {point.value} is not a function")
            return found  # type: ignore[no-any-return]
    raise SettingsError(
        f"no analysis named {name!r}; expected {', '.join(ANALYSES)}, or an entry point of the group {GROUP} of an "
        "installed package"
    )


def check_analysis(study: Study, budget: str) -> None:
    """Check, before anything is computed, that the runs of a study will have what its analysis reads.

    Raises:
        SettingsError: there is no such analysis, or the study lacks a measure, factors or sizes that it reads.
    """
    find_analysis(study.analysis)
    factors = study.list_factors(budget)
    words = f"study {study.name}: the analysis {study.analysis}"
    if study.analysis in _READS:
        measure, metrics = _READS[study.analysis]
        if measure not in study.measures:
            raise SettingsError(f"{words} reads the measure {measure}; add the table `measures.{measure}`")
        if unknown := [metric for metric in study.metrics if metric not in metrics]:
            raise SettingsError(
                f"{words} cannot compare {', '.join(unknown)}; expected metrics of {', '.join(metrics)}"
            )
    if study.analysis in _WITHOUT_FACTORS and factors:
        raise SettingsError(f"{words} compares no levels; remove the factors, or use the analysis factors")
    if study.analysis in ("factors", "scaling") and not factors:
        raise SettingsError(f"{words} needs a factor")
    if study.analysis == "alignment" and len(factors) != 1:
        raise SettingsError(f"{words} needs one factor, got {len(factors)}")
    if study.analysis == "scaling":
        _check_sizes(study, factors, words)


def _check_sizes(study: Study, factors: Sequence[Factor], words: str) -> None:
    for factor in factors:
        sizes = [level.x or 0.0 for level in factor.levels]
        if sizes[0] <= 0 or any(after <= size for size, after in pairwise(sizes)):
            raise SettingsError(
                f"{words} needs a number `x` above 0 for every level of the factor {factor.name!r}, in rising order"
            )
    if study.one_at_a_time:
        raise SettingsError(f"{words} needs all combinations; remove one_at_a_time")
    if is_less_better(study.metrics[0]):
        raise SettingsError(f"{words} needs a score of which more is better, not {study.metrics[0]!r}")
