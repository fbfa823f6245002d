"""Which files of a folder hicmae wrote, so that no other file is replaced, and none of ours is taken for an input."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from hicmae_cli.files import compute_sha256, write_text_atomically

_RECORD: Final = ".hicmae-outputs.json"
_LONGEST_BYTES: Final = 64 * 2**20
"""A larger record is not ours."""


def read_outputs(folder: Path) -> dict[str, str]:
    """Read the names of the files that hicmae wrote to a folder, and their SHA-256; nothing if it wrote none."""
    path = folder / _RECORD
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: sha256 for name, sha256 in found.items() if isinstance(name, str) and isinstance(sha256, str)}


def may_replace(path: Path, outputs: Mapping[str, str]) -> bool:
    """Whether a path is free, or holds what hicmae wrote there, unchanged.

    Args:
        path: the path.
        outputs: what `read_outputs` found in its folder.
    """
    try:
        if not path.exists() and not path.is_symlink():
            return True
        return path.name in outputs and compute_sha256(path) == outputs[path.name]
    except (OSError, ValueError):
        return False


def note_outputs(folder: Path, outputs: Mapping[str, str], written: Iterable[Path]) -> None:
    """Add files that were written to the record of their folder.

    Args:
        folder: the folder.
        outputs: what `read_outputs` found in it.
        written: the files.

    Raises:
        OSError: the record cannot be written.
    """
    found = {**outputs, **{path.name: compute_sha256(path) for path in written}}
    kept = {name: sha256 for name, sha256 in sorted(found.items()) if (folder / name).exists()}
    write_text_atomically(folder / _RECORD, json.dumps(kept, indent=1) + "\n")
