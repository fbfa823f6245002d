from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

# A shell ignores Ctrl-C in what it runs in the background, and so would the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SAMPLE = Path(__file__).parent.parent / "docs" / "assets" / "speech_sample.mp4"


@pytest.fixture
def sample() -> Path:
    """Two people side by side; the one on the right speaks. 8.7 s."""
    return SAMPLE


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy weight, toy.safetensors with toy.onnx beside it; to look at, not to change."""
    from hicmae_cli.weights.export import write_onnx
    from tests.weights.toys import save_toy

    source = save_toy(tmp_path_factory.mktemp("toy") / "toy.safetensors")
    write_onnx(source, source.with_suffix(".onnx"))
    return source


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled files in their place, to be changed."""
    from hicmae_cli import bundled
    from hicmae_cli.weights import catalogue

    folder = Path(shutil.copytree(bundled.find_bundled_dir(), tmp_path / "bundled"))
    for module in (bundled, catalogue):
        monkeypatch.setattr(module, "find_bundled_dir", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imported weights and caches stay inside the test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HICMAE_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
