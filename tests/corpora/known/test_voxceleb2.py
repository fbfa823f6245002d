"""VoxCeleb2 as it unpacks, and as an entry of the table that has no labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.known.voxceleb2 import FACE_CROP, VOXCELEB2, list_recordings
from hicmae_cli.errors import ManifestError, SettingsError


def touch(root: Path, names: Sequence[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


FILES = (
    "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4",
    "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
    "dev/mp4/id00012/-0aBC/00001.mp4",
    "dev/mp4/id00012/21Uxsk56VDQ/notes.txt",
    "dev/mp4/readme.txt",
    "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
    "dev/aac/id00012/21Uxsk56VDQ/00002.aac",
    "dev/aac/id00012/21Uxsk56VDQ/00002.m4a",
    "test/mp4/id00017/01dfn2spqyE/00001.mp4",
    "test/wav/id00017/01dfn2spqyE/00001.wav",
)


def test_voxceleb2_as_it_unpacks(tmp_path: Path) -> None:
    touch(tmp_path, FILES)
    found = list_recordings(tmp_path)
    assert [r.id for r in found] == [
        "dev/mp4/id00012/-0aBC/00001",
        "dev/mp4/id00012/21Uxsk56VDQ/00001",
        "dev/mp4/id00012/21Uxsk56VDQ/00002",
    ]  # test is for those who test on VoxCeleb2
    assert all(r.video == tmp_path / f"{r.id}.mp4" and r.crop == FACE_CROP for r in found)
    sounds = [r.audio and r.audio.relative_to(tmp_path).as_posix() for r in found]
    assert sounds == [None, "dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "dev/aac/id00012/21Uxsk56VDQ/00002.m4a"]
    (only,) = list_recordings(tmp_path / "test")
    assert (only.id, only.audio) == (
        "mp4/id00017/01dfn2spqyE/00001",
        tmp_path / "test/wav/id00017/01dfn2spqyE/00001.wav",
    )


def test_voxceleb2_from_any_of_its_folders(tmp_path: Path) -> None:
    touch(tmp_path, FILES)
    whole = [r for r in list_recordings(tmp_path) if r.id.startswith("dev")]
    for root, prefix in ((tmp_path / "dev", "dev/"), (tmp_path / "dev/mp4", "dev/mp4/")):
        part = list_recordings(root)
        assert [f"{prefix}{r.id}" for r in part] == [r.id for r in whole]
        assert [(r.video, r.audio) for r in part] == [(r.video, r.audio) for r in whole]


@pytest.mark.parametrize("names", [[], ["dev/mp4/notes.txt"], ["id1/session/00001.mp4"]])
def test_another_layout_is_answered_with_the_right_one(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, names)
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(ManifestError, match=r"expected \[dev/\|test/\]mp4/<person>/<session>"):
            list_recordings(root)


def test_it_has_no_labels_and_is_refused_where_labels_are_needed() -> None:
    assert find_dataset("VoxCeleb2", labelled=False) is VOXCELEB2
    assert not VOXCELEB2.is_labelled
    with pytest.raises(SettingsError, match=r"^VoxCeleb2 has no labels and .*`hicmae pretrain --dataset voxceleb2`$"):
        find_dataset("voxceleb2")
