"""Model files that come with the package."""

from __future__ import annotations

import pytest

from hicmae_cli.bundled import find_bundled_dir, find_bundled_file
from hicmae_cli.errors import WeightsError

_FACE_SHA256 = "4bb1759aee46d3a0371c29d67becd5f701cc3feef44e28be08240ae76ccc8d22"


def test_face_model_is_the_one_converted() -> None:
    path = find_bundled_file("face_landmarks.onnx", _FACE_SHA256)
    assert path.parent == find_bundled_dir()
    assert path.stat().st_size > 1_000_000


def test_all_bundled_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in find_bundled_dir().iterdir()) < 25_000_000


def test_another_content_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"face_landmarks\.onnx: is not the file that was bundled"):
        find_bundled_file("face_landmarks.onnx", "0" * 64)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(WeightsError, match=r"gone\.task: the bundled model file is missing"):
        find_bundled_file("gone.task")


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "a/b"])
def test_only_bare_names(name: str) -> None:
    with pytest.raises(ValueError, match="bare file name"):
        find_bundled_file(name)
