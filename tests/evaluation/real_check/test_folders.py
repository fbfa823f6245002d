from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.errors import ManifestError, MediaError
from hicmae_cli.evaluation.real_check.folders import (
    open_crops,
    read_blendshapes,
    read_faces,
    read_voice,
    read_voices,
    select_faces,
    select_voices,
)
from tests.evaluation.real_check.toys import FACES, TRAIN_PERSON, write_faces, write_rows, write_voices


def test_crops_are_read_unpacked_or_from_the_archive(tmp_path: Path) -> None:
    manifest = write_faces(tmp_path / "faces")
    faces = read_faces(manifest)
    assert [face.clear for face in faces] == [bool(row[4]) for row in FACES]
    with open_crops(manifest) as read:
        assert read(faces[10])[0, 0].tolist() == [200, 0, 0]
    picture = manifest.parent / "10.png"
    with tarfile.open(manifest.parent / "crops.tar", "w") as packed:
        packed.add(picture, "./10.png")
    picture.unlink()
    with open_crops(manifest) as read:
        assert read(faces[10])[0, 0].tolist() == [200, 0, 0]


def test_faults_of_crops_are_named(tmp_path: Path) -> None:
    manifest = write_faces(tmp_path / "faces")
    face = read_faces(manifest)[0]
    path = manifest.parent / face.file
    Image.new("RGB", (80, 60)).save(path)
    with open_crops(manifest) as read, pytest.raises(MediaError, match="160 x 160 pixels, got 80 x 60"):
        read(face)
    path.write_text("no picture")
    with open_crops(manifest) as read, pytest.raises(MediaError, match="not a picture"):
        read(face)
    (manifest.parent / "crops.tar").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(MediaError, match=r"crops\.tar: cannot be read as a tar file"), open_crops(manifest):
        pass


def test_a_list_of_clear_crops_replaces_the_column(tmp_path: Path) -> None:
    manifest = write_faces(tmp_path / "faces")
    clear = write_rows(tmp_path / "clear.csv", ["file"], [["3.png"]])
    assert [face.file for face in read_faces(manifest, clear) if face.clear] == ["3.png"]
    write_rows(clear, ["file", "verdict"], [["2.png", "unsure"], ["3.png", "clear"]])
    assert [face.file for face in read_faces(manifest, clear) if face.clear] == ["3.png"]
    write_rows(clear, ["file"], [["elsewhere.png"]])
    with pytest.raises(ManifestError, match=r"1 files are not in .*elsewhere\.png"):
        read_faces(manifest, clear)


def test_faults_of_lists_are_named(tmp_path: Path) -> None:
    empty = write_rows(tmp_path / "empty.csv", ["file", "label", "speaker"], [])
    with pytest.raises(ManifestError, match="lists no files"):
        read_voices(empty)
    with pytest.raises(ManifestError, match="has no column group"):
        read_faces(empty)
    with pytest.raises(ManifestError, match="cannot be read"):
        read_faces(tmp_path / "missing.csv")


def test_people_are_selected(tmp_path: Path) -> None:
    faces = read_faces(write_faces(tmp_path / "faces"))
    assert {face.person for face in select_faces(faces, "train")} == {TRAIN_PERSON}
    assert len(select_faces(faces, "test")) == len(FACES) - 1
    manifest = write_voices(tmp_path / "voices")
    voices = read_voices(manifest)
    assert {voice.person for voice in select_voices(voices, "test")} == {"11"}
    assert {voice.person for voice in select_voices(voices, "test", ["19"])} == {"19"}
    assert read_voice(manifest, voices[0]).shape == (16000,)


def test_blendshapes_are_those_of_the_rows(tmp_path: Path) -> None:
    manifest = write_faces(tmp_path / "faces")
    faces = read_faces(manifest)
    np.savez(manifest.parent / "faces.npz", blendshapes=np.arange(12)[:, None] * np.ones(52))
    assert read_blendshapes(manifest, [faces[7], faces[2]])[:, 0].tolist() == [7, 2]
    np.savez(manifest.parent / "faces.npz", blendshapes=np.ones((3, 52)))
    with pytest.raises(ManifestError, match="has 3 rows"):
        read_blendshapes(manifest, faces)
    for content in (b"", b"PK\x03\x04 cut"):
        (manifest.parent / "faces.npz").write_bytes(content)
        with pytest.raises(ManifestError, match="expected a table `blendshapes`"):
            read_blendshapes(manifest, faces)
