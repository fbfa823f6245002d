"""The sections of a model card with numbers; each is in the JSON of the evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from hicmae_cli.cards.subject import Subject
from hicmae_cli.evaluation.intervals import FEW_PEOPLE
from hicmae_cli.markdown import escape_markdown
from hicmae_cli.report.grid import Grid
from hicmae_cli.report.scores import describe_intervals, name_grids

_TITLES: Final = {
    "targets": "Each target",
    "confusion": "Confusion, in clips (rows: true, columns: predicted)",
    "classes": "Each class",
    "probabilities": "Probabilities",
    "robustness": "Degraded clips",
}
_HOW: Final = (
    "Not evaluated. `hicmae evaluate --json scores.json` measures its scores; `hicmae weights card NAME --evaluation "
    "scores.json` then writes this card with them."
)


def list_results(subject: Subject) -> Iterator[str]:
    """Yield the lines of the scores: over all clips, and of each class."""
    info, document = subject.info, subject.document
    if info.held_out:
        yield "On people that it had not seen, as its makers state:"
        yield ""
        yield from (f"- {escape_markdown(str(score))}" for score in info.held_out)
        yield ""
    if document is None:
        yield _HOW if info.task != "pretraining" else "Not evaluated: it predicts nothing before it is fine-tuned."
        return
    grids = name_grids(document)
    yield f"Measured on {_count(document)}. {describe_intervals(document['intervals'])}"
    if "classes" in grids:
        yield "An interval of a class is over the resamples that have its clips."
    yield from ("", *grids["scores"].to_markdown())
    for name, title in _TITLES.items():
        if name in grids:
            yield from ("", f"### {title}", "", *grids[name].to_markdown())
    if empty := [label for label, own in document.get("classes", {}).items() if not own["support"]]:
        yield from ("", f"No clip shows {escape_markdown(', '.join(empty))}: how it does on them is unknown.")
    if failures := document.get("failures"):
        yield from ("", f"{len(failures)} clips could not be read, and are not in the scores.")


def _count(document: Mapping[str, Any]) -> str:
    samples = document["samples"]
    clips = sum(max(1, len(sample.get("clips", ()))) for sample in samples)
    people = {sample.get("speaker", "") for sample in samples}
    known = f"of {len(people - {''})} people"
    if "" in people:
        known = f"{known} and of people without a name" if len(people) > 1 else "of an unknown number of people"
    decisions = f", {len(samples)} decisions," if clips != len(samples) else ""
    return f"{clips} clips{decisions} {known}"


def list_calibration(subject: Subject, picture: str) -> Iterator[str]:
    """Yield the lines of the calibration: ECE, the reliability diagram and its bins.

    Args:
        subject: what the card is about.
        picture: name of the diagram beside the card; empty without one.
    """
    info, document = subject.info, subject.document
    if info.task not in ("classification", "multilabel"):
        yield "It gives no probabilities of classes."
        return
    if document is None:
        yield "Unknown: not evaluated."
        return
    found = document.get("calibration")
    if not found:
        yield "Unknown: only the probability of a single class is measured."
        return
    width = found["bins"][0]["upper"] - found["bins"][0]["lower"]
    yield (
        f"Accuracy against confidence, which is the largest probability, in {round(1 / width)} bins of equal width; "
        "bins without clips are not shown. The expected calibration error (ECE) is their mean difference, weighted "
        f"by clips: {_format(found['before']['ece'])} as predicted."
    )
    if "after" in found:
        temperature = found["temperature"]
        words = "a temperature per fold" if isinstance(temperature, Mapping) else f"the temperature {temperature:.3f}"
        yield f"With {words}, fitted on {escape_markdown(found['fitted_on'])}: {_format(found['after']['ece'])}."
        own = [each.find_temperature(document["modality"]) for each in subject.infos.values()]
        given = list(temperature.values()) if isinstance(temperature, Mapping) else [temperature]
        if own == given:
            yield "`hicmae predict` applies it."
    else:
        yield "It has no temperature for these streams, so nothing corrects its probabilities."
    if picture:
        yield from (
            "",
            f"![Reliability diagram: accuracy against confidence, and the share of clips]({quote(picture)})",
        )
    yield from ("", *_bin_grid(found["bins"]).to_markdown())
    if "after" in found:
        yield from ("", "With the temperature:", "", *_bin_grid(found["calibrated_bins"]).to_markdown())
        yield from ("", *name_grids(document)["calibration"].to_markdown())


def _bin_grid(bins: Sequence[Mapping[str, Any]]) -> Grid:
    rows = tuple(
        (
            f"{one['lower']:.3f} to {one['upper']:.3f}",
            str(one["clips"]),
            f"{one['confidence']:.4f}",
            f"{one['accuracy']:.4f}",
        )
        for one in bins
    )
    return Grid("reliability", ("confidence", "clips", "mean confidence", "accuracy"), rows)


def _format(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def list_groups(subject: Subject) -> Iterator[str]:
    """Yield the lines of the scores by sex, age and other columns; small groups are marked, not hidden."""
    document = subject.document
    if document is None:
        yield "Unknown: not evaluated."
        return
    groups = {group["column"]: group for group in document.get("groups", ())}
    grids = name_grids(document)
    for column, found in groups.items():
        grid = _mark_few(grids[f"by-{column}"], found["groups"])
        yield from (f"### By {escape_markdown(column)}", "", *grid.to_markdown(), "")
    if groups:
        yield f"Below {FEW_PEOPLE} people, a group is marked: its interval cannot show how different people are."
    if unknown := [column for column in ("sex", "age") if column not in groups]:
        yield f"Not measured by {' and '.join(unknown)}: the list of clips does not say it, or it was not asked for."


def _mark_few(grid: Grid, groups: Sequence[Mapping[str, Any]]) -> Grid:
    """Add notes to the groups of too few people; rows after the groups stay."""
    rows = list(grid.rows)
    for place, group in enumerate(groups):
        people = group["people"]
        doubt = "" if people is not None and people >= FEW_PEOPLE else "too few people" if people else "people unknown"
        rows[place] = (*rows[place][:-1], "; ".join(filter(None, [doubt, rows[place][-1]])))
    return replace(grid, rows=tuple(rows))
