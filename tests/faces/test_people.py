"""Names after photographs: the right one, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.errors import SettingsError
from hicmae_cli.faces.linker import SeenPerson
from hicmae_cli.faces.people import match_name, name_people, read_people
from hicmae_cli.faces.texture import describe_texture
from tests.faces.fake import FakeDetector, FakeFace
from tests.faces.test_texture import change, portrait

DARKER = np.array([0.7, 0.65, 0.6])
FACE = FakeFace(0, 9, (119.5, 119.5), 160)


def look(seed: int, gain: np.ndarray = DARKER) -> np.ndarray:
    return describe_texture(change(portrait(seed), gain))


KNOWN = {name: (describe_texture(portrait(seed)),) for seed, name in enumerate(("Anna", "Ben", "Cem"))}


def test_everybody_gets_the_own_name_and_a_stranger_none() -> None:
    seen = {number: SeenPerson((look(seed),), frozenset()) for number, seed in ((1, 2), (2, 0), (3, 7))}
    assert name_people(seen, KNOWN) == {1: "Cem", 2: "Anna"}
    assert name_people(seen, {}) == {} and name_people({}, KNOWN) == {}
    assert name_people({4: SeenPerson((), frozenset())}, KNOWN) == {}


def test_who_resembles_two_people_gets_no_name() -> None:
    assert match_name((look(0),), KNOWN) is not None
    assert match_name((look(0),), {**KNOWN, "Twin": (look(0, np.array([0.8])),)}) is None


def test_the_best_looks_count() -> None:
    """A head that is turned most of the time, and once looks into the camera."""
    turned = tuple(look(seed) for seed in range(20, 25))
    assert match_name((*turned, *(look(1, np.array([gain])) for gain in (0.9, 0.8, 0.7))), KNOWN) is not None
    assert match_name(turned, KNOWN) is None


def test_two_people_in_one_picture_do_not_share_a_name() -> None:
    near, same = look(0, np.array([0.95])), look(0)
    together = {1: SeenPerson((same,), frozenset({2})), 2: SeenPerson((near,), frozenset({1}))}
    assert name_people(together, KNOWN) == {2: "Anna"}
    apart = {number: SeenPerson(person.textures, frozenset()) for number, person in together.items()}
    assert name_people(apart, KNOWN) == {1: "Anna", 2: "Anna"}


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((240, 240, 3), 90, np.uint8)
    picture[40:200, 40:200] = portrait(seed)
    Image.fromarray(picture).save(path)


def test_names_are_those_of_files_and_folders(tmp_path: Path) -> None:
    save(tmp_path / "Anna.png", 0)
    save(tmp_path / "Ben" / "1.png", 1)
    save(tmp_path / "Ben" / "deeper" / "2.png", 11)
    (tmp_path / "notes.txt").write_text("not a photograph")
    people = read_people(tmp_path, lambda: FakeDetector([FACE]))
    assert {name: len(textures) for name, textures in people.items()} == {"Anna": 1, "Ben": 2}
    assert match_name((look(0),), people) is not None
    assert match_name((look(0),), people)[0] == "Anna"  # type: ignore[index]
    assert match_name((look(11),), people)[0] == "Ben"  # type: ignore[index]


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        ([], r"a\.png: no face was found; `people` needs photographs with one face each"),
        ([FACE, FakeFace(0, 9, (60, 60), 120)], r"a\.png: shows 2 faces"),
    ],
)
def test_a_photograph_must_show_one_face(tmp_path: Path, faces: list[FakeFace], message: str) -> None:
    save(tmp_path / "a.png", 0)
    with pytest.raises(SettingsError, match=message):
        read_people(tmp_path, lambda: FakeDetector(faces))
    assert read_people(tmp_path, lambda: FakeDetector([FACE, FakeFace(0, 9, (20, 20), 30)])).keys() == {"a"}


def test_a_folder_without_readable_photographs_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder"):
        read_people(tmp_path / "missing", lambda: FakeDetector([FACE]))
    with pytest.raises(SettingsError, match="has no photographs"):
        read_people(tmp_path, lambda: FakeDetector([FACE]))
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(SettingsError, match=r"a\.jpg: cannot be read as an image"):
        read_people(tmp_path, lambda: FakeDetector([FACE]))
