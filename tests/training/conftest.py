from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.models import config
from tests.training.toys import samples_in, shrink_nano, write_samples


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve tiny clips, happy and sad."""
    folder = tmp_path_factory.mktemp("clips")
    write_samples(folder)
    return folder


@pytest.fixture
def samples(clips: Path) -> list[Sample]:
    return samples_in(clips)


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the nano variant a toy for one test."""
    monkeypatch.setitem(config.VARIANTS, "nano", config.VARIANTS["nano"])
    monkeypatch.setitem(config.DECODERS, "nano", config.DECODERS["nano"])
    shrink_nano()
