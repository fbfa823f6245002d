"""Where a pulled weight came from, and the hash that its file had at first: both are kept beside the weights."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import write_text_atomically
from hicmae_cli.weights.storing import ORIGIN

FIRST_USE: Final = "first-use.json"
"""The file of the first hashes, in the folder of the weights."""


class Origin(BaseModel):
    """How a weight came here; ``NAME.origin.json`` beside its file.

    Attributes:
        name: of the weight.
        source: where the file was fetched, as the catalogue has it.
        sha256: of the file that was fetched.
        size_bytes: of the same.
        fetched_at: when, in UTC (ISO 8601).
        licence: as the catalogue stated it then.
        citation: the work to cite.
        stored_sha256: hash of the file that was made of it, which hicmae loads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    sha256: str
    size_bytes: int
    fetched_at: str
    licence: str
    citation: str = ""
    stored_sha256: str


class FirstUse(BaseModel):
    """The hash of a file when it was first fetched, for files whose hash nobody has published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size_bytes: int
    source: str
    at: str


_RECORDS: Final = TypeAdapter(dict[str, FirstUse])


def now() -> str:
    """Return the time in UTC (ISO 8601), to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def locate_origin(weight: Path) -> Path:
    """Locate the record beside the file of a weight."""
    return weight.with_suffix(ORIGIN)


def read_origin(weight: Path) -> Origin | None:
    """Read how a weight came here; None if it was not pulled, or the record is damaged."""
    try:
        return Origin.model_validate_json(locate_origin(weight).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_origin(weight: Path, origin: Origin) -> None:
    """Write the record of a weight."""
    write_text_atomically(locate_origin(weight), origin.model_dump_json(indent=2) + "\n")


def find_first_use(store: Path, name: str) -> FirstUse | None:
    """Find the hash that a weight's file had when it was first fetched.

    Args:
        store: the folder of the weights.
        name: of the weight.

    Raises:
        WeightsError: the record is damaged.
    """
    return _read_first_uses(store).get(name)


def record_first_use(store: Path, name: str, sha256: str, size_bytes: int, source: str) -> None:
    """Record the hash of a file that was fetched for the first time; a later call for the name changes nothing.

    Args:
        store: the folder of the weights.
        name: of the weight.
        sha256: of the file.
        size_bytes: of the file.
        source: where it was fetched.

    Raises:
        WeightsError: the record is damaged.
    """
    with _lock(store):
        known = _read_first_uses(store)
        if name not in known:
            known[name] = FirstUse(sha256=sha256, size_bytes=size_bytes, source=source, at=now())
            _write_first_uses(store, known)


def forget_first_use(store: Path, name: str) -> bool:
    """Forget the hash that a weight's file had at first -> whether there was one.

    Raises:
        WeightsError: the record is damaged.
    """
    if not store.is_dir():
        return False
    with _lock(store):
        known = _read_first_uses(store)
        if known.pop(name, None) is None:
            return False
        _write_first_uses(store, known)
    return True


def _lock(store: Path) -> FileLock:
    return FileLock(store / f".{FIRST_USE}.lock")


def _write_first_uses(store: Path, known: dict[str, FirstUse]) -> None:
    write_text_atomically(store / FIRST_USE, _RECORDS.dump_json(known, indent=2).decode() + "\n")


def _read_first_uses(store: Path) -> dict[str, FirstUse]:
    path = store / FIRST_USE
    try:
        return _RECORDS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise WeightsError(
            f"{path}: the record of first hashes is damaged; move it away, and check the weights that you pull again"
        ) from error
