"""Mouths read around known faces: against the face finder's own landmarks, once per picture, and not across a cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceFinder
from hicmae_cli.faces.nets import Region, build_region_around
from hicmae_cli.media import Frame, read_frames
from hicmae_cli.speaking import mouths
from hicmae_cli.speaking.mouths import MouthReader, measure_openings
from tests.faces.fake import FakeFace


def make_face(x_px: float, size_px: float = 50.0) -> Face:
    return FakeFace(0.0, 1.0, (x_px, 48.0), size_px).at(0.0)


def frame(time_s: float, rgb: NDArray[np.uint8] | None = None) -> Frame:
    return Frame(time_s, np.zeros((96, 256, 3), np.uint8) if rgb is None else rgb)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[Region]]:
    """The regions of each call of the landmark net, which answers with a face whose lips are as high as it is wide."""
    calls: list[list[Region]] = []

    def read(
        pictures: Sequence[NDArray[np.uint8]], regions: Sequence[Region]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        calls.append(list(regions))
        found = np.zeros((len(regions), 478, 2), np.float32)
        for index, region in enumerate(regions):
            found[index, [10, 454]] = region.x / 100
            found[index, [84, 17, 314], 1] = region.x / 100
        return found, np.ones(len(regions), np.float32)

    monkeypatch.setattr(mouths, "read_landmarks", read)
    return calls


def test_the_region_moves_from_one_look_to_the_next(reads: list[list[Region]]) -> None:
    reader = MouthReader()
    reader.read([], frame(0.0), [(1, make_face(100.0)), (2, make_face(200.0))])
    between = [frame(index * 0.04) for index in range(1, 4)]
    readings = reader.read(between, frame(0.16), [(1, make_face(108.0)), (2, make_face(200.0))])
    assert [len(each) for each in reads] == [2] * 3  # the faces of one picture in one call, none of the finder's own
    first = [regions[0].x for regions in reads]
    assert np.diff(first) == pytest.approx([2.0, 2.0])
    assert [(r.track, round(r.time_s, 2)) for r in readings] == [
        (track, time_s) for time_s in (0.04, 0.08, 0.12, 0.16) for track in (1, 2)
    ]
    assert [r.picture for r in readings] == [2, 2, 3, 3, 4, 4, 5, 5]


def test_a_picture_that_stays_has_one_reading_which_is_the_finders(reads: list[list[Region]]) -> None:
    reader = MouthReader()
    still = frame(0.0).rgb
    for step in range(3):
        between = [frame(0.16 * step - 0.04 * index, still) for index in (3, 2, 1)] if step else []
        readings = reader.read(between, frame(0.16 * step, still), [(1, make_face(100.0))])
    assert not reads
    assert len(readings) == 4 and len({r.opening for r in readings}) == len({r.picture for r in readings}) == 1


def test_somebody_who_is_found_late_in_a_picture_that_stays_is_read() -> None:
    reader, still = MouthReader(), frame(0.0).rgb
    reader.read([], frame(0.0, still), [(1, make_face(100.0))])
    readings = reader.read([], frame(0.16, still), [(1, make_face(100.0)), (2, make_face(200.0))])
    assert [r.track for r in readings] == [1, 2]


def test_a_picture_between_two_looks_is_read_once_though_it_stays(reads: list[list[Region]]) -> None:
    reader = MouthReader()
    reader.read([], frame(0.0), [(1, make_face(100.0))])
    still, last = frame(0.04).rgb, frame(0.16)
    between = [frame(0.04, still), frame(0.08, still), frame(0.12, last.rgb)]
    readings = reader.read(between, last, [(1, make_face(108.0))])
    assert sum(map(len, reads)) == 1
    assert [r.picture for r in readings] == [2, 2, 3, 3]


def test_a_face_that_is_new_or_somewhere_else_is_read_from_its_look_on(reads: list[list[Region]]) -> None:
    reader = MouthReader()
    reader.read([], frame(0.0), [(1, make_face(60.0))])
    readings = reader.read([frame(0.08)], frame(0.16), [(1, make_face(200.0)), (2, make_face(60.0))])
    assert [(r.track, r.time_s) for r in readings] == [(1, 0.16), (2, 0.16)]


def test_after_skipped_pictures_the_region_starts_at_the_last_face(reads: list[list[Region]]) -> None:
    reader = MouthReader()
    reader.skip([(1, make_face(100.0))])
    readings = reader.read([frame(0.2)], frame(0.24), [(1, make_face(100.0))])
    assert [r.time_s for r in readings] == [0.2, 0.24]


def test_a_region_without_a_face_gives_no_reading() -> None:
    reader, face = MouthReader(), [(1, make_face(100.0))]
    reader.skip(face)
    grey = frame(0.08, np.full((96, 256, 3), 128, np.uint8))
    assert [r.time_s for r in reader.read([grey], frame(0.16), face)] == [0.16]


def test_lips_are_measured_relative_to_the_face() -> None:
    landmarks = np.zeros((1, 478, 2), np.float32)
    landmarks[0, 152, 1] = 200.0
    landmarks[0, 454, 0] = 200.0
    landmarks[0, [84, 17, 314], 1] = 30.0
    assert measure_openings(landmarks) == pytest.approx([0.15])
    assert measure_openings(3 * landmarks) == pytest.approx([0.15])
    assert not measure_openings(np.zeros((1, 478, 2), np.float32)).any()


def test_a_face_is_read_as_the_finder_reads_it(sample: Path) -> None:
    picture = next(iter(read_frames(sample)))
    with FaceFinder(num_faces=2) as finder:
        faces = finder.detect(picture)
    reader, linked = MouthReader(), list(enumerate(faces))
    reader.skip(linked)
    copy = Frame(picture.time_s, picture.rgb.copy())
    between, own = np.array([r.opening for r in reader.read([picture], copy, linked)]).reshape(2, -1)
    assert own == pytest.approx(measure_openings(np.stack([face.landmarks_px for face in faces])))
    assert between == pytest.approx(own, abs=0.025)
    region = build_region_around(faces[0].landmarks_px)
    left, top, right, bottom = faces[0].box_px
    assert region.width_px == region.height_px == pytest.approx(1.5 * max(right - left, bottom - top))
