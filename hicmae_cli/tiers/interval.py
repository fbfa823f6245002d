"""What an annotation file holds: labelled intervals, and the names of the media they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from hicmae_cli.errors import ManifestError, one_line

MAX_BYTES: Final = 64 << 20
"""A larger annotation file is refused; an hour of intervals takes less than a megabyte."""
_SHOWN: Final = 80  # characters of a faulty piece


@dataclass(frozen=True)
class Interval:
    """A labelled stretch of time.

    Attributes:
        start_s: start on the clock of the media file; may be negative or after the end, as the file says.
        end_s: its end; equal to the start for a point.
        text: what the annotator wrote, stripped; not empty.
        tier: the tier that holds it; in BORIS, the subject.
        person: whom the tier is about (ELAN's participant, the subject of BORIS); empty if the file does not say.
        parent: the tier above it; empty if there is none.
    """

    start_s: float
    end_s: float
    text: str
    tier: str
    person: str = ""
    parent: str = ""


@dataclass(frozen=True)
class AnnotationFile:
    """The content of one annotation file.

    Attributes:
        intervals: in the order of the file.
        media: file names of the media that it links, without their folders.
        untimed: number of annotations without a start or an end.
    """

    intervals: tuple[Interval, ...]
    media: tuple[str, ...] = ()
    untimed: int = 0


def read_bytes(path: Path) -> bytes:
    """Read a small file whole.

    Raises:
        ManifestError: unreadable, no regular file, or larger than `MAX_BYTES`.
    """
    try:
        if not path.is_file():
            raise ManifestError(one_line(f"{path}: is no regular file"))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(one_line(f"{path}: cannot be read ({error.strerror})")) from error
    if len(data) > MAX_BYTES:
        raise ManifestError(one_line(f"{path}: is larger than {MAX_BYTES >> 20} MiB, which no annotation file needs"))
    return data


def read_text(path: Path) -> str:
    """Read a small file as text: UTF-8, or UTF-16 with its mark.

    Raises:
        ManifestError: as `read_bytes`, or neither UTF-8 nor UTF-16.
    """
    data = read_bytes(path)
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(one_line(f"{path}: is not UTF-8 or UTF-16 text ({error.reason}); save it as UTF-8")) from (
            error
        )


def make_fault(path: Path, line: int, reason: str) -> ManifestError:
    """Make the error for one line of a file."""
    return ManifestError(one_line(f"{path}, line {line}: {reason}"))


def quote(text: str) -> str:
    """Quote and shorten a piece of a file for a message."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def name_of(link: str) -> str:
    """Return the file name at the end of a path or an address, in any system's style; nothing else of it is used."""
    return PureWindowsPath(PurePosixPath(link).name).name
