"""Weights that other people have published, and that `hicmae weights pull` fetches: the catalogue's second half.

The tables ``[[published]]`` are in the package's ``catalogue.toml`` and in a user's own catalogue, which has the same
form: the file ``$HICMAE_CATALOGUE``, or ``catalogue.toml`` in ``$HICMAE_HOME``. A user's entry that has the name of
another one adds its sources before the others, as a mirror does, and replaces the fields that it has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.toml import parse_toml
from hicmae_cli.weights.catalogue import CATALOGUE, check_form, locate_store

_VARIABLE: Final = "HICMAE_CATALOGUE"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class PublishedWeight(BaseModel):
    """A weight that can be pulled.

    Attributes:
        name: what hicmae calls it.
        summary: what it is, in a line.
        licence: as far as its authors state it.
        citation: the work to cite.
        dataset: what it was trained on.
        labels: in the order of the model's outputs; none for a pre-trained model.
        fold: of the dataset that tests it; empty without folds.
        protocol: of the folds.
        sampling_rate: n, if the model samples every n-th frame.
        scores: that its authors state for the fold, by metric.
        sources: where the file is, best first; see `hicmae_cli.pulling.sources`.
        sha256: of the file; empty if nobody has published it.
        size_bytes: of the file; 0 if nobody has published it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    licence: str
    citation: str = ""
    dataset: str = "unknown"
    labels: tuple[str, ...] = ()
    fold: str = ""
    protocol: str = ""
    sampling_rate: int = 4
    scores: dict[str, float] = {}
    sources: tuple[str, ...]
    sha256: str = ""
    size_bytes: int = Field(0, ge=0)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        check_form(name)
        return name

    @field_validator("sha256")
    @classmethod
    def _check_sha256(cls, sha256: str) -> str:
        if sha256 and not _SHA256.fullmatch(sha256):
            raise ValueError("expected a SHA-256 as 64 hexadecimal digits in lower case")
        return sha256


def list_published(bundled: Path | None = None) -> dict[str, PublishedWeight]:
    """List the weights that can be pulled, by name: those of the package, then those of the user's catalogue.

    Args:
        bundled: folder of the package's catalogue, other than the installed one.

    Raises:
        WeightsError: a catalogue cannot be read, or is malformed.
    """
    merged: dict[str, dict[str, Any]] = {}
    own = _find_own()
    for path in ((bundled or find_bundled_dir()) / CATALOGUE, *([own] if own else ())):
        for entry in _read_tables(path):
            name = str(entry.get("name", ""))
            known = merged.get(name, {})
            sources = [*entry.get("sources", ()), *known.get("sources", ())]
            merged[name] = {**known, **entry, "sources": list(dict.fromkeys(sources))}
            # Not after the loop: a message must name the file.
            _check_entry(merged[name], path)
    return {name: PublishedWeight.model_validate(entry) for name, entry in merged.items()}


def _find_own() -> Path | None:
    """Find the user's catalogue; None without one.

    Raises:
        WeightsError: the variable names a file that is not there.
    """
    given = os.environ.get(_VARIABLE)
    path = Path(given) if given else locate_store().parent / CATALOGUE
    if path.is_file():
        return path
    if given:
        raise WeightsError(one_line(f"{path}: no such file; the variable {_VARIABLE} names it"))
    return None


def _read_tables(path: Path) -> list[Mapping[str, Any]]:
    try:
        tables = parse_toml(path.read_text("utf-8")).get("published", [])
    # ValueError: not UTF-8, or not TOML.
    except (OSError, ValueError) as error:
        raise WeightsError(one_line(f"{path}: the catalogue cannot be read: {' '.join(str(error).split())}")) from error
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise WeightsError(one_line(f"{path}: expected tables [[published]]"))
    return tables


def _check_entry(entry: Mapping[str, Any], path: Path) -> None:
    try:
        PublishedWeight.model_validate(entry)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(one_line(f"{path}: {entry.get('name', 'an entry')}: {reason}")) from error
