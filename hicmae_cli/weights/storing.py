"""Write a weight into the user's store under a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from hicmae_cli.weights.catalogue import check_name, locate_store, locate_stored
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

ORIGIN = ".origin.json"
"""Suffix of the record of where a pulled weight came from; it takes the place of the weight's own."""
_LOCK = ".lock"


def lock_store(store: Path) -> FileLock:
    """Lock a folder of weights while a weight is put into it."""
    return FileLock(store / _LOCK)


def store_weight(name: str, suffix: str, write: Callable[[Path], object], *, force: bool) -> Path:
    """Write a weight into the user's store; files of a replaced weight are removed.

    Args:
        name: the new name.
        suffix: format of the file.
        write: writes the file at a path, whole or not at all.
        force: replace a weight of the same name.

    Returns:
        The file.

    Raises:
        WeightsError: the name is taken or not valid.
        OSError: the file cannot be written; names it.
    """
    check_name(name, force=force)
    target = locate_stored(name, suffix)
    target.parent.mkdir(parents=True, exist_ok=True)
    # If two processes store the same name, the second must find the first one's file.
    with lock_store(locate_store()):
        check_name(name, force=force)
        write(target)
        # Other formats of the replaced weight are another model, and its record is not true of this one.
        for other in (*WEIGHT_SUFFIXES, ORIGIN):
            if other != suffix:
                locate_stored(name, other).unlink(missing_ok=True)
    return target
