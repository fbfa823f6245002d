"""The further tables of an evaluation: probabilities, classes, calibration, groups and robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hicmae_cli.metric_names import PROBABILITY_TITLES, TITLES
from hicmae_cli.report.grid import Grid

_SHOWN_OF_GROUPS = {
    "classification": ("uar", "war"),
    "multilabel": ("macro_f1", "exact_match"),
    "regression": ("ccc", "mae"),
}


def detail_grids(document: Mapping[str, Any]) -> dict[str, Grid]:
    """Make the tables of the parts that a ``hicmae.evaluate/1`` document has; earlier versions have none of them.

    Returns:
        By name: ``classes``, ``probabilities``, ``calibration``, ``by-COLUMN`` for each column of groups, and
        ``robustness``.
    """
    grids = {}
    if "classes" in document:
        grids["classes"] = _make_class_grid(document)
    if "probability_metrics" in document:
        grids["probabilities"] = _make_probability_grid(document)
    if "after" in document.get("calibration", {}):
        grids["calibration"] = _make_calibration_grid(document["calibration"], document["modality"])
    for found in document.get("groups", ()):
        grids[f"by-{found['column']}"] = _make_group_grid(document, found)
    if document.get("robustness"):
        grids["robustness"] = _make_robustness_grid(document)
    return grids


def _format(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def _make_class_grid(document: Mapping[str, Any]) -> Grid:
    titles = {"precision": "precision", "recall": "recall", "f1": "F1"}
    kind = "classes"
    if document.get("task") == "multilabel":
        kind, titles = "labels", {**titles, "average_precision": PROBABILITY_TITLES["average_precision"]}
    intervals = document["intervals"].get("classes", {})
    bounded = {name for own in intervals.values() for name in own}
    rows = []
    for label, own in document["classes"].items():
        bounds = intervals.get(label, {})
        cells = (_format(own[name]) + (f" {_spell(bounds[name])}" if name in bounds else "") for name in titles)
        rows.append((label, str(own["support"]), _count_people(own), *cells))
    names = (f"{title} [95 %]" if name in bounded else title for name, title in titles.items())
    return Grid(f"{kind}, {document['modality']}", ("", "clips", "people", *names), tuple(rows))


def _count_people(entry: Mapping[str, Any]) -> str:
    return "?" if entry.get("people") is None else str(entry["people"])


def _make_probability_grid(document: Mapping[str, Any]) -> Grid:
    streams = document.get("by_modality") or {document["modality"]: document}
    rows = []
    for name in document["probability_metrics"]:
        cells = []
        for own in streams.values():
            bounds = own["intervals"]["bounds"].get(name)
            interval = "" if bounds is None else f" {_spell(bounds)}"
            cells.append(f"{_format(own['probability_metrics'][name])}{interval}")
        rows.append((PROBABILITY_TITLES[name], *cells))
    return Grid("probabilities [95 % interval]", ("", *streams), tuple(rows))


def _make_calibration_grid(calibration: Mapping[str, Any], modality: str) -> Grid:
    names = list(calibration["before"])
    temperature = calibration["temperature"]
    words = f"{temperature:.3f}" if isinstance(temperature, float) else "one per fold"
    rows = tuple(
        (title, *(_format(calibration[part][name]) for name in names))
        for title, part in (("as predicted", "before"), (f"temperature {words}", "after"))
    )
    title = f"calibration, {modality}, temperature fitted on {calibration['fitted_on']}"
    return Grid(title, ("", *(PROBABILITY_TITLES[name] for name in names)), rows)


def _make_group_grid(document: Mapping[str, Any], found: Mapping[str, Any]) -> Grid:
    names = _SHOWN_OF_GROUPS[document["task"]]
    rows = []
    for group in found["groups"]:
        cells = [_spell_score(group, name) for name in names]
        notes = "; ".join(group["notes"])
        rows.append((group["group"], str(group["decisions"]), _count_people(group), *cells, notes))
    if gap := found["gap"]:
        cell = f"{gap['difference']:.4f} {_spell(gap['bounds'])}"
        rows.append((f"gap: {gap['best']} - {gap['worst']}", "", "", cell, "", ""))
    elif len(rows) > 1:
        rows.append(("gap", "", "", "-", "", "no two groups with enough clips"))
    header = (found["column"], "clips", "people", *(f"{TITLES[name]} [95 %]" for name in names), "notes")
    return Grid(f"by {found['column']}, {document['modality']}", header, tuple(rows))


def _spell_score(entry: Mapping[str, Any], name: str) -> str:
    return f"{_format(entry['metrics'][name])} {_spell(entry['intervals']['bounds'][name])}"


def _spell(bounds: Sequence[float]) -> str:
    """Spell an interval without a space, so that a narrow terminal does not break it."""
    return f"[{bounds[0]:.3f},{bounds[1]:.3f}]"


def _make_robustness_grid(document: Mapping[str, Any]) -> Grid:
    names = _SHOWN_OF_GROUPS[document["task"]]
    rows = []
    for curve in document["robustness"]:
        unit = "" if curve["unit"] == "share" else f" {curve['unit']}"
        for level in curve["levels"]:
            words = "clean" if level["level"] is None else f"{level['level']:g}{unit}"
            cells = (_spell_score(level, name) for name in names)
            rows.append((f"{curve['degradation']} {words}", curve["modality"], *cells))
    return Grid("robustness", ("", "streams", *(f"{TITLES[name]} [95 %]" for name in names)), tuple(rows))
