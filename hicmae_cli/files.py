"""Atomic writes: a file appears complete or not at all. Hashes of files, and pointers of Git LFS."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

LFS_START: Final = b"version https://git-lfs"
"""Start of the small text that Git LFS puts in the place of a large file."""
# By the specification of Git LFS.
_MOST_LFS_BYTES: Final = 1024
_TEMPORARY: Final = re.compile(r"\.hicmae-[0-9a-f]{16}(\.[^.]*)?")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file with the suffix of ``path``; it replaces ``path`` if the block succeeds.

    After an error the temporary is removed and ``path`` is unchanged. Missing folders are created. The temporary has a
    random name and is created exclusively, so a planted link is never followed. The first call for a folder removes the
    leftovers of killed processes from it.

    Raises:
        IsADirectoryError: ``path`` is a folder.
        OSError: ``path`` is a device, a pipe or a socket, or leads to one; the folder is not writable, or the disk is
            full; names ``path``.
    """
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(path.parent.absolute())
    temporary, descriptor = _create_temporary(path.parent, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary), temporary):
            # PyAV's errors are immutable.
            with suppress(AttributeError):
                error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def make_scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder, which is removed afterwards.

    Raises:
        OSError: the folder cannot be made, or the disk is full; names the folder if it would name no file.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = folder
            raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text as `write_atomically` does; a file name in it that is not UTF-8 keeps the bytes it has on disk.

    Raises:
        OSError: as `write_atomically`.
    """
    with write_atomically(path) as temporary:
        temporary.write_text(text, "utf-8", "surrogateescape")


def is_temporary(name: str) -> bool:
    """Whether a file name is that of a temporary of `write_atomically`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(folder: Path, *, recursive: bool = False) -> None:
    """Remove the temporaries of killed processes from a folder, if it exists.

    A process that writes has a lock on its temporary, and the system frees the lock when the process ends. Without
    such locks (Windows, some network disks) nothing is removed.

    Args:
        folder: the folder.
        recursive: search its subfolders, too. Links to folders are not followed.
    """
    for inside, _, names in os.walk(folder):
        for name in filter(is_temporary, names):
            _remove_unlocked(Path(inside, name))
        if not recursive:
            break


# Listing a folder of many files for each of them would take long.
_remove_leftovers_once = cache(remove_leftovers)


def _remove_unlocked(path: Path) -> None:
    if sys.platform == "win32":
        return
    # It is a link, or another process writes it or has removed it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _create_temporary(folder: Path, suffix: str) -> tuple[Path, int | None]:
    """Create an empty file -> its path, and a descriptor that keeps its lock until it is closed (None on Windows)."""
    while True:
        temporary = folder / f".hicmae-{secrets.token_hex(8)}{suffix}"
        # Not the module tempfile, which ignores the umask and gives its files the mode 0600.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if sys.platform == "win32":
            # Windows cannot rename an open file.
            os.close(descriptor)
            return temporary, None
        if lock_file(descriptor) and temporary.exists():
            return temporary, descriptor
        # Another process removed the file as a leftover before it was locked: try again.
        os.close(descriptor)


def lock_file(descriptor: int) -> bool:
    """Lock an open file -> False if another process has the lock."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # The disk has no locks, so remove_leftovers removes nothing from it.
            pass
    return True


def compute_sha256(path: Path, on_block: Callable[[], None] = lambda: None) -> str:
    """Compute the hash of a file in hexadecimal; ``on_block`` is called after each block of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            on_block()
    return digest.hexdigest()


def hash_lines(lines: Iterable[str]) -> str:
    """Compute the SHA-256 of lines in their order, in hexadecimal."""
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is a pointer of Git LFS to the real file; false if it cannot be read."""
    try:
        if path.stat().st_size >= _MOST_LFS_BYTES or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(LFS_START)) == LFS_START
    except (OSError, ValueError):
        return False
