"""Read annotation files of datasets; their text may be anything, and every error names file and line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from hicmae_cli.errors import ManifestError, one_line

_SHOWN = 80  # characters of a faulty line


def make_fault(path: Path, line: int, reason: str) -> ManifestError:
    """Make the error for one line of a file."""
    return ManifestError(one_line(f"{path}, line {line}: {reason}"))


def quote(text: str) -> str:
    """Quote and shorten a piece of a file for a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the non-empty lines of a text file, stripped, with their numbers from 1.

    Raises:
        ManifestError: missing, unreadable, or not UTF-8; names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(one_line(f"{path}: cannot be read ({error.strerror})")) from error
    lines = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise make_fault(path, number, f"is not UTF-8 text ({error.reason})") from error
        if line:
            lines.append((number, line))
    return lines


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of a CSV file with a header, as text by column, with their line numbers.

    Args:
        path: the file.
        columns: columns that the header must contain.

    Raises:
        ManifestError: unreadable, a column is missing, or a row has another length.
    """
    lines = read_lines(path)
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    for number, line in lines:
        try:
            fields = [field.strip() for field in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise make_fault(path, number, f"is not a line of a CSV file ({error}): {quote(line)}") from error
        if not header:
            header = fields
            if absent := [column for column in columns if column not in header]:
                raise make_fault(path, number, f"the header lacks {', '.join(absent)}; got {quote(line)}")
        elif len(fields) != len(header):
            raise make_fault(path, number, f"expected {len(header)} columns, got {len(fields)}: {quote(line)}")
        else:
            rows.append((number, dict(zip(header, fields, strict=True))))
    if not header:
        raise ManifestError(one_line(f"{path}: is empty; expected a header with {', '.join(columns)}"))
    return rows


def is_safe(name: str) -> bool:
    """Return whether a name is a relative path that stays inside its folder on any system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return (
        bool(name)
        and name == posix.as_posix()
        and name != "."
        and not posix.is_absolute()
        and not windows.drive
        and "\\" not in name
        and ".." not in posix.parts
        and not any(part.startswith("~") for part in posix.parts)
        and name.isprintable()
    )


def check_clip_name(name: str, path: Path, line: int) -> str:
    """Return a name from an annotation file that becomes a path.

    Raises:
        ManifestError: it leads out of the dataset's folder, or cannot be a file name.
    """
    if not is_safe(name):
        raise make_fault(path, line, f"{quote(name)} leads out of the dataset's folder, or cannot be a file name")
    return name
