from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from hicmae_cli.corpora.known.ravdess import RAVDESS, assign_fold, parse_item
from hicmae_cli.errors import ManifestError
from tests.corpora.published import assert_published


def names() -> list[str]:
    """The names of the 1,440 spoken clips: neutral has one intensity only."""
    return [
        f"02-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
        for actor, emotion, intensity, statement, repetition in product(
            range(1, 25), range(1, 9), (1, 2), (1, 2), (1, 2)
        )
        if (emotion, intensity) != (1, 2)
    ]


def test_the_published_splits_follow_from_the_names() -> None:
    items = [parse_item(name, Path(name), None) for name in names()]
    assert len(items) == 1440
    assert_published(RAVDESS, items)


def test_actors_are_whole() -> None:
    assert [assign_fold(actor) for actor in (1, 4, 5, 8, 9, 20, 21, 24)] == list("11223566")


@pytest.mark.parametrize(
    "name",
    [
        "02-01-09-01-01-01-01",
        "02-01-01-01-01-01-25",
        "02-01-01-01-01-01-00",
        "02-01-01-01-01-01",
        "04-01-01-01-01-01-01",
        "film",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".wav"])
def test_other_names_are_refused(name: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / f"{name}{suffix}").touch()
    with pytest.raises(ManifestError, match=rf"Actor_01/{name}{suffix}: expected a name .* move it out"):
        RAVDESS.items(tmp_path)


def test_shadows_and_notes_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    for name in ("._02-01-01-01-01-01-01.mp4", "notes.txt", "02-01-01-01-01-01-01.mp4"):
        (tmp_path / "Actor_01" / name).touch()
    (item,) = RAVDESS.items(tmp_path)
    assert item.audio == tmp_path / "Actor_01" / "03-01-01-01-01-01-01.wav"


def write_files(root: Path, *names: str) -> Path:
    """Empty files below ``Actor_01``."""
    (root / "Actor_01").mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / "Actor_01" / name).touch()
    return root


CLIP = "01-03-01-01-01-01"
OTHER = "01-04-01-01-01-01"


def test_the_usual_files_with_sound_inside_are_taken_with_a_note(tmp_path: Path) -> None:
    root = write_files(tmp_path, f"01-{CLIP}.mp4", "01-02-04-01-01-01-01.mp4")
    (item,) = RAVDESS.items(root)
    assert (item.id, item.label, item.speaker, item.fold) == (f"02-{CLIP}", "happiness", "01", "1")
    assert (item.video, item.audio) == (root / "Actor_01" / f"01-{CLIP}.mp4", None)
    (note,) = RAVDESS.ignored(root)
    assert note.startswith("took 1 of 1 clips from 01-01-*.mp4, with the sound in them")


def test_the_published_files_come_first(tmp_path: Path) -> None:
    both = [f"{kind}-{CLIP}{suffix}" for kind, suffix in (("01", ".mp4"), ("02", ".mp4"), ("03", ".wav"))]
    root = write_files(tmp_path, *both)
    (item,) = RAVDESS.items(root)
    assert (item.video.name, item.audio) == (both[1], root / "Actor_01" / both[2])
    assert RAVDESS.ignored(root) == []
    # The video archives hold 01 and 02; a clip without its wav is read from 01.
    write_files(tmp_path, f"01-{OTHER}.mp4", f"02-{OTHER}.mp4")
    assert [(item.video.name, item.audio is None) for item in RAVDESS.items(root)] == [
        (both[1], False),
        (f"01-{OTHER}.mp4", True),
    ]
    assert RAVDESS.ignored(root)[0].startswith("took 1 of 2 clips")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"02-{CLIP}.mp4", "found 1 video-only files (02-01-*.mp4), but none with their sound"),
        (f"03-{CLIP}.wav", "found 1 audio-only files (03-01-*.wav), but none with their pictures"),
    ],
)
def test_half_a_dataset_is_named_and_each_clip_is_listed(tmp_path: Path, name: str, said: str) -> None:
    root = write_files(tmp_path, name)
    assert [item.id for item in RAVDESS.items(root)] == [f"02-{CLIP}"]
    assert RAVDESS.ignored(root)[0].startswith(said)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"found 1 songs, but no spoken clip; expected 02-01-\*.mp4"):
        RAVDESS.items(write_files(tmp_path / "songs", "01-02-04-01-01-01-01.mp4"))
    loose = tmp_path / "loose"
    (loose / "videos").mkdir(parents=True)
    (loose / "videos" / f"01-{CLIP}.mp4").touch()
    with pytest.raises(ManifestError, match=r"found 1 files outside the folders Actor_\*, but no spoken clip"):
        RAVDESS.items(loose)
    write_files(tmp_path / "deep" / "RAVDESS", f"01-{CLIP}.mp4")
    with pytest.raises(ManifestError, match=r"found folders Actor_\* in .*/deep/RAVDESS, which may be the root"):
        RAVDESS.items(tmp_path / "deep")
    assert RAVDESS.items(tmp_path / "songs" / "none") == []


def test_odd_actors_are_male() -> None:
    sexes = RAVDESS.actors(Path())["sex"]
    assert [sexes[actor] for actor in ("01", "02", "23", "24")] == ["male", "female", "male", "female"]
    assert parse_item("02-01-01-01-01-01-04", Path(), None).extra["sex"] == "female"
