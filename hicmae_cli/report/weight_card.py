"""The model card of a weight: a template that a person wrote, filled with metadata and tables of scores.

Placeholders are ``{{name}}``: the fields of `list_facts`, and ``{{table: KEY}}`` for a table. A placeholder without a
value and a table without a placeholder are errors, so that a card neither invents nor hides a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.info import WeightInfo

_PLACEHOLDER: Final = re.compile(r"\{\{\s*(table:)?\s*([a-z0-9_-]+)\s*\}\}")
_CALIBRATION: Final = {"ece": "expected calibration error", "brier": "Brier score", "nll": "negative log-likelihood"}
Cell = str | int | float | None
"""A cell of a table; None is written as a dash, a float with two digits."""


@dataclass(frozen=True)
class CardTable:
    """One table of a card.

    Attributes:
        columns: their titles.
        rows: the cells, as many in each row as there are columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if not self.rows or any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"expected rows of {len(self.columns)} cells, got {[len(row) for row in self.rows]}")

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.columns, ["---"] * len(self.columns), *([_write_cell(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _write_cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell).replace("|", "\\|")


def render_card(template: str, name: str, info: WeightInfo, tables: Mapping[str, CardTable]) -> str:
    """Fill the template of a card.

    Args:
        template: Markdown with placeholders.
        name: name of the weight.
        info: its metadata.
        tables: by the key of their placeholder; `make_tables` makes them from an evaluation.

    Raises:
        WeightsError: a placeholder has no value, the metadata lack a fact, or a table has no placeholder.
    """
    facts = list_facts(name, info)
    used: set[str] = set()
    missing: list[str] = []

    def fill(found: re.Match[str]) -> str:
        key = found[2]
        if found[1] and key in tables:
            used.add(key)
            return tables[key].to_markdown()
        if not found[1] and facts.get(key):
            return facts[key]
        missing.append(found[0])
        return found[0]

    card = _PLACEHOLDER.sub(fill, template)
    if missing:
        raise WeightsError(f"the card of {name}: nothing to fill in for {', '.join(dict.fromkeys(missing))}")
    if unused := [key for key in tables if key not in used]:
        raise WeightsError(f"the card of {name}: the template has no place for the tables {', '.join(unused)}")
    return card


def list_facts(name: str, info: WeightInfo) -> dict[str, str]:
    """List the values of the placeholders that the metadata give; a fact that is missing is empty."""
    return {
        "name": name,
        "variant": info.variant,
        "labels": ", ".join(info.labels),
        "licence": info.licence,
        "trained_on": info.trained_on,
        "cannot_judge": info.cannot_judge,
        "intended_use": info.intended_use,
        "held_out": "\n".join(f"- {score}" for score in info.held_out),
        "source": info.source,
        "created_with": info.created_with,
        "temperature": f"{info.temperature:.2f}" if info.temperature else "",
    }


def make_tables(document: Mapping[str, Any], key: str = "") -> dict[str, CardTable]:
    """Make tables from a document of ``hicmae evaluate --json``.

    Args:
        document: scores of a classification, with its groups and calibration if it has them.
        key: a prefix of the tables' keys, such as ``faces-``; so that a card can show several evaluations.

    Returns:
        ``scores`` (UAR and WAR), ``recall`` (of each class, with Wilson's intervals), ``confusion``, ``calibration``
        (before and after, if a temperature was applied) and a table ``by-COLUMN`` for each column of groups.
    """
    interval = document["intervals"]["bounds"]
    scores = tuple(
        (title, float(document["metrics"][metric]), *_write_bounds(interval.get(metric)))
        for metric, title in (("uar", "UAR"), ("war", "accuracy"))
    )
    labels = document["labels"]
    bounds = (f"{100 * document['intervals']['level']:.0f} % interval",)
    tables = {
        "scores": CardTable(("score", "value", *bounds), scores),
        "recall": CardTable(
            ("emotion", "recall", "95 % interval", "precision", "clips"),
            tuple(
                (label, found["recall"], bound_share(row[place], sum(row)), found["precision"], sum(row))
                for place, (label, row, found) in enumerate(
                    (label, row, document["classes"][label])
                    for label, row in zip(labels, document["confusion"], strict=True)
                )
            ),
        ),
        "confusion": CardTable(
            ("true ↓, predicted →", *labels),
            tuple((label, *row) for label, row in zip(labels, document["confusion"], strict=True)),
        ),
    }
    calibration = document.get("calibration", {})
    if "after" in calibration:
        rows = tuple(
            (title, calibration["before"][name], calibration["after"][name]) for name, title in _CALIBRATION.items()
        )
        tables["calibration"] = CardTable(("score", "without temperature", "with temperature"), rows)
    for group in document.get("groups", ()):
        metric = group["metric"]
        scored = tuple(
            (
                each["group"],
                each["metrics"].get(metric),
                *_write_bounds(each["intervals"]["bounds"].get(metric)),
                each["decisions"],
            )
            for each in group["groups"]
        )
        tables[f"by-{group['column']}"] = CardTable((group["column"], metric.upper(), *bounds, "clips"), scored)
    return {f"{key}{name}": table for name, table in tables.items()}


def bound_share(hits: int, clips: int) -> str:
    """Return the 95 % interval of a share of clips (Wilson 1927), as text; a dash without clips."""
    if not clips:
        return "-"
    share, z = hits / clips, 1.96
    middle = (share + z * z / (2 * clips)) / (1 + z * z / clips)
    half = z / (1 + z * z / clips) * math.sqrt(share * (1 - share) / clips + z * z / (4 * clips * clips))
    return f"{max(0.0, middle - half):.2f} to {min(1.0, middle + half):.2f}"


def _write_bounds(bounds: Sequence[float] | None) -> tuple[str]:
    return (f"{bounds[0]:.2f} to {bounds[1]:.2f}",) if bounds else ("-",)


def read_template(path: Path) -> str:
    """Read the template of a card.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: the template of a card cannot be read: {error}") from error
