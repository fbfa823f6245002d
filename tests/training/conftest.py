from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample
from tests.training.toys import samples_in, write_samples


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve tiny clips, happy and sad."""
    folder = tmp_path_factory.mktemp("clips")
    write_samples(folder)
    return folder


@pytest.fixture
def samples(clips: Path) -> list[Sample]:
    return samples_in(clips)
