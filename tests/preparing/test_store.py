"""A folder of prepared clips."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hicmae_cli.errors import DiskError, ManifestError
from hicmae_cli.preparing.store import only_writer, path_in

pieces = st.sampled_from([*"ab./\\~ \n\0é", "..", "../", "\udc80", "\u2028"])
ids = st.lists(pieces, max_size=8).map("".join)


@given(id_=ids)
@example(id_="ok/1.2")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_id_its_file_is_inside(tmp_path: Path, id_: str) -> None:
    try:
        path = path_in(tmp_path, id_)
    except ManifestError as error:
        assert repr(id_)[1:-1] in str(error)
        return
    inside = path.resolve().relative_to(tmp_path.resolve())
    assert inside.as_posix() == f"{id_}.mkv"
    assert not any(part.startswith(".") for part in inside.parts)


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    said = r"list.csv: cannot be written \(No space left on device\); check"
    with pytest.raises(DiskError, match=said), only_writer(tmp_path, pytest.fail):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "list.csv")


def test_remains_go_and_everything_else_stays(tmp_path: Path) -> None:
    random = ".hicmae-0123456789abcdef"
    kept = ["clips/a.mkv", "clips/b.12.mkv", ".a.mkv", "toy.csv", f"clips/{random[:-1]}.mkv"]
    for name in (
        *kept,
        f"clips/{random}.mkv",
        f"{random}.csv",
        f"{random}.jsonl",
        f"{random}.png",
        f"clips/s/{random}.mkv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(KeyboardInterrupt), only_writer(tmp_path, pytest.fail):
        (tmp_path / "clips" / f"{random}.mkv").touch()
        raise KeyboardInterrupt
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*kept, ".lock"}
    with FileLock(tmp_path / ".lock", timeout=0):
        pass  # it was given back
