"""Lists of recordings without labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.clips import Recording
from hicmae_cli.corpora.unlabelled import from_manifest
from hicmae_cli.errors import ManifestError


def manifest(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text)
    return path


def test_a_manifest_with_splits(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "id,video,audio,label,fold,split\n1,a.mkv,a.mkv,,,train\n2,b.mkv,b.wav,fear,,val\n"
        "3,,c.wav,,,train\n4,d,,,,train\n5,e,e.wav,9,,train\n",
    )
    found, skipped = from_manifest(path)
    assert found == [Recording("1", tmp_path / "a.mkv", None), Recording("5", tmp_path / "e", tmp_path / "e.wav")]
    assert skipped == {"3": "the manifest names no video", "4": "the manifest names no sound"}
    assert [r.id for r in from_manifest(path, ("train", "val"))[0]] == ["1", "2", "5"]
    with pytest.raises(ManifestError, match="no clips of the split test; the manifest has train, val"):
        from_manifest(path, ("test",))


def test_a_manifest_without_splits_or_labels(tmp_path: Path) -> None:
    for text in ("id,video,audio\n1,a,a.wav\n2,b,b.wav\n", "id,video,audio,label,split\n1,a,a.wav,x,\n2,b,b.wav,,\n"):
        found, skipped = from_manifest(manifest(tmp_path, text))
        assert [r.id for r in found] == ["1", "2"]
        assert not skipped


def test_a_manifest_without_both_streams(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none of 1 clips has both"):
        from_manifest(manifest(tmp_path, "id,video,audio\n1,a,\n"))
    with pytest.raises(ManifestError, match="cannot read"):
        from_manifest(tmp_path / "gone.csv")
