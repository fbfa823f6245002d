"""What the file of a weight must be, what a pulled weight must be, and the lock while either is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from hicmae_cli.files import compute_sha256
from hicmae_cli.pulling.origins import Origin, find_first_use
from hicmae_cli.weights.catalogue import locate_store
from hicmae_cli.weights.published import PublishedWeight

DOWNLOADS: Final = ".downloads"
"""Folder in the store for files on their way."""
_SILENT_S: Final = 1.0


@dataclass(frozen=True)
class Expected:
    """What the file of a weight must be; empty and 0 if nothing is known of it yet.

    Attributes:
        sha256: its hash.
        size_bytes: its size.
        is_first_use: whether this is known from the first download, and not from the catalogue.
    """

    sha256: str = ""
    size_bytes: int = 0
    is_first_use: bool = False

    def explain(self, name: str, store: Path) -> str:
        """Return the end of a message: how to accept another file."""
        if not self.is_first_use:
            return ""
        return (
            ", as when it was first pulled here; if its authors have replaced it, forget the first one with "
            f"`{advise_removal(name, store)} --forget`"
        )


def advise_removal(name: str, store: Path) -> str:
    """Return the command that removes a weight from a folder of weights."""
    home = "" if store == locate_store() else f"HICMAE_HOME={store.parent} "
    return f"{home}hicmae weights remove {name}"


def find_expected(entry: PublishedWeight, store: Path | None = None) -> Expected:
    """Find what the file of a weight must be, by the catalogue, or by the first download to this machine.

    Args:
        entry: of the catalogue.
        store: folder of the weights, other than the user's own, in which it may have been pulled first.

    Raises:
        WeightsError: the record of first downloads is damaged.
    """
    if entry.sha256:
        return Expected(entry.sha256, entry.size_bytes)
    for folder in dict.fromkeys(filter(None, (locate_store(), store))):
        if first := find_first_use(folder, entry.name):
            return Expected(first.sha256, first.size_bytes, is_first_use=True)
    return Expected("", entry.size_bytes)


def find_change(target: Path, origin: Origin, expected: Expected) -> str:
    """Find what is wrong with a weight that was pulled; empty if nothing is."""
    if compute_sha256(target) != origin.stored_sha256:
        return "has changed since it was pulled"
    if expected.sha256 and origin.sha256 != expected.sha256:
        return f"was made of a file with the sha256 {origin.sha256[:12]}…, expected {expected.sha256[:12]}…"
    return ""


@contextmanager
def lock_weight(store: Path, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until no other process pulls or removes a weight, and keep others from it.

    Args:
        store: folder of the weights.
        name: of the weight.
        on_wait: called once if the wait takes more than a second.
    """
    (store / DOWNLOADS).mkdir(parents=True, exist_ok=True)
    lock = FileLock(store / DOWNLOADS / f"{name}.lock")
    try:
        lock.acquire(timeout=_SILENT_S)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
