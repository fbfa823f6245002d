"""Uploads leave the disk in any case."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

import pytest

from hicmae_cli.serving.spool import Spool

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_file_is_removed_after_an_error_and_the_folder_at_the_end() -> None:
    spool = Spool()
    assert spool.folder.stat().st_mode & 0o77 == 0
    with pytest.raises(ValueError), spool.make_path() as path:
        path.write_bytes(b"film")
        raise ValueError
    assert not path.exists()
    with spool.make_path():  # never written
        pass
    (spool.folder / "left").touch()
    spool.close()
    spool.close()
    assert not spool.folder.exists()


def test_folders_of_servers_that_run_and_of_others_stay(base: Path) -> None:
    running, killed = Spool(), Spool()
    os.close(killed._lock)
    new = Spool()
    os.close(new._lock)
    (base / "precious").mkdir()
    (base / "precious" / "file").touch()
    (base / "hicmae-serve-link").symlink_to(base / "precious", target_is_directory=True)
    for folder in (running.folder, killed.folder, base / "precious"):
        os.utime(folder, (0, 0))
    Spool().close()
    assert running.folder.exists() and new.folder.exists()
    assert not killed.folder.exists()
    assert (base / "precious" / "file").exists()


def test_on_a_disk_without_locks_nothing_of_others_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    running = Spool()
    os.utime(running.folder, (0, 0))
    Spool().close()
    assert running.folder.exists()
    running.close()
