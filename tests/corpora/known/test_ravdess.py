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


def test_odd_actors_are_male() -> None:
    sexes = RAVDESS.actors(Path())["sex"]
    assert [sexes[actor] for actor in ("01", "02", "23", "24")] == ["male", "female", "male", "female"]
    assert parse_item("02-01-01-01-01-01-04", Path(), None).extra["sex"] == "female"
