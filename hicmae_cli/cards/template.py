"""The card of a bundled weight: a template that a person wrote, filled with metadata and tables of scores.

Placeholders are ``{{name}}``: the fields of `list_facts`, and ``{{table: KEY}}`` for a table. A placeholder without a
value and a table without a placeholder are errors, so that a card neither invents nor hides a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import WeightsError
from hicmae_cli.report.scores import describe_intervals, name_grids
from hicmae_cli.weights.facts import FORBIDDEN_USE
from hicmae_cli.weights.info import WeightInfo

_PLACEHOLDER: Final = re.compile(r"\{\{\s*(table:)?\s*([a-z0-9_-]+)\s*\}\}")


def render_card(template: str, name: str, info: WeightInfo, documents: Mapping[str, Mapping[str, Any]]) -> str:
    """Fill the template of a card.

    Args:
        template: Markdown with placeholders.
        name: name of the weight.
        info: its metadata.
        documents: documents of ``hicmae evaluate --json`` by the prefix of the keys of their tables, such as
            ``faces-``; a single one may have none.

    Raises:
        WeightsError: a placeholder has no value, the metadata lack a fact, or a table has no placeholder.
    """
    facts = list_facts(name, info)
    tables: dict[str, str] = {}
    for prefix, document in documents.items():
        tables |= {f"{prefix}{key}": "\n".join(grid.to_markdown()) for key, grid in name_grids(document).items()}
        facts["intervals"] = describe_intervals(document["intervals"])
    used: set[str] = set()
    missing: list[str] = []

    def fill(found: re.Match[str]) -> str:
        key = found[2]
        if found[1] and key in tables:
            used.add(key)
            return tables[key]
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
        "forbidden_use": FORBIDDEN_USE,
        "held_out": "\n".join(f"- {score}" for score in info.held_out),
        "source": info.source,
        "created_with": info.created_with,
        "temperature": f"{info.temperature:.2f}" if info.temperature else "",
    }


def read_template(path: Path) -> str:
    """Read the template of a card.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: the template of a card cannot be read: {error}") from error
