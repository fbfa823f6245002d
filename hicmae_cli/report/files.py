"""Text files that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import HicmaeError
from hicmae_cli.files import write_atomically


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all.

    Raises:
        HicmaeError: the folder cannot be written to, or the path is one.
    """
    try:
        with write_atomically(path) as temporary:
            # A file name that is not UTF-8 comes out as the bytes it has on disk.
            temporary.write_text(text, "utf-8", "surrogateescape")
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder for results before the work that fills it.

    Raises:
        HicmaeError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be made a folder for results: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise HicmaeError(f"{path}: cannot be written to")


def to_json(document: dict[str, Any]) -> str:
    """A document as the commands print it: readable, full precision, no NaN."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def windows_csv(document: dict[str, Any]) -> str:
    """A predict document as a flat table, one row per window of every track."""
    labels = document["weights"]["labels"]
    lines = [_csv_line(["path", "track", "start_s", "end_s", "label", "face_coverage", "modality", *labels])]
    for file in document["files"]:
        for track in file["tracks"]:
            for w in track["windows"]:
                scores = [round(w["probabilities"][label], 6) for label in labels]
                row = [file["path"], track["id"], w["start_s"], w["end_s"], w["label"], w["face_coverage"]]
                lines.append(_csv_line([*row, w["modality"], *scores]))
    return "".join(lines)


def _csv_line(fields: Sequence[object]) -> str:
    """One row that ends in a line feed; a field with a carriage return is quoted, too, as RFC 4180 has it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(fields)
    return out.getvalue().removesuffix("\r\n") + "\n"


WRITERS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {"json": to_json, "csv": windows_csv}
"""Formats of ``predictions.<format>``, each made from the document of a whole run."""
