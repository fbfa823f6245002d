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

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import NotPulledError, SettingsError, WeightsError, one_line
from hicmae_cli.labels import canonical_label
from hicmae_cli.toml import parse_toml
from hicmae_cli.weights.catalogue import CATALOGUE, check_form, locate_store, read_catalogue
from hicmae_cli.weights.sources import KINDS, parse_source

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
        sampling_rate: n, if the model samples every n-th frame.
        scores: that its authors state for the fold, by metric.
        sources: where the file is, best first; see `sources`.
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
    sampling_rate: int = Field(4, ge=1)
    scores: dict[str, float] = {}
    sources: tuple[str, ...]
    sha256: str = ""
    size_bytes: int = Field(0, ge=0)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        check_form(name)
        return name

    @field_validator("labels")
    @classmethod
    def _make_canonical(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(map(canonical_label, labels))
        if len(set(names)) != len(names):
            raise ValueError("expected distinct labels")
        return names

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
    bundled_names = {entry.name for entry in read_catalogue(bundled)}
    for path in ((bundled or find_bundled_dir()) / CATALOGUE, *([own] if own else ())):
        for entry in _read_tables(path):
            # Not after the loop: a message must name the file.
            name = _check_entry(entry, merged, bundled_names, path)
            known = merged.get(name, {})
            sources = [*entry.get("sources", ()), *known.get("sources", ())]
            merged[name] = {**known, **entry, "sources": list(dict.fromkeys(sources))}
    return {name: PublishedWeight.model_validate(entry) for name, entry in merged.items()}


def refuse_missing(name: str) -> NotPulledError:
    """Make the error for a weight that is in the catalogue, but not on this machine."""
    return NotPulledError(
        f"{name}: is in the catalogue, but not on this machine; fetch it with `hicmae weights pull {name}`"
    )


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


def _check_entry(
    entry: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], bundled: set[str], path: Path
) -> str:
    """Check an entry -> its name. One with a known name needs only what it changes.

    Raises:
        WeightsError: it is malformed; names the file, the entry and the field, but no source, which may be secret.
    """
    name = str(entry.get("name", "an entry without a name"))
    try:
        PublishedWeight.model_validate({**known.get(name, {}), **entry})
        for text in entry.get("sources", ()):
            parse_source(text)
    except ValidationError as error:
        reason = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise WeightsError(one_line(f"{path}: {name}: {reason}")) from error
    except SettingsError as error:
        raise WeightsError(one_line(f"{path}: {name}: sources: expected each as {KINDS}")) from error
    if name in bundled:
        raise WeightsError(one_line(f"{path}: {name}: a weight with this name ships with hicmae; choose another name"))
    return name
