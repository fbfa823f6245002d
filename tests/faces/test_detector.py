"""The real detector on the sample clip, which shows two people side by side."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face, FaceDetector, FaceFinder, TrackLinker, align_face
from hicmae_cli.faces import detector as detector_module
from hicmae_cli.faces.detector import _Read
from hicmae_cli.faces.nets import Found, find_faces
from hicmae_cli.media import Frame, read_frames, sample_frames, write_video
from tests.media.make import make_video

SAMPLE = Path(__file__).parents[2] / "docs/assets/speech_sample.mp4"
STEP_S = 0.16


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceFinder]:
    with FaceFinder() as detector:
        yield detector


@pytest.fixture(scope="module")
def pictures() -> list[Frame]:
    return list(read_frames(SAMPLE))


def _coverage(path: Path, detector: FaceDetector) -> dict[int, float]:
    """Share of the sampled frames in which each id is seen."""
    linker = TrackLinker()
    seen: Counter[int] = Counter()
    count = 0
    for frame in sample_frames(path, STEP_S):
        seen.update(track for track, _ in linker.update(frame, detector.detect(frame)))
        count += 1
    return {track: times / count for track, times in seen.items()}


def test_sample_has_two_people_throughout(detector: FaceFinder) -> None:
    coverage = _coverage(SAMPLE, detector)
    assert set(coverage) == {1, 2}
    assert min(coverage.values()) >= 0.98


@pytest.mark.slow
def test_fifty_frames_a_second_change_nothing(tmp_path: Path, detector: FaceFinder, pictures: list[Frame]) -> None:
    path = tmp_path / "a.mkv"
    repeated = (pictures[min(int(i * 12 / 50), 104)].rgb for i in range(round(105 / 12 * 50)))
    write_video(path, repeated, 50, crf=0, preset="ultrafast")
    coverage = _coverage(path, detector)
    assert set(coverage) == {1, 2}
    assert min(coverage.values()) >= 0.98


def test_variable_rate_changes_nothing(tmp_path: Path, detector: FaceFinder, pictures: list[Frame]) -> None:
    path = tmp_path / "a.mkv"
    rng = np.random.default_rng(0)
    kept = [pictures[0], *(f for f in pictures[1:] if rng.random() < 0.6)]
    write_video(path, kept, 12, crf=0, preset="ultrafast")
    coverage = _coverage(path, detector)
    assert set(coverage) == {1, 2}
    assert min(coverage.values()) >= 0.98


@pytest.mark.parametrize("rotation_deg", [90, 180])
def test_rotation_by_metadata_changes_nothing(
    tmp_path: Path, detector: FaceFinder, pictures: list[Frame], rotation_deg: int
) -> None:
    stored = [np.ascontiguousarray(np.rot90(f.rgb, -rotation_deg // 90)) for f in pictures]
    path = make_video(
        tmp_path / "a.mp4",
        stored,
        [f.time_s for f in pictures],
        rotation_deg=rotation_deg,
        options={"crf": "1", "preset": "ultrafast"},
    )
    coverage = _coverage(path, detector)
    assert set(coverage) == {1, 2}
    assert min(coverage.values()) >= 0.98


def test_landmarks_and_crops(detector: FaceFinder, pictures: list[Frame]) -> None:
    faces = detector.detect(pictures[50])
    right, left = faces  # largest first: the speaker on the right
    assert right.size_px > left.size_px
    for face, box in ((left, (64, 45, 112, 110)), (right, (175, 25, 235, 95))):
        assert box[0] < face.box_px[0] < face.box_px[2] < box[2]
        assert box[1] < face.box_px[1] < face.box_px[3] < box[3]
        assert face.blendshapes is None
        crop = align_face(pictures[50].rgb, face.landmarks_px)
        skin = crop[60:100, 40:120].reshape(-1, 3).mean(axis=0)
        assert skin[0] > skin[1] > skin[2] - 10
    # Right eye (as the picture sees it: left) above the mouth, which is above the chin.
    ys = right.landmarks_px[[33, 13, 152], 1]
    assert ys[0] < ys[1] < ys[2]


def test_landmarks_hardly_depend_on_other_frames(pictures: list[Frame]) -> None:
    """A face that is followed is read in a crop around its last place; its landmarks stay where they are."""
    with FaceFinder() as used:
        for frame in pictures[50:60]:
            used.detect(frame)
            with FaceFinder() as fresh:
                alone = fresh.detect(frame)
            for first, second in zip(alone, used.detect(frame), strict=True):
                offset_px = np.linalg.norm(first.landmarks_px - second.landmarks_px, axis=1)
                assert offset_px.mean() < 0.01 * first.size_px


def count_crops(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of crops that each search or look at known places takes."""
    searched: list[int] = []

    def count_and_find(views: Sequence[NDArray[np.uint8]], *limits: float) -> list[list[Found]]:
        searched.append(len(views))
        return find_faces(views, *limits)

    monkeypatch.setattr(detector_module, "find_faces", count_and_find)
    return searched


def test_faces_that_are_followed_need_no_search(pictures: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pictures 0.08 s apart, every sixth is searched; in the others, two close crops are enough."""
    searched = count_crops(monkeypatch)
    calls = []
    with FaceFinder() as finder:
        for frame in pictures[40:64]:
            before = len(searched)
            assert len(finder.detect(frame)) == 2
            calls.append(searched[before:])
    assert sum(len(some) > 1 for some in calls) <= 6
    assert all(some[0] == 2 for some in calls[1:])


def test_a_cut_a_newcomer_and_a_lost_face_are_searched_for(pictures: list[Frame]) -> None:
    blank = np.full_like(pictures[50].rgb, 90)
    left = pictures[50].rgb.copy()
    left[:, 140:] = 90
    with FaceFinder() as finder:
        assert [len(finder.detect(Frame(0.16 * i, left))) for i in range(2)] == [1, 1]
        # Somebody else appears beside the one who is followed: within half a second.
        found = [len(finder.detect(Frame(0.32 + 0.16 * i, pictures[50 + i].rgb))) for i in range(4)]
        assert found[-1] == 2
        assert finder.detect(Frame(1.0, blank)) == []
        assert len(finder.detect(Frame(1.2, pictures[50].rgb))) == 2
        moved = np.roll(pictures[50].rgb, 90, axis=1)
        assert len(finder.detect(Frame(1.4, moved))) == len(finder.detect(Frame(0.0, moved)))


def test_a_larger_newcomer_takes_the_place_of_the_one_followed(pictures: list[Frame]) -> None:
    left = pictures[50].rgb.copy()
    left[:, 140:] = 90
    with FaceFinder(num_faces=1) as finder:
        (alone,) = finder.detect(Frame(0.0, left))
        faces = [finder.detect(Frame(0.16 * (1 + i), pictures[50].rgb.copy())) for i in range(4)]
    assert alone.centre_px[0] < 140 < faces[-1][0].centre_px[0]
    assert all(len(some) == 1 for some in faces)


@pytest.mark.parametrize("times", [1.5, 2.0, 3.0])
def test_small_faces(detector: FaceFinder, pictures: list[Frame], times: float) -> None:
    """The same people in a picture several times as large: the smaller face has 41 px of 720, at last."""
    height, width = int(240 * times), int(320 * times)
    wide = np.full((height, width, 3), 90, np.uint8)
    wide[height - 240 :, (width - 320) // 2 : (width - 320) // 2 + 320] = pictures[50].rgb
    assert len(detector.detect(Frame(0.0, wide))) == 2


def test_one_large_face(detector: FaceFinder, pictures: list[Frame]) -> None:
    face = detector.detect(pictures[50])[0]
    x, y = (round(v) for v in face.centre_px)
    close = pictures[50].rgb[max(0, y - 40) : y + 40, x - 40 : x + 40].repeat(6, 0).repeat(6, 1)
    (found,) = detector.detect(Frame(0.0, np.ascontiguousarray(close)))
    assert found.size_px > 200


def test_number_of_faces_is_limited_to_the_largest(pictures: list[Frame]) -> None:
    with FaceFinder(num_faces=1) as detector:
        (face,) = detector.detect(pictures[50])
    assert face.centre_px[0] > 160
    with pytest.raises(ValueError, match="num_faces"):
        FaceFinder(num_faces=0)


def _faceless() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:360, :480]
    coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
    return {
        "white noise": rng.integers(0, 256, (360, 480, 3), np.uint8),
        "colour bars": np.repeat(np.repeat(rng.integers(0, 256, (1, 8, 3), np.uint8), 360, 0), 60, 1),
        "blocks": coarse.repeat(30, 0).repeat(30, 1),
        "gradient": np.stack([columns * 255 // 480, rows * 255 // 360, (rows + columns) % 256], -1).astype(np.uint8),
        "stripes": np.repeat((((columns // 7) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2),
        "black": np.zeros((360, 480, 3), np.uint8),
        "flat skin": np.full((360, 480, 3), (205, 160, 135), np.uint8),
    }


@pytest.mark.parametrize("name", _faceless())
def test_no_face_is_invented(detector: FaceFinder, name: str) -> None:
    picture = _faceless()[name]
    for time_s in (0.0, 10.0):
        assert detector.detect(Frame(time_s, picture)) == []


def test_noise_video_has_no_faces(detector: FaceFinder) -> None:
    rng = np.random.default_rng(1)
    found = sum(
        len(detector.detect(Frame(100.0 + i * STEP_S, rng.integers(0, 256, (240, 320, 3), np.uint8))))
        for i in range(40)
    )
    assert found == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 500), (500, 2), (17, 33)])
def test_tiny_pictures(detector: FaceFinder, shape: tuple[int, int]) -> None:
    assert detector.detect(Frame(0.0, np.zeros((*shape, 3), np.uint8))) == []


def test_blendshapes(pictures: list[Frame]) -> None:
    with FaceFinder(blendshapes=True) as detector:
        face = detector.detect(pictures[50])[0]
    assert face.blendshapes is not None
    assert {"jawOpen", "mouthSmileLeft", "browInnerUp"} <= set(face.blendshapes)
    assert all(0 <= value <= 1 for value in face.blendshapes.values())


def test_closing_twice_and_using_a_closed_one(pictures: list[Frame]) -> None:
    detector = FaceFinder()
    detector.close()
    detector.close()
    with pytest.raises(ValueError, match="closed"):
        detector.detect(pictures[0])


def test_import_is_light_and_the_console_stays_clean() -> None:
    code = f"""
import sys
import hicmae_cli.faces
heavy = ("mediapipe", "torch", "onnxruntime", "matplotlib")
assert not [name for name in heavy if name in sys.modules]
from hicmae_cli.faces import FaceFinder
from hicmae_cli.media import sample_frames
with FaceFinder() as detector:
    print(sum(len(detector.detect(frame)) for frame in sample_frames({str(SAMPLE)!r}, 2.0)))
assert "mediapipe" not in sys.modules and "matplotlib" not in sys.modules
print("still here", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "10\n"
    assert done.stderr == "still here\n"


def test_a_hand_is_no_face(detector: FaceFinder, pictures: list[Frame]) -> None:
    """In the clip's first frame, enlarged, the search takes a hand for a face; the reader must not."""
    enlarged = pictures[0].rgb.repeat(3, 0).repeat(3, 1)
    smooth = np.asarray(cv2.GaussianBlur(enlarged, (0, 0), 1.2), np.uint8)
    assert len(detector.detect(Frame(0.0, smooth))) == 2


@pytest.mark.parametrize("shape", [(1, 32767), (32767, 1), (20, 70000), (40000, 200)])
def test_sides_beyond_what_cv2_takes(detector: FaceFinder, shape: tuple[int, int]) -> None:
    assert detector.detect(Frame(0.0, np.zeros((*shape, 3), np.uint8))) == []


def test_a_face_in_a_picture_beyond_what_cv2_takes(detector: FaceFinder, pictures: list[Frame]) -> None:
    """At the far end of a strip 40,000 pixels long, the same faces with the same landmarks and crops."""
    strip = np.zeros((240, 40_000, 3), np.uint8)
    strip[:, -320:] = pictures[50].rgb
    found = detector.detect(Frame(0.0, strip))
    alone = detector.detect(pictures[50])
    assert len(found) == len(alone) == 2
    for face, wanted in zip(found, alone, strict=True):
        assert np.abs(face.landmarks_px - (39_680, 0) - wanted.landmarks_px).max() < 1
        crop = align_face(strip, face.landmarks_px).astype(int)
        same = align_face(pictures[50].rgb, face.landmarks_px - np.array([39_680, 0], np.float32))
        assert np.abs(crop - same).mean() < 1


def test_a_picture_that_stays_is_searched_once(pictures: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    searched = count_crops(monkeypatch)
    rgb = pictures[50].rgb
    with FaceFinder() as finder:
        first = finder.detect(Frame(0.0, rgb))
        count = len(searched)
        for i in range(1, 100):
            assert finder.detect(Frame(i * STEP_S, rgb)) is first
        assert len(searched) == count
        finder.detect(Frame(16.0, rgb.copy()))
        assert len(searched) > count


def test_changes_around_a_known_face_wait_for_the_full_search(pictures: list[Frame]) -> None:
    """The person moves in every picture of a talk; somebody else there is rare."""
    rgb = np.zeros((720, 1280, 3), np.uint8)
    face = Face(np.random.default_rng(0).uniform((590, 310), (690, 410), (478, 2)).astype(np.float32))
    known = [_Read(face, face.box_px)]
    before, beside, away = np.zeros((3, 18, 32), np.float32)
    beside[9, 16] = 50  # 40 px a cell: at 660, 380
    away[9, 28] = 50
    with FaceFinder() as finder:
        everything = finder._choose_fine_crops(Frame(0.0, rgb), before, known)
        assert finder._choose_fine_crops(Frame(0.8, rgb), beside, known) == []
        assert finder._choose_fine_crops(Frame(1.6, rgb), before, []) != []
        chosen = finder._choose_fine_crops(Frame(2.4, rgb), away, known)
        assert chosen and all(crop.right > 28 * 40 for crop in chosen)
        assert finder._choose_fine_crops(Frame(3.2, rgb), beside, known) == everything


def test_a_picture_that_stays_is_searched_for_small_faces_too(pictures: list[Frame]) -> None:
    """It appears between two sweeps, and its face is too small for the coarse views."""
    height, width = 720, 960
    blank = np.full((height, width, 3), 90, np.uint8)
    shown = blank.copy()
    shown[480:, 640:] = pictures[50].rgb
    with FaceFinder() as finder:
        assert finder.detect(Frame(0.0, blank)) == []
        counts = [len(finder.detect(Frame(0.16 * i, shown))) for i in range(1, 10)]
    assert counts[0] < 2 and counts[-1] == 2
