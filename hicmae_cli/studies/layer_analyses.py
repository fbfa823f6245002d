"""Analyses over the layers of a model: where emotion sits, and how both streams align."""

from __future__ import annotations

from hicmae_cli.report.grid import Grid
from hicmae_cli.studies.result import Chart, Findings, Runs, summarise
from hicmae_cli.studies.statistics import compare_paired, correct
from hicmae_cli.studies.wording import (
    claim_difference,
    describe_values,
    find_reference,
    name_measure,
    tabulate_differences,
    title_means,
)


def analyse_layers(runs: Runs) -> Findings:
    """Compare the linear probe of each layer with that of the stream's last one, and show the learned weights."""
    probes = runs.measures("probe ")
    weights = runs.measures("weight ")
    found = []
    for stream in ("video", "audio"):
        layers = [name for name in probes if name.startswith(f"probe {stream}_") and name.split("_")[-1].isdecimal()]
        last = runs.select(layers[-1], {}) if layers else {}
        found += [
            compare_paired(_short(name), _short(layers[-1]), "uar", runs.select(name, {}), last) for name in layers[:-1]
        ]
    found = correct(found)
    rows = tuple((_short(name), describe_values(runs.select(name, {}))) for name in probes)
    tables = [Grid("UAR of a linear probe", ("layer", "UAR, mean (sd)"), rows)]
    if weights:
        shares = tuple((_short(name), describe_values(runs.select(name, {}))) for name in weights)
        tables.append(Grid("learned weights of the fused layers", ("layer", "weight, mean (sd)"), shares))
    charts = [_chart_layers(runs, "probe", "probe ", "UAR of a linear probe")]
    if weights:
        charts.append(_chart_layers(runs, "weights", "weight ", "learned weight of the layer"))
    return Findings(
        (*tables, tabulate_differences(found)),
        tuple(claim_difference(each, len(found)) for each in found),
        tuple(charts),
    )


def _short(name: str) -> str:
    """Shorten a measure: ``probe video_2`` -> ``video layer 2``, ``probe video_fusion`` -> ``video fusion``."""
    stream, _, rest = name.partition(" ")[2].partition("_")
    return f"{stream} layer {rest}" if rest.isdecimal() else f"{stream} {rest}".strip()


def _chart_layers(runs: Runs, slug: str, start: str, title: str) -> Chart:
    """Draw measures such as ``probe video_1`` over layers, one line for each stream."""
    lines = {}
    for stream in ("video", "audio"):
        names = [
            name for name in runs.measures(f"{start}{stream}_") if name.removeprefix(f"{start}{stream}_").isdecimal()
        ]
        lines[stream] = [runs.select(name, {}) for name in names]
    depth = max(map(len, lines.values()))
    series = tuple(summarise(stream, values) for stream, values in lines.items())
    reference = find_reference(runs, "uar") if start == "probe " else None
    return Chart(slug, title_means(title, runs), "layer", title, _count(depth), series, reference=reference)


def _count(depth: int) -> tuple[float, ...]:
    return tuple(float(layer) for layer in range(1, depth + 1))


def analyse_alignment(runs: Runs) -> Findings:
    """Compare modality gap, retrieval or both between the levels of a factor: their means over layers.

    Each layer is in the table and in the chart, but not tested: with the few seeds of a study, tests of every layer
    would show nothing.
    """
    (factor,) = runs.factors
    base = runs.baselines[factor]
    levels = runs.factors[factor]
    found, claims, rows, charts = [], [], [], []
    for kind in runs.metrics:
        against = runs.select(kind, {factor: base})
        pairs = correct(
            [
                compare_paired(level, base, kind, runs.select(kind, {factor: level}), against)
                for level in levels
                if level != base
            ]
        )
        found += pairs
        claims += [claim_difference(each, len(pairs)) for each in pairs]
        names = runs.measures(f"{kind} layer ")
        for name in (kind, *names):
            values = [runs.select(name, {factor: level}) for level in levels]
            rows.append((name_measure(name), *map(describe_values, values)))
        title = kind.replace("_at_", "@").replace("_", " ")
        charts.append(
            Chart(
                kind.replace("_", "-"),
                title_means(title, runs),
                "layer",
                title,
                _count(len(names)),
                tuple(summarise(level, [runs.select(name, {factor: level}) for name in names]) for level in levels),
                reference=find_reference(runs, kind),
            )
        )
    header = ("measure", *(f"{level}, mean (sd)" for level in levels))
    grids = (Grid("alignment by layer", header, tuple(rows)), tabulate_differences(found))
    return Findings(grids, tuple(claims), tuple(charts))
