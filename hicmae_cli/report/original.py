"""The file that a result was predicted from, which may be gone or changed when a report is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hicmae_cli.runtime.results import FileResult


def find_original(file: FileResult) -> Path:
    """Return where the file of a result is, or was.

    A relative path starts in the folder that it was predicted from. If it is not there, as after a move of all files
    together, it starts in the current one.
    """
    place = file.path if file.folder is None else file.folder / file.path
    return file.path if _measure(place) is None and _measure(file.path) is not None else place


def is_there(file: FileResult) -> bool:
    """Whether there is still a file, whatever its content."""
    return _measure(find_original(file)) is not None


def explain_loss(file: FileResult) -> str:
    """Return why the file of a result is not to be shown; nothing if it is there and as large as it was.

    Its size is compared, if it was recorded: a file that was edited seldom keeps it, and a hash of hours of video takes
    long.
    """
    size_bytes = _measure(find_original(file))
    if size_bytes is None:
        return "the file is not where it was"
    if file.size_bytes is not None and size_bytes != file.size_bytes:
        return "the file has changed since the prediction"
    return ""


def _measure(place: Path) -> int | None:
    """Return the bytes of a file; None if there is none, or if its name is one that no file has."""
    try:
        return place.stat().st_size if place.is_file() else None
    except (OSError, ValueError):
        return None
