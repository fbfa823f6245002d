from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hicmae_cli.files import compute_sha256, is_temporary, make_scratch_folder, remove_leftovers, write_atomically


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with write_atomically(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_after_an_error_nothing_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="the disk is full"), write_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("the disk is full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError, match=r"it is a folder: .*a\.txt"), write_atomically(tmp_path / "a.txt"):
        pytest.fail("the block was entered")


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with write_atomically(tmp_path / "a") as temporary:
            temporary.write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "a").write_bytes(content)
    assert compute_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_temporaries_are_new_files_under_names_that_cannot_be_guessed(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with write_atomically(tmp_path / "a.txt") as temporary:
            assert temporary.is_file() and not temporary.is_symlink()
            assert is_temporary(temporary.name)
            names.add(temporary.name)
    assert len(names) == 20


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    guessed, free = "0" * 16, "1" * 16
    monkeypatch.setattr("secrets.token_hex", lambda _: guessed)
    (tmp_path / f".hicmae-{guessed}.txt").symlink_to(victim)
    with pytest.raises(FileExistsError), write_atomically(tmp_path / "a.txt"):
        pytest.fail("the block was entered")
    monkeypatch.setattr("secrets.token_hex", lambda _: free)
    with write_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.txt").is_symlink()


def test_the_name_a_file_had_in_the_past_is_not_taken(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".a.{os.getpid()}.txt").symlink_to(victim)
    with write_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.txt").is_symlink()


KILLED = """
import os, signal, sys
from pathlib import Path
from hicmae_cli.files import write_atomically
with write_atomically(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITES = "import sys; from pathlib import Path; from hicmae_cli.files import write_atomically\n"
WRITES += "with write_atomically(Path(sys.argv[1])) as temporary: temporary.write_bytes(b'whole')"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_what_a_killed_process_left_goes_with_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    subprocess.run([sys.executable, "-c", WRITES, path], check=True)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"whole"


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with write_atomically(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        remove_leftovers(tmp_path)
        subprocess.run([sys.executable, "-c", WRITES, tmp_path / "a.txt"], check=True)
        assert temporary.read_text() == "half"
    assert (tmp_path / "a.txt").read_text() == "half"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_leftovers_in_folders_go_when_asked_for(tmp_path: Path) -> None:
    name = ".hicmae-0123456789abcdef.txt"
    (tmp_path / "outside").mkdir()
    (tmp_path / "store/a/b").mkdir(parents=True)
    (tmp_path / "store/link").symlink_to(tmp_path / "outside")
    paths = [tmp_path / folder / name for folder in ("store", "store/a/b", "outside")]
    for path in paths:
        path.touch()
    remove_leftovers(tmp_path / "store")
    assert [path.exists() for path in paths] == [False, True, True]
    with write_atomically(tmp_path / "store/a/c.txt") as temporary:
        remove_leftovers(tmp_path / "store", recursive=True)
        assert temporary.exists()
    assert [path.exists() for path in paths] == [False, False, True]
    remove_leftovers(tmp_path / "missing", recursive=True)


def test_only_our_temporaries_are_removed(tmp_path: Path) -> None:
    kept = [".hicmae-1.txt", "hicmae-0123456789abcdef.txt", ".hicmae-0123456789abcdef.tar.gz", ".a"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / ".hicmae-0123456789abcdef").touch()
    (tmp_path / ".hicmae-fedcba9876543210.txt").symlink_to(tmp_path / ".a")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, ".hicmae-fedcba9876543210.txt"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_full_disk_is_named_with_the_file_that_was_asked_for(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large") as caught, write_atomically(tmp_path / "a") as temporary:
            temporary.write_bytes(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_without_a_file_names_the_scratch_folder() -> None:
    with pytest.raises(OSError, match="full") as caught, make_scratch_folder() as folder:
        (folder / "a").write_bytes(b"a")
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.filename == str(folder) and not folder.exists()
    with pytest.raises(OSError, match="gone") as caught, make_scratch_folder():
        raise FileNotFoundError(errno.ENOENT, "gone", "elsewhere")
    assert caught.value.filename == "elsewhere"


def test_an_error_about_the_temporary_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone") as caught, write_atomically(tmp_path / "a") as temporary:
        raise FileNotFoundError(errno.ENOENT, "gone", str(temporary))
    assert caught.value.filename == str(tmp_path / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes and links")
def test_a_pipe_or_a_socket_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match=f"not a regular file: .*{name}"), write_atomically(tmp_path / name):
            pytest.fail("nothing is to be written")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()
    (tmp_path / "mine").write_text("old")
    (tmp_path / "alias").symlink_to(tmp_path / "mine")
    with write_atomically(tmp_path / "alias") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "alias").read_text() == "new"
