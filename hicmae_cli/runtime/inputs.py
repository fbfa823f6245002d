"""What a user points at -> files to judge."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.errors import MediaError

MEDIA_SUFFIXES = frozenset(
    [
        ".3gp", ".aac", ".aif", ".aiff", ".asf", ".avi", ".flac", ".flv", ".m2ts", ".m4a",
        ".m4v", ".mka", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf",
        ".oga", ".ogg", ".ogv", ".opus", ".ts", ".wav", ".webm", ".wma", ".wmv",
    ]
)  # fmt: skip


def find_inputs(arguments: Sequence[str]) -> list[Path]:
    """Expand files, folders (their media files, also in subfolders) and patterns, without repeats.

    A file that is named but missing is kept: predicting it says so, and the rest goes on.

    Raises:
        MediaError: a folder or a pattern that holds no media at all.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES and p.is_file())
            if not inside:
                raise MediaError(f"{path}: no video or audio files in this folder")
        elif not path.exists() and glob.has_magic(argument):
            inside = sorted(p for p in map(Path, glob.glob(argument, recursive=True)) if p.is_file())  # noqa: PTH207
            if not inside:
                raise MediaError(f"{argument}: no file matches this pattern")
        else:
            inside = [path]
        found.update(dict.fromkeys(inside))
    return list(found)
