"""Lists of recordings without labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.clips import Recording
from hicmae_cli.corpora.unlabelled import read_unlabelled
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
    found = read_unlabelled(path)
    assert found.recordings == (
        Recording("1", tmp_path / "a.mkv", None),
        Recording("5", tmp_path / "e", tmp_path / "e.wav"),
    )
    assert found.skipped == {"3": "the manifest names no video", "4": "the manifest names no sound"}
    assert [r.id for r in read_unlabelled(path, ("train", "val")).recordings] == ["1", "2", "5"]
    with pytest.raises(ManifestError, match="no clips of the split test; the manifest has train, val"):
        read_unlabelled(path, ("test",))


def test_a_manifest_without_splits_or_labels(tmp_path: Path) -> None:
    for text in ("id,video,audio\n1,a,a.wav\n2,b,b.wav\n", "id,video,audio,label,split\n1,a,a.wav,x,\n2,b,b.wav,,\n"):
        found = read_unlabelled(manifest(tmp_path, text))
        assert [r.id for r in found.recordings] == ["1", "2"]
        assert not found.skipped and found.speakers == ("", "")


def test_a_fold_is_excluded_with_every_clip_of_its_people(tmp_path: Path) -> None:
    """Whatever the column split says; people decide, not clips."""
    lines = [
        "1,a,a.wav,1,train,anna",
        "2,b,b.wav,2,,ben",
        "3,c,c.wav,2,test,anna",
        "4,d,d.wav,2,,cleo",
        "5,e,e.wav,2,,",
    ]
    path = manifest(tmp_path, "\n".join(["id,video,audio,fold,split,speaker", *lines]))
    found = read_unlabelled(path, fold="1")
    assert [r.id for r in found.recordings] == ["2", "4", "5"]
    assert found.speakers == ("ben", "cleo", "")
    assert found.skipped == {"3": "shows anna, whom fold 1 tests"}
    with pytest.raises(ManifestError, match="fold 7: got 0 test clips"):
        read_unlabelled(path, fold="7")
    with pytest.raises(ManifestError, match="has no folds"):
        read_unlabelled(manifest(tmp_path, "id,video,audio,split\n1,a.mkv,a.mkv,test\n2,b.mkv,b.mkv,train\n"), fold="1")


def test_a_manifest_without_both_streams(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none of 1 clips has both"):
        read_unlabelled(manifest(tmp_path, "id,video,audio\n1,a,\n"))
    with pytest.raises(ManifestError, match="cannot read"):
        read_unlabelled(tmp_path / "gone.csv")
