from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import hicmae


@pytest.fixture(scope="session")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of eight drawn clips of three people; to look at, not to change."""
    folder = tmp_path_factory.mktemp("drawn") / "puppets"
    sizes = ("--train", 4, "--validation", 2, "--test", 2)
    run = hicmae("puppets", "make", folder, *sizes, "--seed", 5, "--workers", 1)
    assert run.code == 0, run.err
    assert run.out == f"wrote {folder / 'manifest.csv'}\n"
    return folder
