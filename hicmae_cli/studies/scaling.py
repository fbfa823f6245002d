"""The analysis of scaling: power laws of the error over sizes, where more brings no more, and rare classes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.report.grid import Grid
from hicmae_cli.studies.result import Chart, Claim, Findings, Runs, slugify, summarise
from hicmae_cli.studies.statistics import find_diminishing, fit_power_law
from hicmae_cli.studies.wording import describe_values, find_reference, name_measure, start_sentence, title_means

_RAREST = 2


def analyse_scaling(runs: Runs) -> Findings:
    """Fit the error over each factor's sizes, look for the point of diminishing returns, and show rare classes."""
    metric = runs.metrics[0]
    claims: list[Claim] = []
    charts: list[Chart] = []
    for factor, levels in runs.factors.items():
        sizes = runs.x.get(factor, ())
        if len(sizes) != len(levels):
            raise SettingsError(f"scaling: every level of the factor {factor!r} needs a number `x`")
        table = _tabulate(runs, factor, levels, metric)
        claims += [_claim_exponent(factor, sizes, table, metric), _claim_diminishing(factor, sizes, table, metric)]
        charts.append(_draw(runs, factor, levels, sizes, metric))
    rare = list_rarest(runs)
    rows = []
    for cell in runs.cells():
        shown = [describe_values(runs.select(name, cell)) for name in (metric, *(f"recall {label}" for label in rare))]
        rows.append((*cell.values(), *shown))
    header = (*runs.factors, f"{name_measure(metric)}, mean (sd)", *(f"recall of {label}" for label in rare))
    claims += [_claim_rare(runs, label) for label in rare]
    grid = Grid("results", header, tuple(rows))
    exponents = " ".join(claim.text for claim in claims if "exponent" in claim.numbers)
    answer = Claim(exponents, {"exponents": [dict(claim.numbers) for claim in claims if "exponent" in claim.numbers]})
    return Findings((grid,), tuple(claims), tuple(charts), answer=answer)


def list_rarest(runs: Runs) -> list[str]:
    """List the classes with the fewest training clips; none if all classes have equally many, within a tenth.

    A class without a recall, because no test clip shows it, is left out.
    """
    counts = {
        label: statistics.mean(record.measures.get(f"train clips {label}", 0.0) for record in runs.records)
        for name in runs.measures("train clips ")
        if runs.select(f"recall {(label := name.removeprefix('train clips '))}", {})
    }
    if not counts or min(counts.values()) >= 0.9 * max(counts.values()):
        return []
    return sorted(counts, key=lambda label: (counts[label], label))[:_RAREST]


def _tabulate(runs: Runs, factor: str, levels: Sequence[str], metric: str) -> NDArray[np.float64]:
    """Tabulate a measure (S, P), mean over the other factors."""
    columns = [runs.select(metric, {factor: level}) for level in levels]
    return np.array([[column[seed] for column in columns] for seed in runs.seeds])


def _claim_exponent(factor: str, sizes: Sequence[float], table: NDArray[np.float64], metric: str) -> Claim:
    law = fit_power_law(sizes, 1 - table)
    if law is None:
        return Claim(f"There is no exponent of {factor}, because an error is 0.", {"factor": factor, "exponent": None})
    low, high = law.interval
    return Claim(
        f"The error (1 - {name_measure(metric)}) changes as {factor} to the power of {law.exponent:.3f} (95 % interval "
        f"over {len(table)} seeds {low:.3f} to {high:.3f}).",
        {"factor": factor, **law.to_dict()},
    )


def _claim_diminishing(factor: str, sizes: Sequence[float], table: NDArray[np.float64], metric: str) -> Claim:
    step = find_diminishing(sizes, table, metric)
    if step is None:
        return Claim(
            f"{start_sentence(factor)}: every step up to {sizes[-1]:g} gained, so a point of diminishing returns is "
            "not reached.",
            {"factor": factor, "diminishing": None, "largest": sizes[-1], "seeds": len(table)},
        )
    low, high = step.interval
    return Claim(
        f"{start_sentence(factor)}: from {step.second} to {step.first}, the gain is not significant ({step.mean:+.3f} "
        f"{name_measure(metric)}, 95 % interval {low:+.3f} to {high:+.3f}). With {len(table)} seeds, this does not "
        "show that returns diminish.",
        {"factor": factor, "diminishing": step.to_dict(), "seeds": len(table)},
    )


def _claim_rare(runs: Runs, label: str) -> Claim:
    values = [statistics.mean(runs.select(f"recall {label}", cell).values()) for cell in runs.cells()]
    return Claim(
        f"Recall of the rare class {label}: {min(values):.3f} to {max(values):.3f} over all sizes.",
        {"label": label, "each": values},
    )


def _draw(runs: Runs, factor: str, levels: Sequence[str], sizes: Sequence[float], metric: str) -> Chart:
    others = [name for name in runs.factors if name != factor]
    lines: dict[str, list[dict[int, float]]] = {}
    for cell in runs.cells():
        name = ", ".join(f"{other} {cell[other]}" for other in others) or name_measure(metric)
        values = lines.setdefault(name, [{} for _ in levels])
        values[levels.index(cell[factor])] = runs.select(metric, cell)
    return Chart(
        slugify(factor),
        title_means(f"{name_measure(metric)} over {factor}", runs),
        factor,
        name_measure(metric),
        tuple(map(float, sizes)),
        tuple(summarise(name, values) for name, values in lines.items()),
        reference=find_reference(runs, metric),
    )
