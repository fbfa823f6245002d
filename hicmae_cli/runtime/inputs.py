"""From the arguments of a command to the files to predict."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hicmae_cli.errors import SettingsError
from hicmae_cli.media import MEDIA_SUFFIXES, PICTURE_SUFFIXES, list_media
from hicmae_cli.outputs import read_outputs


def start_of(path: Path) -> Path | None:
    """Return the folder that a relative path starts from now; None for an absolute path, which needs none."""
    return None if path.is_absolute() else Path.cwd()


def find_inputs(arguments: Sequence[str]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Expand files, folders (their videos, sounds and photographs, also in subfolders) and patterns, without repeats.

    A missing file that is named is kept: its prediction fails, and the others are done. Pictures and videos that an
    earlier prediction wrote into a folder are no inputs.

    Returns:
        The files, and (argument, message) for every argument without a file.

    Raises:
        SettingsError: an empty argument, which would mean the whole working folder.
    """
    found: dict[Path, None] = {}
    read = cache(read_outputs)

    def is_output(path: Path) -> bool:
        return path.name in read(path.parent)

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
                    listing = list_media(match, MEDIA_SUFFIXES | PICTURE_SUFFIXES)
                    inside += sorted(path for path in listing.files + listing.links if not is_output(path))
                    faults += [(name, f"{name}: {why}; the folder cannot be searched") for name, why in listing.unread]
                else:
                    inside.append(match)
        except OSError as error:  # too long a name, a folder that cannot be entered
            faults.append((argument, f"{argument}: {error.strerror}"))
            continue
        if not matches:
            faults.append((argument, f"{argument}: no file matches this pattern"))
        elif not inside and not any(Path(name).is_relative_to(path) for name, _ in faults):
            faults.append((argument, f"{argument}: no videos, sounds or photographs in this folder"))
        found.update(dict.fromkeys(inside))
    return list(found), faults
