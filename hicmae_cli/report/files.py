"""Text files that appear whole or not at all, the folders for them, and their formats CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import HicmaeError
from hicmae_cli.files import write_text_atomically

# Safe on any document: inside a JSON string, a line break is written as an escape.
_BROKEN_LIST: Final = re.compile(r'\[\n\s+([-\d][^\[\]{}"]*?)\n\s+\]')


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all.

    Raises:
        HicmaeError: the folder cannot be written to, or the path is a folder.
    """
    try:
        write_text_atomically(path, text)
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
    text = json.dumps(document, indent=2, allow_nan=False)
    return _BROKEN_LIST.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text) + "\n"
