"""The folder of a run: checkpoints that appear whole, the lines of its log, and whether it is the same run.

A checkpoint is a file of tensors and plain values, read without running any pickled code.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from hicmae_cli.errors import SettingsError, TrainingError, first_line
from hicmae_cli.files import written_whole

_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, OSError)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all, and make sure that it is on the disk.

    Raises:
        TrainingError: it cannot be written, as on a full disk; what ``path`` held before is untouched.
    """
    try:
        with written_whole(path) as temporary:
            torch.save(dict(state), temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch's writer tells a full disk by a RuntimeError
        raise TrainingError(
            f"{path}: the checkpoint cannot be written ({first_line(error)}); earlier ones are untouched. Make room "
            "and give the same command again"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code it carries.

    Raises:
        TrainingError: damaged, or not a checkpoint.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["facts"] = json.loads(checkpoint["facts"])
    except _UNREADABLE as error:
        raise TrainingError(
            f"{path}: cannot be read; choose another --output or remove the folder"
        ) from error
    assert isinstance(checkpoint, dict)
    return checkpoint


def step_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after so many steps lies."""
    return folder / f"step-{step:08d}.pt"


def newest_checkpoint(folder: Path, *, clean: bool) -> tuple[dict[str, Any], list[Path]] | None:
    """The latest checkpoint of a run that can be read -> it, and the damaged ones that were passed over.

    What a killed process left half-written has another name, and is removed with ``clean``.

    Raises:
        TrainingError: there are checkpoints, but none can be read.
    """
    for remains in folder.glob(".step-*.pt") if clean else ():
        remains.unlink()
    damaged: list[Path] = []
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            return read_checkpoint(path), damaged
        except TrainingError:  # noqa: PERF203 (there are two or three)
            damaged.append(path)
    if damaged:
        raise TrainingError(
            f"{folder}: none of its {len(damaged)} checkpoints can be read; choose another --output or remove the "
            "folder"
        )
    return None


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Remove all but the last so many."""
    for path in sorted(folder.glob("step-*.pt"))[:-keep]:
        path.unlink()


def fingerprint(lines: Iterable[str]) -> str:
    """Short hash of what a run learns from, whatever folder it lies in."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def check_same_run(
    run: Path, before: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    """Make sure that a folder is resumed by the run it belongs to.

    Args:
        run: the folder.
        before: what decided its numbers.
        now: what decides those of this run.
        defaults: of settings that either may lack, since another version of the program wrote it.

    Raises:
        SettingsError: names everything that differs.
    """
    known, wanted = {**defaults, **before}, {**defaults, **now}
    changed = [
        f"{key} {known.get(key)} -> {wanted.get(key)}"
        for key in dict.fromkeys((*now, *before))
        if known.get(key) != wanted.get(key)
    ]
    if changed:
        raise SettingsError(
            f"{run}: holds a run with other settings ({', '.join(changed)}); choose another --output"
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a JSON log; a last one that was cut off is left out, and no file is no lines."""
    lines = []
    for text in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:  # noqa: PERF203 (it ends the loop)
            break
    return lines
