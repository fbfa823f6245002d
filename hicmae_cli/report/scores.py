"""An evaluation on a terminal and in Markdown: both show the tables that its document holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from hicmae_cli.errors import one_line
from hicmae_cli.metric_names import TITLES

_SCREEN_LABELS = 14  # more columns fold into each other on a terminal
_LISTED = 20  # failures named before it says "and N more"


@dataclass(frozen=True)
class Grid:
    """A table of text, whatever it is shown on."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_rich(self) -> Table:
        """For a terminal."""
        table = Table(*map(_safe, self.header), title=_safe(self.title), title_justify="left")
        for row in self.rows:
            table.add_row(*map(_safe, row))
        return table

    def to_markdown(self) -> list[str]:
        """For a file, line by line."""
        lines = [self.header, tuple("---" if not i else "---:" for i in range(len(self.header))), *self.rows]
        return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _safe(text: str) -> str:
    """A label or another text from a file, as Rich prints it as it is."""
    return escape(one_line(text))


def score_grids(document: Mapping[str, Any], *, screen: bool = False) -> list[Grid]:
    """The tables of a ``hicmae.evaluate/1`` document: scores, targets of a regression, confusion.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        screen: leave out what does not fit on one.
    """
    grids = [_scores(document, _names(document, screen))]
    if document.get("task") == "regression":
        return [*grids, _targets(document)]
    if screen and len(document["labels"]) > _SCREEN_LABELS:
        return [*grids, _recalls(document)]
    return [*grids, _confusion(document)]


def scores_markdown(document: Mapping[str, Any], weights: str) -> str:
    """A document as a Markdown page: the scores beside the published ones, and what they mean in words.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        weights: the weight as it was named on the command line.
    """
    info = document["weights"]
    fold = document.get("fold")
    lines = [f"# {document.get('dataset', 'scores')}" + (f", {_of_fold(fold)}" if fold else ""), ""]
    for text in document.get("warnings", ()):
        lines += [f"> **Warning:** {text}.", ""]
    lines += [f"- {sentence}" for sentence in document.get("protocol", ())]
    lines.append("")
    for grid in score_grids(document):
        lines += [f"## {grid.title[:1].upper()}{grid.title[1:]}", "", *grid.to_markdown(), ""]
    interval = document["intervals"]
    lines += [
        f"Intervals: {interval['level']:.0%}, percentile bootstrap, {interval['draws']} draws of a "
        f"{interval['resampled']} each with replacement, seed {interval['seed']}.",
        "",
    ]
    if failures := document["failures"]:
        lines += ["## Not scored", ""]
        lines += [f"- {failure['id']}: {failure['message']}" for failure in failures[:_LISTED]]
        lines += [f"- and {len(failures) - _LISTED} more"] if len(failures) > _LISTED else []
        lines.append("")
    lines += [
        f"Weight `{weights}`: {info['variant']}, trained on {info['dataset']}, licence {info['licence']}; "
        f"{document['engine']} engine, {info['created_with']}.",
        "",
    ]
    return "\n".join(one_line(line) for line in lines)


def confusion_title(document: Mapping[str, Any]) -> str:
    """Lines above a picture of the confusion: what was tested, its scores, and what a reader must know."""
    fold, metrics = document.get("fold"), document["metrics"]
    lines = [
        f"{document.get('dataset', 'scores')}{f', {_of_fold(fold)}' if fold else ''}, {document['modality']}: "
        f"UAR {metrics['uar']:.4f}, WAR {metrics['war']:.4f}"
    ]
    return "\n".join([*lines, *document.get("warnings", ())[:2]])


def _of_fold(fold: str) -> str:
    return "all folds" if fold == "all" else f"fold {fold}"


def _names(document: Mapping[str, Any], screen: bool = False) -> list[str]:
    """Metrics without those of single targets; on a screen also without micro F1, which equals WAR."""
    return [name for name in document["metrics"] if name in TITLES and not (screen and name == "micro_f1")]


def _row(title: str, clips: object, scores: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    cells = (f"{scores[name]:.4f}" if scores.get(name) is not None else "" for name in names)
    return (title, "" if clips is None else str(clips), *cells)


def _scores(document: Mapping[str, Any], names: Sequence[str]) -> Grid:
    rows: list[tuple[str, ...]] = []
    for fold, found in document.get("folds", {}).items():
        rows.append(_row(f"fold {fold}", found["decisions"], found["metrics"], names))
        rows += _published(f"fold {fold}, published", found.get("published", {}), names)
    if "folds" in document:
        rows.append(_row("mean over folds", None, document["mean"], names))
        if document["sd"] is not None:
            rows.append(_row("sd over folds", None, document["sd"], names))
    alone = {document["modality"]: {**document["metrics"], "decisions": len(document["samples"])}}
    for modality, metrics in (document.get("by_modality") or alone).items():
        title = modality if "folds" not in document else f"pooled, {modality}"
        rows.append(_row(title, metrics["decisions"], metrics, names))
    rows += [_bounds(document, "95 % interval", names)]
    if published := document.get("published"):
        of = next(iter(published.values()))["of"]
        rows += _published(f"published, {of}", published, names)
    for title, metrics in document.get("baselines", {}).items():
        rows.append(_row(title, None, metrics, names))
    return Grid("scores", ("", "clips", *(TITLES[name] for name in names)), tuple(rows))


def _bounds(document: Mapping[str, Any], title: str, names: Sequence[str]) -> tuple[str, ...]:
    bounds = document["intervals"]["bounds"]
    return (title, "", *(f"{bounds[name][0]:.3f} to {bounds[name][1]:.3f}" for name in names))


def _published(title: str, beside: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, ...]]:
    row = _row(title, None, {name: both["published"] for name, both in beside.items()}, names)
    return [row] if any(row[2:]) else []


def _targets(document: Mapping[str, Any]) -> Grid:
    names = _names(document)
    rows: list[tuple[str, ...]] = []
    for target in document["labels"]:
        own = [f"{name}_{target}" for name in names]
        rows.append(_row(target, None, document["metrics"], own))
        rows.append(_bounds(document, f"{target}, 95 % interval", own))
        rows += _published(f"{target}, published", document.get("published", {}), own)
    return Grid("targets", ("", *(TITLES[name] for name in names)), tuple((r[0], *r[2:]) for r in rows))


def _recall(document: Mapping[str, Any], label: str) -> str:
    recall = document["recalls"][label]
    return "-" if recall is None else f"{recall:.2f}"


def _confusion(document: Mapping[str, Any]) -> Grid:
    labels = document["labels"]
    rows = tuple(
        (label, *map(str, counts), _recall(document, label))
        for label, counts in zip(labels, document["confusion"], strict=True)
    )
    title = f"confusion, {document['modality']} (rows: true, columns: predicted)"
    return Grid(title, ("", *labels, "recall"), rows)


def _recalls(document: Mapping[str, Any]) -> Grid:
    rows = tuple(
        (label, str(sum(counts)), _recall(document, label))
        for label, counts in zip(document["labels"], document["confusion"], strict=True)
    )
    return Grid("recalls (the confusion is in --json and --confusion)", ("", "clips", "recall"), rows)
