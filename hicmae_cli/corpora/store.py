"""A folder of prepared clips: where each lies, one writer at a time, nothing half-written left behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from hicmae_cli.errors import DiskError, ManifestError, one_line
from hicmae_cli.files import is_temporary, written_whole

_LOCK: Final = ".lock"
_HOLDS: Final = "dataset.txt"  # whose files a store is made of


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


def check_holds(store: Path, files_of: str) -> None:
    """Refuse a store of another dataset: two may give one id to different clips, and these would replace each other.

    Args:
        store: the folder; need not exist.
        files_of: ``Dataset.folder``, which datasets that differ only in labels share.

    Raises:
        ManifestError: it was claimed for other files; says what to do.
    """
    try:
        held = (store / _HOLDS).read_text("utf-8", "replace").strip()
    except OSError:
        return
    if held not in ("", files_of):
        raise ManifestError(
            one_line(f"{store}: holds clips of {held}, not of {files_of}; give {files_of} another --output")
        )


def claim(store: Path, files_of: str) -> None:
    """Note down whose files a store holds, before any of them is there; call it as its only writer.

    Raises:
        ManifestError: it holds those of another dataset.
        OSError: it cannot be written to.
    """
    check_holds(store, files_of)
    with written_whole(store / _HOLDS) as temporary:
        temporary.write_text(f"{files_of}\n", "utf-8")


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
            if is_temporary(name):
                (Path(inside) / name).unlink(missing_ok=True)
