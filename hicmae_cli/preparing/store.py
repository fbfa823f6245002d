"""Manage a folder of prepared clips: a path for each clip, one writer at a time, no half-written files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from hicmae_cli.errors import DiskError, ManifestError, one_line
from hicmae_cli.files import remove_leftovers, write_text_atomically

_LOCK: Final = ".lock"
_HOLDS: Final = "dataset.txt"  # the name of the dataset that the store was made from


def path_in(folder: Path, id_: str, suffix: str = ".mkv") -> Path:
    """Return the path of an id's file in a folder.

    Raises:
        ManifestError: the id leads out of the folder, or cannot be a file name.
    """
    parts = PurePosixPath(id_).parts
    path = folder / f"{id_}{suffix}"
    # Surrogates stand for the bytes of a name that is not UTF-8; other unprintable characters would break lines.
    printable = all(character.isprintable() or "\udc80" <= character <= "\udcff" for character in id_)
    plain = bool(parts) and "/".join(parts) == id_ and not any(part.startswith(".") for part in parts)
    if not printable or not plain or not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(
            f"clip {id_!r}: expected as its id a plain relative path without hidden parts, inside {folder}"
        )
    return path


def check_holds(store: Path, files_of: str) -> None:
    """Refuse a store of another dataset: two datasets may use the same id, and one clip would replace the other.

    Args:
        store: the folder; need not exist.
        files_of: ``Dataset.folder``; datasets that differ only in labels share it.

    Raises:
        ManifestError: the store holds another dataset; says what to do.
    """
    try:
        held = (store / _HOLDS).read_text("utf-8", "replace").strip()
    except OSError:
        return
    if held not in ("", files_of):
        raise ManifestError(
            one_line(f"{store}: holds clips of {held}, not of {files_of}; choose another output folder (output=...)")
        )


def claim(store: Path, files_of: str) -> None:
    """Write the dataset's name into a store before the first clip; call it inside `only_writer`.

    Raises:
        ManifestError: the store holds another dataset.
        OSError: the store cannot be written.
    """
    check_holds(store, files_of)
    write_text_atomically(store / _HOLDS, f"{files_of}\n")


@contextmanager
def only_writer(store: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Create a store and lock it for this process; remove half-written files at the start and at the end.

    Args:
        store: the folder.
        on_wait: called before waiting, if another process holds the lock.

    Raises:
        DiskError: the folder cannot be created or written, or the block raised an ``OSError``.
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
            f"{store}: cannot be written ({error.strerror or error}); choose another folder for prepared clips"
        ) from error
    try:
        remove_leftovers(store, recursive=True)
        yield
    except OSError as error:  # from a list or the journal; faults of single clips are handled earlier
        raise DiskError(
            f"{error.filename or store}: cannot be written ({error.strerror or error}); check the folder and its space"
        ) from error
    finally:
        remove_leftovers(store, recursive=True)
        lock.release()
