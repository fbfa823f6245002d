"""One id per person: through movement, gaps, crossings and cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceFinder, TrackLinker
from hicmae_cli.media import Frame, read_frames
from tests.faces.fake import FakeDetector, FakeFace, fake_face
from tests.faces.test_texture import portrait as textured

SAMPLE = Path(__file__).parents[2] / "docs/assets/speech_sample.mp4"
Cut = Callable[[Frame], NDArray[np.uint8]]


def _portrait(seed: int) -> NDArray[np.uint8]:
    """A made-up face, (160, 160, 3): smooth, and different for every seed."""
    rng = np.random.default_rng(seed)
    tone = rng.integers(90, 200)
    rough = rng.normal(0, 45, (8, 8, 1)) + np.array([tone, tone * 0.8, tone * 0.7])
    return (
        np.asarray(cv2.resize(np.clip(rough, 0, 255), (160, 160), interpolation=cv2.INTER_CUBIC), np.float64)
        .clip(0, 255)
        .astype(np.uint8)
    )


class _Stage:
    """Pictures of scripted people before a background."""

    def __init__(self, seed: int = 0) -> None:
        self._background = np.random.default_rng(seed).integers(60, 120, (20, 30, 3), np.uint8)

    def frame(self, time_s: float, people: Sequence[tuple[int, FakeFace]]) -> tuple[Frame, list[Face]]:
        picture = self._background.repeat(16, 0).repeat(16, 1)
        faces = []
        for seed, script in people:
            if not script.start_s <= time_s < script.end_s:
                continue
            face = script.at(time_s)
            size = round(script.size_px)
            left = round(script.centre_px[0] + (time_s - script.start_s) * script.velocity_px_s[0] - size / 2)
            top = round(script.centre_px[1] + (time_s - script.start_s) * script.velocity_px_s[1] - size / 2)
            drawn = cv2.resize(_portrait(seed), (size, size), interpolation=cv2.INTER_AREA)
            picture[top : top + size, left : left + size] = drawn
            faces.append(face)
        return Frame(time_s, picture), faces


def _ids(
    people: Sequence[tuple[int, FakeFace]], seconds: float, step_s: float = 0.16, stage: _Stage | None = None
) -> list[list[int]]:
    stage, linker = stage or _Stage(), TrackLinker()
    steps = (stage.frame(i * step_s, people) for i in range(round(seconds / step_s)))
    return [[i for i, _ in linker.update(frame, faces)] for frame, faces in steps]


def test_ids_start_at_one_and_stay() -> None:
    people = [(1, FakeFace(0, 9, (100, 100), 80)), (2, FakeFace(0, 9, (300, 150), 90, (-5, 2)))]
    assert _ids(people, 4) == [[1, 2]] * 25


def test_order_of_the_faces_does_not_matter() -> None:
    people = [(1, FakeFace(0, 9, (100, 100), 80)), (2, FakeFace(0, 9, (300, 150), 90))]
    stage, linker = _Stage(), TrackLinker()
    for i in range(10):
        frame, faces = stage.frame(i * 0.16, people)
        if i % 2:
            faces = faces[::-1]
        assert [n for n, _ in linker.update(frame, faces)] == ([2, 1] if i % 2 else [1, 2])


@pytest.mark.parametrize("gap_s", [0.2, 0.5, 1.0, 1.3])
def test_a_gap_keeps_the_id(gap_s: float) -> None:
    before, after = FakeFace(0, 2, (100, 100), 80), FakeFace(2 + gap_s, 9, (110, 104), 80)
    seen = [ids for ids in _ids([(1, before), (1, after)], 5) if ids]
    assert seen == [[1]] * len(seen)


def test_a_long_absence_is_bridged_by_looks() -> None:
    before, after = FakeFace(0, 2, (100, 100), 80), FakeFace(12, 20, (350, 200), 90)
    seen = [ids for ids in _ids([(1, before), (1, after)], 14) if ids]
    assert seen == [[1]] * len(seen)


@pytest.mark.parametrize("gain", [np.array([0.55]), np.array([1.1, 1.0, 0.7])], ids=["darker", "warmer"])
def test_an_absence_is_bridged_in_other_light(gain: NDArray[np.float64]) -> None:
    """The first person leaves for three seconds and comes back when the light has changed; another one does not."""

    def shoot(time_s: float, seed: int, light: NDArray[np.float64]) -> tuple[Frame, list[Face]]:
        picture = np.full((480, 640, 3), 110, np.uint8)
        picture[160:320, 240:400] = textured(seed)
        return Frame(time_s, (picture * light).clip(0, 255).astype(np.uint8)), [fake_face((319.5, 239.5), 160)]

    for seed, same in ((1, True), (2, False)):
        linker = TrackLinker()
        for index in range(5):
            linker.update(*shoot(0.16 * index, 1, np.array([1.0])))
        linker.update(Frame(2.0, np.full((480, 640, 3), 110, np.uint8)), [])
        ((person, _),) = linker.update(*shoot(4.0, seed, gain))
        assert (person == 1) == same


def test_a_covered_face_keeps_its_id_and_is_not_remembered() -> None:
    """Of two people who cross, the one behind shows half of a face, and half of somebody else's."""
    stage, linker = _Stage(), TrackLinker()
    people = [(1, FakeFace(0, 9, (100, 150), 80)), (2, FakeFace(0, 9, (300, 150), 80))]
    for index in range(3):
        linker.update(*stage.frame(0.16 * index, people))
    looks = len(linker._people[0].looks)
    crossing = [(1, FakeFace(0, 9, (122, 150), 80)), (2, FakeFace(0, 9, (156, 150), 80))]
    frame, faces = stage.frame(0.48, crossing)
    # The person on the right has come a long way since the last picture: only the one on the left is in place.
    assert next(number for number, _ in linker.update(frame, faces)) == 1
    assert len(linker._people[0].looks) == looks


def test_it_tells_who_was_seen_and_who_met() -> None:
    stage, linker = _Stage(), TrackLinker()
    people = [
        (1, FakeFace(0, 9, (100, 100), 80)),
        (2, FakeFace(0, 1, (300, 150), 90)),
        (3, FakeFace(3, 9, (300, 150), 90)),
    ]
    for index in range(25):
        linker.update(*stage.frame(0.16 * index, people))
    assert {number: set(person.met) for number, person in linker.people.items()} == {1: {2, 3}, 2: {1}, 3: {1}}
    assert all(1 <= len(person.textures) <= 12 for person in linker.people.values())


def test_a_newcomer_in_an_old_place_is_new() -> None:
    before, after = FakeFace(0, 2, (100, 100), 80), FakeFace(4, 9, (100, 100), 80)
    ids = [i for frame in _ids([(1, before), (2, after)], 6) for i in frame]
    assert set(ids[:12]) == {1}
    assert set(ids[13:]) == {2}


def test_people_crossing_keep_their_ids() -> None:
    people = [(1, FakeFace(0, 9, (80, 150), 80, (60, 0))), (2, FakeFace(0, 9, (380, 150), 80, (-60, 0)))]
    stage, linker = _Stage(), TrackLinker()
    for i in range(30):
        frame, faces = stage.frame(i * 0.16, people)
        if abs(faces[0].centre_px[0] - faces[1].centre_px[0]) < 70:
            faces = faces[1:]  # the one in front is all that is seen
            assert [n for n, _ in linker.update(frame, faces)] == [2]
        else:
            assert [n for n, _ in linker.update(frame, faces)] == [1, 2]


def test_a_cut_between_two_people_in_the_same_place() -> None:
    """Shot and reverse shot with both framed alike: place says one person, looks say two."""
    linker = TrackLinker()
    stages = {1: _Stage(1), 2: _Stage(2)}
    ids = []
    for i in range(48):
        person = 1 + (i // 12) % 2
        frame, faces = stages[person].frame(i * 0.16, [(person, FakeFace(0, 99, (200, 150), 120))])
        ids += [n for n, _ in linker.update(frame, faces)]
    assert ids == ([1] * 12 + [2] * 12) * 2


def test_a_cut_before_one_wall_in_the_same_place() -> None:
    """Two people after each other in a studio: the picture changes little, their hair and faces do.

    Their faces resemble each other more than most, but not as one face does from one picture to the next. A hand in
    front of the face hides as much of it, and is no cut.
    """

    def shoot(look: NDArray[np.uint8], body: int, time_s: float) -> tuple[Frame, list[Face]]:
        picture = np.full((480, 640, 3), 110, np.uint8)
        picture[150:400, 200:440] = cv2.resize(_portrait(body), (240, 250), interpolation=cv2.INTER_AREA)
        picture[190:310, 260:380] = cv2.resize(look, (120, 120), interpolation=cv2.INTER_AREA)
        return Frame(time_s, picture), [fake_face((320, 250), 120)]

    one = _portrait(3)
    mixed = (0.65 * _portrait(4).astype(float) + 0.35 * one).astype(np.uint8)
    for look, body, same in ((mixed, 6, False), (mixed, 5, True)):
        linker = TrackLinker()
        for index in range(5):
            linker.update(*shoot(one, 5, index * 0.04))
        ((person, _),) = linker.update(*shoot(look, body, 0.2))
        assert linker._shot == 0, "expected no change of the shot, which would make it easy"
        assert (person == 1) == same


def test_frames_must_come_in_order() -> None:
    linker = TrackLinker()
    frame = Frame(1.0, np.zeros((90, 160, 3), np.uint8))
    linker.update(frame, [])
    with pytest.raises(ValueError, match="after 1"):
        linker.update(frame, [])


def test_a_face_outside_the_picture_or_on_black_does_no_harm() -> None:
    linker = TrackLinker()
    black = np.zeros((90, 160, 3), np.uint8)
    faces = [fake_face((-300, -300), 50), fake_face((80, 45), 40)]
    assert [n for n, _ in linker.update(Frame(0, black), faces)] == [1, 2]
    assert [n for n, _ in linker.update(Frame(0.2, black), faces)] == [1, 2]


def test_memory_is_bounded() -> None:
    """Hundreds of strangers, one after another: their numbers stay, their looks are forgotten."""
    linker = TrackLinker()
    rng = np.random.default_rng(0)
    for i in range(260):
        picture = rng.integers(0, 256, (90, 160, 3), np.uint8)
        ((number, _),) = linker.update(
            Frame(i * 5.0, picture), FakeDetector([FakeFace(0, 9999, (80, 45), 60)]).detect(Frame(i, picture))
        )
    assert number == 260
    assert len(linker._people) <= 200


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceFinder]:
    with FaceFinder() as detector:
        yield detector


@pytest.fixture(scope="module")
def pictures() -> list[Frame]:
    return list(read_frames(SAMPLE))


def _left(frame: Frame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frame.rgb[:, 20:150])


def _right(frame: Frame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frame.rgb[:, 135:265])


@pytest.mark.parametrize(
    "parts",
    [
        [(_left, 0), (_right, 24), (_left, 48)],
        [(_right, 0), (_left, 24), (_right, 48)],
        [(_left, 0), (_right, 0), (_left, 0)],
    ],
)
def test_cuts_between_real_people(detector: FaceFinder, pictures: list[Frame], parts: list[tuple[Cut, int]]) -> None:
    """Two seconds of one person, two of the other, two of the first: ids 1, 2, 1."""
    linker = TrackLinker()
    ids = []
    for index, (cut, start) in enumerate(parts):
        for i in range(0, 24, 2):
            frame = Frame(2.0 * index + i / 12, cut(pictures[start + i]))
            ids += [n for n, _ in linker.update(frame, detector.detect(frame))]
    assert ids == [1] * 12 + [2] * 12 + [1] * 12


def test_a_real_face_hidden_for_a_second(detector: FaceFinder, pictures: list[Frame]) -> None:
    linker = TrackLinker()
    for index in range(0, 60, 2):
        faces = detector.detect(pictures[index])
        shown = faces[:1] if 20 <= index < 32 else faces
        assert [n for n, _ in linker.update(pictures[index], shown)] == [1, 2][: len(shown)]
