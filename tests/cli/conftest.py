from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hicmae_cli.runtime import batch
from tests.cli.running import InThisProcess, hicmae


@pytest.fixture(scope="session")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of eight drawn clips of three people; to look at, not to change."""
    folder = tmp_path_factory.mktemp("drawn") / "puppets"
    sizes = ("--train", 4, "--validation", 2, "--test", 2)
    run = hicmae("puppets", "make", folder, *sizes, "--seed", 5, "--workers", 1)
    assert run.code == 0, run.err
    assert run.out == f"wrote {folder / 'manifest.csv'}\n"
    return folder


@pytest.fixture(scope="module")
def without_workers() -> Iterator[None]:
    """Predict in this process: others take seconds to start, and `test_predict_workers.py` has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "WorkerPool", InThisProcess)
        yield
