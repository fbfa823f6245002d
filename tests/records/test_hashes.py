"""Hashes of data follow the content of the files, and those of weights their tensors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256
from hicmae_cli.records import hashes
from hicmae_cli.records.hashes import hash_data, hash_tensors


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "faces").mkdir(parents=True)
    for name in ("a.mkv", "faces/1.png", "faces/2.png", "b.wav"):
        (folder / name).write_text(name)
    (folder / "list.csv").write_text("id,video,audio\n")
    return folder


def clips(folder: Path) -> list[tuple[str, tuple[Path, ...]]]:
    return [("a", (folder / "a.mkv",)), ("b", (folder / "faces", folder / "b.wav"))]


def test_the_hash_follows_the_content_and_not_the_place(corpus: Path, tmp_path: Path) -> None:
    first = hash_data(clips(corpus), corpus / "list.csv")
    assert (first.manifest, first.clips, first.hashed) == ("list.csv", 2, "content")
    moved = Path(shutil.copytree(corpus, tmp_path / "moved"))
    os.utime(moved / "a.mkv", (0, 0))
    assert hash_data(clips(moved), moved / "list.csv") == first
    for name in ("a.mkv", "faces/2.png", "b.wav"):
        text = (moved / name).read_text()
        (moved / name).write_text("other")
        assert hash_data(clips(moved), moved / "list.csv").files_sha256 != first.files_sha256, name
        (moved / name).write_text(text)
    assert hash_data(clips(moved), moved / "list.csv").files_sha256 == first.files_sha256
    (moved / "b.wav").unlink()
    assert hash_data(clips(moved), moved / "list.csv").files_sha256 != first.files_sha256


def test_only_changed_files_are_read_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spy(path: Path) -> str:
        read.append(path.name)
        return compute_sha256(path)

    monkeypatch.setattr(hashes, "compute_sha256", spy)
    first = hash_data(clips(corpus), corpus / "list.csv")
    assert sorted(read) == ["1.png", "2.png", "a.mkv", "b.wav", "list.csv"]
    read.clear()
    assert hash_data(clips(corpus), corpus / "list.csv") == first
    assert read == ["list.csv"]
    (corpus / "a.mkv").write_text("longer than before")
    read.clear()
    assert hash_data(clips(corpus), corpus / "list.csv") != first
    assert read == ["a.mkv", "list.csv"]
    (corpus / ".list.csv.hashes.json").write_text("[")
    (corpus / "a.mkv").write_text("a.mkv")
    assert hash_data(clips(corpus), corpus / "list.csv") == first


def test_large_data_are_hashed_by_their_sizes(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "MOST_BYTES", 10)
    done: list[tuple[int, int]] = []
    first = hash_data(clips(corpus), on_clip=lambda *each: done.append(each))
    assert (first.hashed, first.manifest_sha256, done) == ("sizes", "", [(1, 2), (2, 2)])
    (corpus / "a.mkv").write_text("A.MKV")
    assert hash_data(clips(corpus)) == first
    (corpus / "a.mkv").write_text("longer")
    assert hash_data(clips(corpus)) != first


def test_metadata_of_a_weight_do_not_count(tmp_path: Path) -> None:
    tensors = {"a": np.arange(4, dtype=np.float32), "b": np.zeros((2, 2), np.float32)}
    found = []
    for name, metadata in (("one", {"hicmae": "x"}), ("two", {"hicmae": "a longer text"}), ("three", None)):
        save_file(tensors, tmp_path / name, metadata=metadata)
        found.append(hash_tensors(tmp_path / name))
    assert len(set(found)) == 1
    tensors["b"][1, 1] = np.nextafter(np.float32(0), np.float32(1))
    save_file(tensors, tmp_path / "other")
    assert hash_tensors(tmp_path / "other") != found[0]
    (tmp_path / "cut").write_bytes(b"\xff" * 20)
    with pytest.raises(WeightsError, match="cannot be read as a safetensors file"):
        hash_tensors(tmp_path / "cut")
