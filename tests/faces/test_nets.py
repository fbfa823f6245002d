"""The face finder against MediaPipe itself, whose nets it runs."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceFinder
from hicmae_cli.faces.nets import BLENDSHAPES, Region, build_region, find_faces, read_blendshapes, read_landmarks
from hicmae_cli.media import Frame, read_frames
from tests.faces.mediapipe_reference import load, read_pictures
from tests.test_rooms import imported

SAMPLE = Path(__file__).parents[2] / "docs/assets/speech_sample.mp4"
REFERENCE = Path(__file__).with_name("mediapipe_reference.npz")


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    return [frame.rgb for frame in read_frames(SAMPLE)]


def _find(picture: NDArray[np.uint8]) -> list[Face]:
    with FaceFinder(num_faces=32, blendshapes=True) as finder:
        return finder.detect(Frame(0.0, picture))


def _compare(found: list[Face], wanted: list[Face]) -> tuple[float, float]:
    """The largest difference of landmarks, in hundredths of the face's size, and of blendshapes."""
    assert len(found) == len(wanted)
    points = shapes = 0.0
    for face, want in zip(found, wanted, strict=True):
        off_px = float(np.abs(face.landmarks_px - want.landmarks_px).max())
        points = max(points, 100 * off_px / want.size_px)
        assert face.blendshapes is not None and want.blendshapes is not None
        assert list(face.blendshapes) == list(want.blendshapes)
        off = [abs(face.blendshapes[name] - value) for name, value in want.blendshapes.items()]
        shapes = max(shapes, *off)
    return points, shapes


def test_faces_are_those_of_mediapipe(pictures: list[NDArray[np.uint8]]) -> None:
    """Twelve faces of 35 to 57 pixels, which MediaPipe read once."""
    stored = load(REFERENCE)
    assert sum(map(len, stored.values())) == 12
    for key, wanted in stored.items():
        points, shapes = _compare(_find(pictures[int(key)]), wanted)
        assert points <= 0.1
        assert shapes <= 0.01


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed")
def test_faces_are_those_of_mediapipe_today(pictures: list[NDArray[np.uint8]]) -> None:
    """Large, small, turned and mirrored faces, at the picture's edge, wide and high pictures, and none."""
    frame = pictures[50]
    turn = cv2.getRotationMatrix2D((200, 60), 25, 1.0)
    made = {
        "as it is": frame,
        "twice": cv2.resize(frame, (640, 480), interpolation=cv2.INTER_CUBIC),
        "close": cv2.resize(frame[10:110, 150:260], (660, 600), interpolation=cv2.INTER_CUBIC),
        "turned": np.asarray(cv2.warpAffine(frame, turn, (320, 240)), np.uint8),
        "mirrored": np.ascontiguousarray(pictures[20][:, ::-1]),
        "edge": np.ascontiguousarray(frame[30:, 185:]),
        "high": np.ascontiguousarray(frame[:, 160:250]),
        "wide": np.pad(pictures[70], ((0, 0), (500, 300), (0, 0))),
        "none": np.full((180, 240, 3), 128, np.uint8),
    }
    wanted = read_pictures(made)
    assert sum(map(len, wanted.values())) >= 12 and wanted["none"] == []
    for name, picture in made.items():
        points, shapes = _compare(_find(picture), wanted[name])
        assert points <= 0.1, name
        assert shapes <= 0.01, name


def test_only_one_module_imports_mediapipe_and_no_other_imports_that() -> None:
    """It reports every use to Google, and has no documented switch."""
    package = Path(__file__).parents[2] / "hicmae_cli"
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(
            "mediapipe" in name.split(".") or "mediapipe_detector" in name
            for name in imported(ast.parse(path.read_text("utf-8")))
        )
    }
    assert users == {"faces/mediapipe_detector.py"}


def test_many_pictures_at_once_are_what_each_is_alone(pictures: list[NDArray[np.uint8]]) -> None:
    views = [picture[: 240 - i, 2 * i :] for i, picture in enumerate(pictures[:40:2])]
    together = find_faces(views, 0.5, 0.3)
    assert len(together) == 20 and any(together)
    for view, found in zip(views, together, strict=True):
        (alone,) = find_faces([view], 0.5, 0.3)
        assert len(alone) == len(found)
        for one, other in zip(alone, found, strict=True):
            assert one.box == pytest.approx(other.box, abs=1e-3)
    assert find_faces([], 0.5, 0.3) == []


def test_found_faces_have_sure_scores_in_order_and_do_not_overlap(pictures: list[NDArray[np.uint8]]) -> None:
    (found,) = find_faces([pictures[50]], 0.5, 0.3)
    assert len(found) == 2
    assert 1 >= found[0].score >= found[1].score >= 0.5
    for face in found:
        left, top, right, bottom = face.box
        (x0, y0), (x1, y1) = face.eyes
        assert left < x0 < x1 < right and top < y0 < bottom and top < y1 < bottom
    (sure,) = find_faces([pictures[50]], 0.999, 0.3)
    assert len(sure) < 2


def test_landmarks_around_a_known_box(pictures: list[NDArray[np.uint8]]) -> None:
    """Without a search: the region of the frame before shows the face still."""
    (before,) = find_faces([pictures[50]], 0.5, 0.3)
    regions = [build_region(face) for face in before]
    points, presence = read_landmarks([pictures[51]] * 2, regions)
    assert points.shape == (2, 478, 2) and (presence > 0.9).all()
    for face, landmarks in zip(before, points, strict=True):
        middle = landmarks.mean(axis=0)
        assert face.box[0] < middle[0] < face.box[2] and face.box[1] < middle[1] < face.box[3]
    _, nothing = read_landmarks([pictures[50]], [Region(20, 220, 40, 40, 0.0)])
    assert nothing[0] < 0.5


def test_blendshapes_do_not_depend_on_place_and_scale(pictures: list[NDArray[np.uint8]]) -> None:
    (found,) = find_faces([pictures[50]], 0.5, 0.3)
    points, _ = read_landmarks([pictures[50]], [build_region(found[0])])
    (first, second) = read_blendshapes(np.concatenate([points, points * 3 + 100]))
    assert tuple(first) == BLENDSHAPES and len(first) == 52
    assert list(first.values()) == pytest.approx(list(second.values()), abs=1e-3)
    assert read_blendshapes(np.empty((0, 478, 2), np.float32)) == []
