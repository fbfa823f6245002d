"""Text files that appear whole or not at all, the folders for them, and their formats CSV and JSON."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hicmae_cli.errors import HicmaeError
from hicmae_cli.files import write_atomically, write_text_atomically
from hicmae_cli.json_text import stream_json


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all.

    Raises:
        HicmaeError: the folder cannot be written to, or the path is a folder.
    """
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror}") from error


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Write the pieces of a text one after the other, whole or not at all.

    Raises:
        HicmaeError: as `write_text`.
    """
    try:
        with (
            write_atomically(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape") as file,
        ):
            file.writelines(pieces)
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder for results, unless it exists. Call it before the work that fills the folder.

    Raises:
        HicmaeError: it cannot be made, or cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be made a folder for results: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise HicmaeError(f"{path}: cannot be written to")


def to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Format rows as CSV, with line feeds; None is an empty cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def to_json(document: dict[str, Any]) -> str:
    """Format a document as the commands print it: indented, lists of numbers on one line, full precision, no NaN."""
    return "".join(stream_json(document))
