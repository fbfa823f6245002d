"""Files of clients on the disk: in a folder of this server alone, under names of our own, for as long as needed."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

from hicmae_cli.files import lock_file

_PREFIX: Final = "hicmae-serve-"
# A server that has just made its folder may not have locked it yet.
_SURELY_LOCKED_S: Final = 60.0


class Spool:
    """A private folder for uploads. It also removes what killed servers of the same user have left.

    Raises:
        OSError: the folder for temporary files (``TMPDIR``) cannot be written to.
    """

    def __init__(self) -> None:
        base = Path(tempfile.gettempdir())
        _remove_abandoned(base)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._lock = -1
        if sys.platform != "win32":
            # Of the folder itself: systemd-tmpfiles, which removes old files from /tmp, leaves such a folder alone.
            self._lock = os.open(self.folder, os.O_RDONLY)
            lock_file(self._lock)

    @contextmanager
    def make_path(self) -> Iterator[Path]:
        """Yield a path for a new file, and remove the file at the end. The name says nothing, not even a suffix."""
        path = self.folder / secrets.token_hex(16)
        try:
            yield path
        finally:
            # Windows cannot remove a file that a process still reads; `close` does.
            with suppress(PermissionError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder. Further calls do nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_abandoned(base: Path) -> None:
    """Remove the folders of servers that do not run any more: the system freed their locks."""
    if sys.platform == "win32":
        return
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                found = os.fstat(descriptor)
                if found.st_uid != os.getuid() or time.time() - found.st_mtime < _SURELY_LOCKED_S:
                    continue
                # Not lock_file, which ignores that a disk has no locks: there, a live server looks like a dead one.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
