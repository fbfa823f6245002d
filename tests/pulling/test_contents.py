"""A model is told from everything else by its content."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.pulling.contents import find_kind


def test_models_are_known_by_their_content(toy: Path, tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "a")
    assert find_kind(tmp_path / "a") == "checkpoint"
    assert find_kind(toy) == "safetensors"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\0" * 5000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!doctype html><title>Quota exceeded</title>", "the file is a web page"),
        (b"\x80\x02}q\x00.", r"begins with 80 02 7d"),
        (_zip()[:-30], "a zip archive that is cut short"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "expected a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "begins with 76 65 72"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(WeightsError, match=reason):
        find_kind(tmp_path / "a")
