"""The tables of an evaluation, made from its document: for a terminal, as plain text and in Markdown."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from hicmae_cli.errors import one_line
from hicmae_cli.metric_names import TITLES
from hicmae_cli.report.grid import Grid
from hicmae_cli.report.score_details import detail_grids

# The confusion matrix of more labels does not fit on a terminal.
_MAX_SCREEN_LABELS = 14
_MAX_SCREEN_FOLDS = 12
_MAX_LISTED = 20
_SHOWN = {"classification": ("uar", "war"), "multilabel": ("macro_f1", "exact_match"), "regression": ("ccc", "pcc")}
_TEXT_CELLS = 120


def score_grids(document: Mapping[str, Any], *, screen: bool = False) -> list[Grid]:
    """Make the tables of a ``hicmae.evaluate/1`` document: scores, targets or classes, and whatever else it has.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        screen: omit what does not fit on a terminal.
    """
    return list(name_grids(document, screen=screen).values())


def name_grids(document: Mapping[str, Any], *, screen: bool = False) -> dict[str, Grid]:
    """Make the tables of `score_grids` by name: ``scores``, ``targets`` or ``confusion``, and as `detail_grids`."""
    grids = {"scores": _make_score_grid(document, _list_metrics(document, screen=screen), screen=screen)}
    if document.get("task") == "regression":
        grids["targets"] = _make_target_grid(document)
    elif document.get("task") != "multilabel":
        is_short = screen and len(document["labels"]) > _MAX_SCREEN_LABELS
        grids["confusion"] = _make_recall_grid(document) if is_short else _make_confusion_grid(document)
    return grids | detail_grids(document)


def format_scores(document: Mapping[str, Any]) -> str:
    """Format a document as plain text: its tables, then its warnings.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
    """
    console = Console(file=io.StringIO(), width=_TEXT_CELLS, color_system=None)
    with console.capture() as captured:
        for grid in score_grids(document, screen=True):
            console.print(grid)
    return captured.get() + "".join(f"warning: {one_line(warning)}\n" for warning in document.get("warnings", ()))


def scores_markdown(document: Mapping[str, Any], weights: str) -> str:
    """Make a Markdown page of a document: warnings, the protocol in words, tables, and the clips that failed.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        weights: the weight, as the user named it.
    """
    info = document["weights"]
    fold = document.get("fold")
    lines = [f"# {document.get('dataset', 'scores')}" + (f", {_name_fold(fold)}" if fold else ""), ""]
    if limits := info.get("cannot_judge"):
        lines += [f"> The weight cannot judge {limits}.", ""]
    for text in document.get("warnings", ()):
        lines += [f"> **Warning:** {text}.", ""]
    lines += [f"- {sentence}" for sentence in document.get("protocol", ())]
    lines.append("")
    for grid in score_grids(document):
        lines += grid.to_section()
    lines += [describe_intervals(document["intervals"]), ""]
    if failures := document["failures"]:
        lines += ["## Not scored", ""]
        lines += [f"- {failure['id']}: {failure['message']}" for failure in failures[:_MAX_LISTED]]
        lines += [f"- and {len(failures) - _MAX_LISTED} more"] if len(failures) > _MAX_LISTED else []
        lines.append("")
    lines += [
        f"Weight `{weights}`: {info['variant']}, trained on {info['dataset']}, licence {info['licence']}; "
        f"{document['engine']} engine, {info['created_with']}.",
        "",
    ]
    return "\n".join(one_line(line) for line in lines)


def describe_intervals(intervals: Mapping[str, Any]) -> str:
    """Say how intervals were made, in a sentence."""
    return (
        f"Intervals: {100 * intervals['level']:.0f} %, percentile bootstrap, {intervals['draws']} resamples of the "
        f"{intervals['resampled']}s, seed {intervals['seed']}."
    )


def picture_title(document: Mapping[str, Any]) -> str:
    """Make the title of a picture: what was tested, and its scores.

    A picture is passed on without its page, so the title also says if the scores are optimistic; all other warnings are
    in the document and on the page.
    """
    shown = _SHOWN[document.get("task", "classification")]
    scores = ", ".join(f"{TITLES[name]} {document['metrics'][name]:.4f}" for name in shown)
    title = f"{name_tested(document)}: {scores}"
    if document.get("selection", {}).get("optimistic"):
        title += "\noptimistic: the epoch was chosen on the test clips"
    return title


def name_tested(document: Mapping[str, Any]) -> str:
    """Name what was tested: dataset, fold and streams."""
    return f"{name_clips(document)}, {document['modality']}"


def name_clips(document: Mapping[str, Any]) -> str:
    """Name the tested clips: dataset and fold."""
    fold = document.get("fold")
    return f"{document.get('dataset', 'scores')}{f', {_name_fold(fold)}' if fold else ''}"


def _name_fold(fold: str) -> str:
    return "all folds" if fold == "all" else f"fold {fold}"


def _list_metrics(document: Mapping[str, Any], *, screen: bool = False) -> list[str]:
    """List the metrics without those of single targets; on a terminal also without micro F1, which equals WAR."""
    return [name for name in document["metrics"] if name in TITLES and not (screen and name == "micro_f1")]


def _make_row(title: str, clips: object, scores: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    cells = (f"{scores[name]:.4f}" if scores.get(name) is not None else "" for name in names)
    return (title, "" if clips is None else str(clips), *cells)


def _name_folds(folds: Mapping[str, Any], metric: str, *, screen: bool) -> dict[str, Any]:
    """Name the folds for a table; a terminal shows only the lowest, the median and the highest of many."""
    if not screen or len(folds) <= _MAX_SCREEN_FOLDS:
        return {f"fold {fold}": found for fold, found in folds.items()}
    order = sorted(folds, key=lambda fold: float(folds[fold]["metrics"][metric]))
    chosen = {"lowest": order[0], "median": order[len(order) // 2], "highest": order[-1]}
    return {f"{title} {TITLES[metric]}, fold {fold}": folds[fold] for title, fold in chosen.items()}


def _make_score_grid(document: Mapping[str, Any], names: Sequence[str], *, screen: bool) -> Grid:
    rows: list[tuple[str, ...]] = []
    folds = document.get("folds", {})
    for title, found in _name_folds(folds, names[0], screen=screen).items():
        rows.append(_make_row(title, found["decisions"], found["metrics"], names))
        rows += _make_published_rows(f"{title}, published", found.get("published", {}), names)
    if "folds" in document:
        over = f"{len(folds)} folds" if len(folds) > _MAX_SCREEN_FOLDS else "folds"
        rows.append(_make_row(f"mean over {over}", None, document["mean"], names))
        if document["sd"] is not None:
            rows.append(_make_row("sd over folds", None, document["sd"], names))
    alone = {document["modality"]: {**document["metrics"], "decisions": len(document["samples"])}}
    for modality, metrics in (document.get("by_modality") or alone).items():
        title = modality if "folds" not in document else f"pooled, {modality}"
        rows.append(_make_row(title, metrics["decisions"], metrics, names))
        # Documents of earlier versions hold the intervals of the main stream alone.
        if own := metrics.get("intervals", document["intervals"] if modality == document["modality"] else None):
            rows.append(_make_interval_row(own, f"{modality}, 95 % interval", names))
    if published := document.get("published"):
        of = next(iter(published.values()))["of"]
        of += ", not verified" if document.get("official", True) is None else ""
        rows += _make_published_rows(f"published, {of}", published, names)
    for title, metrics in document.get("baselines", {}).items():
        rows.append(_make_row(title, None, metrics, names))
    return Grid("scores", ("", "clips", *(TITLES[name] for name in names)), tuple(rows))


def _make_interval_row(intervals: Mapping[str, Any], title: str, names: Sequence[str]) -> tuple[str, ...]:
    bounds = intervals["bounds"]
    return (title, "", *(f"{bounds[name][0]:.3f} to {bounds[name][1]:.3f}" for name in names))


def _make_published_rows(title: str, published: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, ...]]:
    row = _make_row(title, None, {name: both["published"] for name, both in published.items()}, names)
    return [row] if any(row[2:]) else []


def _make_target_grid(document: Mapping[str, Any]) -> Grid:
    names = _list_metrics(document)
    rows: list[tuple[str, ...]] = []
    for target in document["labels"]:
        own = [f"{name}_{target}" for name in names]
        rows.append(_make_row(target, None, document["metrics"], own))
        rows.append(_make_interval_row(document["intervals"], f"{target}, 95 % interval", own))
        rows += _make_published_rows(f"{target}, published", document.get("published", {}), own)
    return Grid("targets", ("", *(TITLES[name] for name in names)), tuple((r[0], *r[2:]) for r in rows))


def _format_recall(document: Mapping[str, Any], label: str) -> str:
    recall = document["recalls"][label]
    return "-" if recall is None else f"{recall:.2f}"


def _make_confusion_grid(document: Mapping[str, Any]) -> Grid:
    labels = document["labels"]
    rows = tuple(
        (label, *map(str, counts), _format_recall(document, label))
        for label, counts in zip(labels, document["confusion"], strict=True)
    )
    title = f"confusion, {document['modality']} (rows: true, columns: predicted)"
    return Grid(title, ("", *labels, "recall"), rows)


def _make_recall_grid(document: Mapping[str, Any]) -> Grid:
    rows = tuple(
        (label, str(sum(counts)), _format_recall(document, label))
        for label, counts in zip(document["labels"], document["confusion"], strict=True)
    )
    return Grid("recalls (the files hold the confusion matrix)", ("", "clips", "recall"), rows)
