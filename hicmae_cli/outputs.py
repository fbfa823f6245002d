"""Which files of a folder hicmae wrote, so that no other file is replaced, and none of ours is taken for an input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from hicmae_cli.files import compute_sha256, write_text_atomically

_RECORD: Final = ".hicmae-outputs.json"
_LONGEST_BYTES: Final = 64 * 2**20
"""A larger record is not ours."""


class Output(NamedTuple):
    """What is known of a file that hicmae wrote.

    Attributes:
        sha256: its hash.
        made_from: hash of what it was made from; empty if that is unknown.
    """

    sha256: str
    made_from: str = ""


def read_outputs(folder: Path) -> dict[str, Output]:
    """Read the names of the files that hicmae wrote to a folder, with what it knows of them."""
    path = folder / _RECORD
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    # A record of an earlier version has hashes alone.
    listed = {name: [value] if isinstance(value, str) else value for name, value in found.items()}
    return {
        name: Output(*value)
        for name, value in listed.items()
        if isinstance(value, list) and len(value) in (1, 2) and all(isinstance(each, str) for each in value)
    }


def may_replace(path: Path, outputs: Mapping[str, Output]) -> bool:
    """Whether a path is free, or holds what hicmae wrote there, unchanged.

    Args:
        path: the path.
        outputs: what `read_outputs` found in its folder.
    """
    try:
        if not path.exists() and not path.is_symlink():
            return True
        return path.name in outputs and compute_sha256(path) == outputs[path.name].sha256
    except (OSError, ValueError):
        return False


def write_outputs(folder: Path, outputs: Mapping[str, Output]) -> None:
    """Write the record of a folder.

    Raises:
        OSError: it cannot be written.
    """
    lines = [f" {json.dumps(name)}: {json.dumps(output)}" for name, output in sorted(outputs.items())]
    write_text_atomically(folder / _RECORD, "{\n" + ",\n".join(lines) + "\n}\n")
