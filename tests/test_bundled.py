"""Model files that come with the package."""

from __future__ import annotations

import pytest

from hicmae_cli.bundled import bundled_dir, bundled_file
from hicmae_cli.errors import WeightsError

_FACE_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def test_face_model_is_the_one_released() -> None:
    path = bundled_file("face_landmarker.task", _FACE_SHA256)
    assert path.parent == bundled_dir()
    assert path.stat().st_size > 1_000_000


def test_another_content_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"face_landmarker\.task: is not the file that was bundled"):
        bundled_file("face_landmarker.task", "0" * 64)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(WeightsError, match=r"gone\.task: the bundled model file is missing"):
        bundled_file("gone.task")


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "a/b"])
def test_only_bare_names(name: str) -> None:
    with pytest.raises(ValueError, match="bare file name"):
        bundled_file(name)
