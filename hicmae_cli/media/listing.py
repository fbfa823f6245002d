"""List the media files in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VIDEO_SUFFIXES: Final = frozenset(
    (
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    )
)
SOUND_SUFFIXES: Final = frozenset(
    (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")
)
PICTURE_SUFFIXES: Final = frozenset(
    (".avif", ".bmp", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | SOUND_SUFFIXES


@dataclass(frozen=True)
class Listing:
    """The contents of a folder at any depth; hidden files and folders are skipped.

    Attributes:
        files: regular files, sorted.
        links: symbolic links to files, sorted; these may point anywhere.
        unread: (folder, reason) of the folders that cannot be listed.
    """

    files: list[Path]
    links: list[Path]
    unread: list[tuple[str, str]]


def list_media(folder: Path, suffixes: Collection[str] = MEDIA_SUFFIXES, *, exclude: Path | None = None) -> Listing:
    """List the media files of a folder by their suffixes. Files are not opened.

    Args:
        folder: the folder, searched at any depth. Links to folders are not followed.
        suffixes: lower-case suffixes with their dot.
        exclude: a resolved folder to skip, such as that of the prepared clips.
    """
    listing = Listing([], [], [])

    def note(error: OSError) -> None:
        listing.unread.append((str(error.filename), str(error.strerror)))

    for inside, folders, names in os.walk(folder, onerror=note):
        here = Path(inside)
        folders[:] = [
            n for n in folders if not n.startswith(".") and (exclude is None or (here / n).resolve() != exclude)
        ]
        for name in names:
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in suffixes or not path.is_file():
                continue
            (listing.links if path.is_symlink() else listing.files).append(path)
    listing.files.sort()
    listing.links.sort()
    return listing
