"""Annotation files of datasets, as text that may be anything: what is wrong is told with file and line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from hicmae_cli.errors import ManifestError, one_line

_SHOWN = 80  # characters of a faulty line


def fault(path: Path, line: int, reason: str) -> ManifestError:
    """The error for one line of a file."""
    return ManifestError(one_line(f"{path}, line {line}: {reason}"))


def shown(text: str) -> str:
    """A piece of a file as it can stand in a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that hold something, stripped, with their numbers from 1.

    Raises:
        ManifestError: not there, not readable, or not UTF-8; says in which line.
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
            raise fault(path, number, f"is not UTF-8 text ({error.reason})") from error
        if line:
            lines.append((number, line))
    return lines


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, as texts by column, with the numbers of their lines.

    Args:
        path: the file.
        columns: what its header must hold, among others.

    Raises:
        ManifestError: not readable, no such columns, or a row of another length.
    """
    lines = read_lines(path)
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    for number, line in lines:
        try:
            fields = [field.strip() for field in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise fault(path, number, f"is not a line of a CSV file ({error}): {shown(line)}") from error
        if not header:
            header = fields
            if absent := [column for column in columns if column not in header]:
                raise fault(path, number, f"the header lacks {', '.join(absent)}; it is {shown(line)}")
        elif len(fields) != len(header):
            raise fault(path, number, f"expected {len(header)} columns, got {len(fields)}: {shown(line)}")
        else:
            rows.append((number, dict(zip(header, fields, strict=True))))
    if not header:
        raise ManifestError(one_line(f"{path}: is empty; expected a header with {', '.join(columns)}"))
    return rows


def is_safe(name: str) -> bool:
    """Whether a name can be a relative path that stays where it is put, on any system."""
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


def check_name(name: str, path: Path, line: int) -> str:
    """A name out of an annotation file that becomes a path.

    Raises:
        ManifestError: it would lead out of the dataset's folder, or is no name of a file.
    """
    if not is_safe(name):
        raise fault(path, line, f"{shown(name)} leads out of the dataset's folder, or is no file name")
    return name
