"""A folder of prepared clips: where each lies, one writer at a time, nothing half-written left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from hicmae_cli.errors import DiskError, ManifestError

_LOCK: Final = ".lock"
_TEMPORARY: Final = re.compile(r"\..*\.\d+\.(mkv|csv|jsonl|png)")  # as `files.written_whole` names them


def path_in(folder: Path, id_: str, suffix: str = ".mkv") -> Path:
    """Where the file of an id lies in a folder.

    Raises:
        ManifestError: the id leads out of the folder, or is no name for a file.
    """
    parts = PurePosixPath(id_).parts
    path = folder / f"{id_}{suffix}"
    # A name that is not UTF-8 has its bytes as surrogates; other characters that do not print would break lines.
    printable = all(character.isprintable() or "\udc80" <= character <= "\udcff" for character in id_)
    plain = bool(parts) and "/".join(parts) == id_ and not any(part.startswith(".") for part in parts)
    if not printable or not plain or not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(
            f"clip {id_!r}: its id must be a plain relative path, without hidden parts, inside {folder}"
        )
    return path


@contextmanager
def only_writer(store: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Make a store and be the only one to write to it, from a start without other processes' remains to an end without.

    Args:
        store: the folder.
        on_wait: called when another process writes to it, whose end is then waited for.

    Raises:
        DiskError: the folder cannot be made or written to, or what is done meanwhile cannot.
    """
    lock = FileLock(store / _LOCK)
    try:
        store.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
    except OSError as error:
        raise DiskError(
            f"{store}: cannot be written to ({error.strerror or error}); choose another folder for prepared clips"
        ) from error
    try:
        _remove_temporaries(store)
        yield
    except OSError as error:  # of a list or the journal; those of clips have been told apart
        raise DiskError(
            f"{error.filename or store}: cannot be written ({error.strerror or error}); check the folder and its space"
        ) from error
    finally:
        _remove_temporaries(store)
        lock.release()


def _remove_temporaries(store: Path) -> None:
    """Remove what killed processes were writing; nobody else writes while the lock is held."""
    for inside, _, names in os.walk(store):
        for name in names:
            if _TEMPORARY.fullmatch(name):
                (Path(inside) / name).unlink(missing_ok=True)
