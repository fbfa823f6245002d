from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.pulling.host import Host, serving
from tests.weights.test_checkpoint import toy_state


@pytest.fixture
def host() -> Iterator[Host]:
    """A web server of this machine."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authors' checkpoint, and another one beside it."""
    folder = tmp_path_factory.mktemp("authors")
    for number, name in enumerate(("a.pth", "b.pth")):
        torch.manual_seed(number)
        torch.save({"model": toy_state(), "epoch": number}, folder / name)
    assert (folder / "a.pth").read_bytes() != (folder / "b.pth").read_bytes()
    return folder / "a.pth"
