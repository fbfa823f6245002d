"""The face of a person is cut where a prediction saw it, whoever else is in view."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.dataset import FacePlace
from hicmae_cli.media import Frame, write_video
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.preparing.clip import prepare_clip
from hicmae_cli.preparing.measuring import Source, UnusableError
from hicmae_cli.preparing.places import PlaceGuide
from tests.faces.fake import FakeDetector, FakeFace, fake_face

WIDTH, HEIGHT = 320, 160
LARGE, SMALL = FakeFace(0, 99, (80, 80), 80), FakeFace(0, 99, (240, 80), 60)


def place(time_s: float, face: FakeFace) -> FacePlace:
    """Where a face of a script is."""
    left, top, right, bottom = fake_face(face.centre_px, face.size_px).box_px
    return time_s, left / WIDTH, top / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 10 frames/s: white where the large face is and grey where the small one is; each second sounds louder."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, :160], picture[:, 160:] = 240, 120
    path = tmp_path_factory.mktemp("scene") / "scene.mkv"
    samples = np.repeat(np.array([0.1, 0.2, 0.3, 0.4], np.float32), SAMPLE_RATE_HZ)
    write_video(path, [picture] * 40, 10, samples * np.sign(np.sin(np.arange(len(samples)))).astype(np.float32))
    return path


def test_the_smaller_face_is_kept_with_its_own_time_and_sound(scene: Path, tmp_path: Path) -> None:
    places = tuple(place(t, SMALL) for t in (1.0, 1.25, 1.5, 1.75, 2.0))
    source = Source(scene, None, 1.0, 3.0, places=places, needs_sound=True)
    facts = prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([LARGE, SMALL]))
    # The last place counts for half a second: 15 of the 20 frames, and the one at its end.
    assert facts.face_coverage == pytest.approx(0.75, abs=0.051)
    assert (facts.video_s, facts.sound_s, facts.people_seen) == (2.0, 2.0, None)
    clip = read_prepared_clip(tmp_path / "clip.mkv", tmp_path / "clip.mkv").decode_all()
    assert isinstance(clip.frames, np.ndarray) and clip.samples is not None
    brightness = clip.frames.mean(axis=(1, 2, 3))
    assert brightness[:15] == pytest.approx(np.full(15, 120), abs=12)
    assert brightness[16:].max() < 8
    levels = np.abs(clip.samples).reshape(2, -1).mean(axis=1)
    assert levels == pytest.approx([0.2, 0.3], abs=0.02)


def test_nobody_at_the_place_is_no_face(scene: Path, tmp_path: Path) -> None:
    source = Source(scene, None, 0.0, 2.0, places=(place(0.0, SMALL), place(1.0, SMALL)))
    with pytest.raises(UnusableError, match="no face was found in any of its 20 frames"):
        prepare_clip(source, tmp_path / "clip.mkv", FakeDetector([LARGE]))
    assert list(tmp_path.iterdir()) == []


def test_a_place_between_two_is_on_the_line_between_them() -> None:
    guide = PlaceGuide([(1.0, 0.1, 0.2, 0.2, 0.2), (1.2, 0.3, 0.2, 0.4, 0.2)])
    assert guide.find(1.05) == pytest.approx((0.15, 0.2, 0.25, 0.2))
    assert guide.find(0.6) == pytest.approx((0.1, 0.2, 0.2, 0.2))
    assert guide.find(1.7) == pytest.approx((0.3, 0.2, 0.4, 0.2))
    assert guide.find(0.4) is None
    assert guide.find(1.8) is None
    sparse = PlaceGuide([(0.0, 0.0, 0.0, 0.1, 0.1), (4.0, 0.4, 0.0, 0.1, 0.1), (8.0, 0.8, 0.0, 0.1, 0.1)])
    assert sparse.find(6.0) == pytest.approx((0.6, 0.0, 0.1, 0.1))
    frame = Frame(0.0, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    near, far = fake_face((80, 80), 80), fake_face((240, 80), 80)
    guide = PlaceGuide([place(0.0, LARGE)])
    assert guide.choose(frame, 0.0, [far, near]) is near
    assert guide.choose(frame, 0.0, [far]) is None
    assert guide.choose(frame, 9.0, [near]) is None


@pytest.mark.slow
def test_a_predicted_timeline_comes_back_as_clips(sample: Path, tmp_path: Path) -> None:
    """Predict two people side by side, write ELAN's file, prepare: each clip shows the person of its tier."""
    import hicmae_cli as hicmae
    from hicmae_cli.corpora.manifest import read_manifest

    media = Path(shutil.copy(sample, tmp_path / "talk.mp4"))
    prediction = hicmae.predict(media)
    assert len(prediction.files[0].tracks) == 2
    prediction.save(tmp_path, ["json", "elan"])
    done = hicmae.prepare("annotations", tmp_path, workers=0, on_warning=lambda _: None)
    clips = read_manifest(done.manifest)
    assert {clip.extra["tier"] for clip in clips} == {"person 1", "person 2"}
    colours: dict[str, list[np.ndarray]] = {"person 1": [], "person 2": []}
    for clip in clips:
        frames = read_prepared_clip(clip.video, None).decode_all().frames
        assert isinstance(frames, np.ndarray)
        shown = frames[frames.mean(axis=(1, 2, 3)) > 8]
        colours[clip.extra["tier"]].append(shown.mean(axis=0))
    first, second = (np.mean(each, axis=0) for each in colours.values())
    between = np.abs(first - second).mean()
    assert all(np.abs(each - first).mean() < between / 2 for each in colours["person 1"])
    assert all(np.abs(each - second).mean() < between / 2 for each in colours["person 2"])
