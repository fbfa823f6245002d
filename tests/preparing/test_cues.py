"""A list of clips with cues: faces only, sound only, both, neither readable."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from hicmae_cli.corpora.manifest import CUE, FACE_CUE, VOICE_CUE, read_manifest
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.preparing import cues
from hicmae_cli.preparing.cues import COLUMNS, measure_cues
from hicmae_cli.preparing.face_cues import FACE_CUES
from hicmae_cli.preparing.voice_cues import VOICE_CUES
from tests.corpora.toys import tone

FACE_COLUMNS = [f"{FACE_CUE}{name}" for name in FACE_CUES]
VOICE_COLUMNS = [f"{VOICE_CUE}{name}" for name in VOICE_CUES]


@pytest.fixture(autouse=True)
def _fake_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face shows in bright pictures, and moves as much as they are bright."""

    def measure(faces: Sequence[np.ndarray]) -> dict[str, float]:
        bright = [face.mean() / 255 for face in faces if face.mean() > 50]
        return dict.fromkeys(FACE_CUES, float(np.mean(bright))) if bright else {}

    monkeypatch.setattr(cues, "measure_face_cues", measure)


def make_list(folder: Path) -> Path:
    """A list of four clips: ``face``, ``sound``, ``both`` and ``dark``."""
    for name, level in (("bright", 204), ("dark", 0)):
        (folder / name).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(np.full((160, 160, 3), level, np.uint8)).save(folder / name / f"{index}.png")
    soundfile.write(folder / "tone.wav", tone(0.5), 16_000)
    soundfile.write(folder / "silence.wav", np.zeros(8000), 16_000)
    manifest = folder / "list.csv"
    manifest.write_text(
        "id,video,audio,label,speaker,source,aux_face_jawOpen\n"
        "face,bright,,ANG,anna,photos,9\n"
        "sound,,tone.wav,0.5 -0.1,bob,voices,\n"
        "both,bright,tone.wav,fear+anger,carl,films,\n"
        "dark,dark,silence.wav,fear,dora,films,\n",
        "utf-8",
    )
    return manifest


def read_rows(path: Path) -> dict[str, Mapping[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def find_filled(row: Mapping[str, str]) -> list[str]:
    """The columns of cues in which a row has a number."""
    return [name for name in row if name.startswith(CUE) and row[name] and np.isfinite(float(row[name]))]


def test_rows_have_the_cues_of_their_streams(tmp_path: Path) -> None:
    manifest, output = make_list(tmp_path), tmp_path / "cues.csv"
    seen: list[int] = []
    done = measure_cues(manifest, output, workers=0, on_start=seen.append, on_clip=lambda: seen.append(1))
    assert (done.clips, done.faces, done.voices, seen) == (4, 2, 2, [4, 1, 1, 1, 1])
    assert (done.faceless, done.voiceless, done.unreadable) == (("dark",), ("dark",), ())
    rows = read_rows(output)
    assert list(rows["face"])[-len(COLUMNS) :] == list(COLUMNS) == [*FACE_COLUMNS, *VOICE_COLUMNS]
    assert find_filled(rows["face"]) == FACE_COLUMNS
    assert find_filled(rows["sound"]) == VOICE_COLUMNS
    assert find_filled(rows["both"]) == [*FACE_COLUMNS, *VOICE_COLUMNS]
    assert find_filled(rows["dark"]) == []
    assert rows["face"]["aux_face_jawOpen"] == "0.8"
    assert {name: rows["both"][name] for name in VOICE_COLUMNS} == {name: rows["sound"][name] for name in VOICE_COLUMNS}
    assert "clips in which no face can be read: 1 (dark)" in str(done)


def test_everything_else_is_kept(tmp_path: Path) -> None:
    manifest = make_list(tmp_path / "in")
    measure_cues(manifest, tmp_path / "out.csv", workers=0)
    before, after = (read_manifest(path, labelled=False) for path in (manifest, tmp_path / "out.csv"))
    for old, new in zip(before, after, strict=True):
        assert (old.id, old.video, old.audio, old.target, old.speaker) == (
            new.id,
            new.video,
            new.audio,
            new.target,
            new.speaker,
        )
        assert new.extra["source"] == old.extra["source"]
    assert read_rows(tmp_path / "out.csv")["face"]["video"] == "in/bright"


def test_unreadable_clips_are_named_and_have_no_cues(tmp_path: Path) -> None:
    manifest = make_list(tmp_path)
    (tmp_path / "tone.wav").write_bytes(b"nonsense")
    done = measure_cues(manifest, tmp_path / "cues.csv", workers=0)
    assert [clip.id for clip in done.unreadable] == ["sound", "both"]
    assert all("tone.wav" in clip.cause for clip in done.unreadable)
    assert "no cues of sound: " in str(done)
    rows = read_rows(tmp_path / "cues.csv")
    assert (find_filled(rows["both"]), find_filled(rows["face"])) == ([], FACE_COLUMNS)


def test_a_clip_on_which_a_library_fails_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: np.ndarray) -> dict[str, float]:
        raise MemoryError("no room")

    monkeypatch.setattr(cues, "measure_voice_cues", fail)
    done = measure_cues(make_list(tmp_path), tmp_path / "cues.csv", workers=0)
    assert [clip.id for clip in done.unreadable] == ["sound", "both", "dark"]
    assert "tone.wav: MemoryError: no room" in done.unreadable[0].cause
    assert find_filled(read_rows(tmp_path / "cues.csv")["face"]) == FACE_COLUMNS


def _name_itself(folder: Path) -> tuple[Path, int]:
    return folder / "list.csv", 0


def _have_fewer_than_no_workers(folder: Path) -> tuple[Path, int]:
    return folder / "out.csv", -1


@pytest.mark.parametrize(
    ("choose", "said"),
    [(_name_itself, "is the list itself"), (_have_fewer_than_no_workers, "workers=-1, expected 0 or more")],
)
def test_wrong_arguments(choose: Callable[[Path], tuple[Path, int]], said: str, tmp_path: Path) -> None:
    manifest = make_list(tmp_path)
    before = manifest.read_text("utf-8")
    output, workers = choose(tmp_path)
    with pytest.raises(SettingsError, match=said):
        measure_cues(manifest, output, workers=workers)
    assert manifest.read_text("utf-8") == before


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be written"):
        measure_cues(make_list(tmp_path), tmp_path / "bright", workers=0)


@pytest.mark.slow
def test_processes_give_the_same_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    manifest = make_list(tmp_path)
    for workers in (0, 2):
        measure_cues(manifest, tmp_path / f"{workers}.csv", workers=workers)
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
