"""What a user points at -> files to judge."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.errors import SettingsError
from hicmae_cli.media import VIDEO_SUFFIXES

MEDIA_SUFFIXES = VIDEO_SUFFIXES | {
    ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma",
}  # fmt: skip


def find_inputs(arguments: Sequence[str]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Expand files, folders (their media files, also in subfolders) and patterns, without repeats.

    A file that is named but missing is kept: predicting it says so, and the rest goes on.

    Returns:
        The files, and (argument, what is wrong) of those that give none.

    Raises:
        SettingsError: an empty argument, which would mean the whole working folder.
    """
    found: dict[Path, None] = {}
    faults: list[tuple[str, str]] = []
    for argument in arguments:
        if not argument:
            raise SettingsError("an input is empty: give a file, a folder or a pattern")
        path = Path(argument)
        inside: list[Path] = []
        try:
            if path.exists() or not glob.has_magic(argument):
                matches = [path]
            else:
                matches = sorted(map(Path, glob.glob(argument, recursive=True)))  # noqa: PTH207
            for match in matches:
                if match.is_dir():
                    media, unread = _media_in(match)
                    inside += media
                    faults += unread
                else:
                    inside.append(match)
        except OSError as error:  # too long a name, a folder that cannot be entered
            faults.append((argument, f"{argument}: {error.strerror}"))
            continue
        if not matches:
            faults.append((argument, f"{argument}: no file matches this pattern"))
        elif not inside and not any(Path(name).is_relative_to(path) for name, _ in faults):
            faults.append((argument, f"{argument}: no video or audio files in this folder"))
        found.update(dict.fromkeys(inside))
    return list(found), faults


def _media_in(folder: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """Media files at any depth, sorted, and (folder, what is wrong) of those that cannot be read."""
    faults: list[tuple[str, str]] = []

    def note(error: OSError) -> None:
        faults.append((error.filename, f"{error.filename}: {error.strerror}; the folder cannot be searched"))

    found = [
        Path(inside) / name
        for inside, _, names in os.walk(folder, onerror=note)
        for name in names
        if Path(name).suffix.lower() in MEDIA_SUFFIXES and (Path(inside) / name).is_file()
    ]
    return sorted(found), faults
