from __future__ import annotations

from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent.parent / "docs" / "assets" / "speech_sample.mp4"


@pytest.fixture
def sample() -> Path:
    """Two people side by side; the one on the right speaks. 8.7 s."""
    return SAMPLE


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported weights and caches stay inside the test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HICMAE_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
