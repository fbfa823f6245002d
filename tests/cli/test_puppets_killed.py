"""``hicmae puppets make`` killed at any moment."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.cli.killing import end, linux_only, start


def finished(folder: Path) -> dict[str, bytes]:
    """Clips under their final names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.mkv")
        if not path.name.startswith(".")
    }


@linux_only
@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    sizes = ("--train", 24, "--validation", 6, "--test", 6, "--seed", 3, "--workers", 2)
    rng = random.Random(0)
    kept: dict[str, bytes] = {}
    for _ in range(20):
        process = start("puppets", "make", tmp_path / "killed", *sizes)
        time.sleep(rng.uniform(0.1, 6.0))
        end(process, rng.choice([signal.SIGKILL, signal.SIGINT]))
        now = finished(tmp_path / "killed")
        assert kept.items() <= now.items(), "a finished clip was lost or drawn again"
        kept = now
    for folder in ("killed", "whole"):
        process = start("puppets", "make", tmp_path / folder, *sizes)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    assert finished(tmp_path / "killed") == finished(tmp_path / "whole")
    names = [
        {path.relative_to(tmp_path / f).as_posix() for path in (tmp_path / f).rglob("*")} for f in ("killed", "whole")
    ]
    assert names[0] == names[1]  # no temporary is left
