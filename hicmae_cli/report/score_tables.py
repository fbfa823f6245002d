"""The tables of an evaluation as a file: CSV with one number per line, LaTeX (booktabs) or Markdown, by its suffix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import SettingsError, one_line
from hicmae_cli.report.files import to_csv, write_text
from hicmae_cli.report.grid import Grid
from hicmae_cli.report.scores import name_clips, name_tested, score_grids

TABLE_SUFFIXES: Final = (".csv", ".tex", ".md")
_COLUMNS: Final = ("table", "row", "metric", "value", "lower", "upper")
_Line = tuple[str, str, str, Any, Any, Any]


def check_table(path: Path) -> None:
    """Refuse a table of an unknown format, before the work whose result it shows.

    Raises:
        SettingsError: the suffix is not one of ``TABLE_SUFFIXES``.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise SettingsError(f"{path}: expected a name that ends in {', '.join(TABLE_SUFFIXES)}")


def write_tables(document: Mapping[str, Any], path: Path) -> None:
    """Write all tables of a document in the format of the file's suffix.

    Args:
        document: as ``hicmae evaluate --json`` writes it.
        path: a .csv, .tex or .md file.

    Raises:
        SettingsError: another suffix.
        HicmaeError: the file cannot be written.
    """
    check_table(path)
    write = {".csv": scores_csv, ".tex": scores_latex, ".md": tables_markdown}[path.suffix.lower()]
    write_text(path, write(document))


def scores_latex(document: Mapping[str, Any]) -> str:
    """Make LaTeX tables with captions and labels; a document that contains them needs the package booktabs."""
    lines = ["% \\usepackage{booktabs}"]
    tested = name_tested(document)
    for grid in score_grids(document):
        key = re.sub(r"[^a-z0-9]+", "-", f"{tested} {_shorten(grid)}".lower()).strip("-")
        lines += ["", *grid.to_latex(_make_caption(document, grid), key)]
    return "\n".join(lines) + "\n"


def tables_markdown(document: Mapping[str, Any]) -> str:
    """Make Markdown tables with their captions, without the page around them."""
    lines: list[str] = []
    for grid in score_grids(document):
        lines += [one_line(_make_caption(document, grid)), "", *map(one_line, grid.to_markdown()), ""]
    return "\n".join(lines)


def scores_csv(document: Mapping[str, Any]) -> str:
    """Make a CSV table of all numbers in full precision, one per line: ``table,row,metric,value,lower,upper``."""
    return to_csv([_COLUMNS, *_list_numbers(document)])


def _shorten(grid: Grid) -> str:
    return grid.title.partition(",")[0] if not grid.title.startswith("by ") else grid.title.rpartition(",")[0]


def _make_caption(document: Mapping[str, Any], grid: Grid) -> str:
    """Say what a table shows, how its intervals were made, and whether the scores are optimistic."""
    interval = document["intervals"]
    # The title, a column or the rows name the streams.
    text = f"{grid.title[:1].upper()}{grid.title[1:]}: {name_clips(document)}."
    if any("95 %" in name for name in (grid.title, *grid.header, *(row[0] for row in grid.rows))):
        text += f" Intervals: {100 * interval['level']:.0f} %, bootstrap over {interval['resampled']}s."
    if document.get("selection", {}).get("optimistic"):
        text += " Optimistic: the epoch was chosen on the test clips."
    return text


def _list_numbers(document: Mapping[str, Any]) -> Iterator[_Line]:
    for fold, found in document.get("folds", {}).items():
        yield from _list_metrics("scores", f"fold {fold}", found["metrics"])
    for part in ("mean", "sd"):
        yield from _list_metrics("scores", f"{part} over folds", document.get(part) or {})
    for modality, own in _list_streams(document).items():
        row = f"pooled, {modality}" if "folds" in document else modality
        yield from _list_metrics("scores", row, own["metrics"], own["intervals"])
        yield from _list_metrics("probabilities", modality, own.get("probability_metrics", {}), own["intervals"])
        for label, scores in own.get("classes", {}).items():
            bounds = own["intervals"].get("classes", {}).get(label, {})
            yield from _list_metrics(f"classes, {modality}", label, scores, {"bounds": bounds})
        for label, counts in zip(document["labels"], own.get("confusion", ()), strict=False):
            yield from _list_metrics(
                f"confusion, {modality}", label, dict(zip(document["labels"], counts, strict=True))
            )
    for name, both in document.get("published", {}).items():
        yield ("scores", f"published, {both['of']}", name, both["published"], None, None)
    for name, metrics in document.get("baselines", {}).items():
        yield from _list_metrics("scores", name, metrics)
    for part in ("before", "after"):
        yield from _list_metrics("calibration", part, document.get("calibration", {}).get(part, {}))
    for found in document.get("groups", ()):
        table = f"by {found['column']}"
        for group in found["groups"]:
            yield from _list_metrics(table, group["group"], group["metrics"], group["intervals"])
        if gap := found["gap"]:
            row = f"gap: {gap['best']} - {gap['worst']}"
            yield (table, row, found["metric"], gap["difference"], *gap["bounds"])
    for curve in document.get("robustness", ()):
        for level in curve["levels"]:
            row = "clean" if level["level"] is None else f"{level['level']:g}"
            table = f"{curve['degradation']} ({curve['unit']}), {curve['modality']}"
            yield from _list_metrics(table, row, level["metrics"], level["intervals"])


def _list_streams(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """List the scores of each modality, with its metrics apart from the rest."""
    names = document["metrics"]
    streams = document.get("by_modality") or {document["modality"]: {**document, **document["metrics"]}}
    return {modality: {**own, "metrics": {name: own[name] for name in names}} for modality, own in streams.items()}


def _list_metrics(
    table: str, row: str, metrics: Mapping[str, Any], intervals: Mapping[str, Any] | None = None
) -> Iterator[_Line]:
    for name, value in metrics.items():
        lower, upper = (intervals or {}).get("bounds", {}).get(name, (None, None))
        yield (table, row, name, value, lower, upper)
