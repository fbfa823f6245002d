"""A window of any video: its time, its person, its sound, and what it cannot be cut from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.clips.snippet import Snippet, read_snippet
from hicmae_cli.errors import MediaError, SettingsError
from hicmae_cli.media import write_video
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from tests.faces.fake import FakeDetector, FakeFace

LEFT, RIGHT = (70.0, 80.0), (190.0, 80.0)


def tone(start_s: float, end_s: float, length_s: float) -> NDArray[np.float32]:
    """Silence with a tone from one time to another."""
    time_s = np.arange(round(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    heard = (time_s >= start_s) & (time_s < end_s)
    return (0.3 * np.sin(2 * np.pi * 440 * time_s) * heard).astype(np.float32)


def scene(path: Path, length_s: float = 6.0, samples: NDArray[np.float32] | None = None) -> Path:
    """10 frames/s: on the left a square that brightens by 20 each second, on the right a bright one."""
    pictures = []
    for index in range(round(length_s * 10)):
        picture = np.full((160, 240, 3), 60, np.uint8)
        picture[40:120, 30:110] = 80 + 2 * index
        picture[40:120, 150:230] = 240
        pictures.append(picture)
    write_video(path, pictures, 10, tone(0, length_s, length_s) if samples is None else samples)
    return path


def cut(path: Path, start_s: float | None, *script: FakeFace) -> Snippet:
    def detector() -> AbstractContextManager[FakeDetector]:
        return FakeDetector(script)

    return read_snippet(path, start_s, detector)


def no_detector() -> AbstractContextManager[FakeDetector]:
    raise AssertionError("faces are there already")


def test_faces_have_the_time_asked_for(tmp_path: Path) -> None:
    snippet = cut(scene(tmp_path / "a.mkv"), 1.234, FakeFace(0, 9, LEFT, 60))
    assert snippet.start_s == 1.234
    middle = snippet.faces[:, 60:100, 60:100].mean(axis=(1, 2, 3))
    shown = np.floor((1.234 + 0.16 * np.arange(16)) * 10)  # the frame on display
    np.testing.assert_allclose(middle, 80 + 2 * shown, atol=3)


def test_by_default_the_middle_is_taken(tmp_path: Path) -> None:
    assert cut(scene(tmp_path / "a.mkv"), None, FakeFace(0, 9, LEFT, 60)).start_s == pytest.approx(1.72)


def test_one_person_is_followed_though_another_is_larger_for_a_moment(tmp_path: Path) -> None:
    script = FakeFace(0, 9, LEFT, 50), FakeFace(2, 2.5, RIGHT, 70)
    faces = cut(scene(tmp_path / "a.mkv"), 1.0, *script).faces
    assert faces[:, 60:100, 60:100].mean(axis=(1, 2, 3)).max() < 200


def test_moments_without_the_face_are_black(tmp_path: Path) -> None:
    faces = cut(scene(tmp_path / "a.mkv"), 0.0, FakeFace(1.0, 9, LEFT, 60)).faces
    black = faces.max(axis=(1, 2, 3)) == 0
    assert black.tolist() == [0.16 * index < 1.0 for index in range(16)]


def test_sound_is_of_the_same_time(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.mkv", samples=tone(2.0, 2.5, 6.0))
    energy = cut(path, 1.5, FakeFace(0, 9, LEFT, 60)).log_mel[:254].mean(axis=1)  # the last two frames are padding
    loud = np.flatnonzero(energy > (energy.min() + energy.max()) / 2)
    assert loud.min() == pytest.approx(50, abs=3) and loud.max() == pytest.approx(100, abs=3)


def test_a_prepared_clip_needs_no_detector(tmp_path: Path) -> None:
    """One shorter than the window, too: its last frame is repeated, silence follows its sound."""
    faces = [np.full((160, 160, 3), 60 + 5 * index, np.uint8) for index in range(20)]
    path = tmp_path / "clip.mkv"
    write_prepared_clip(path, faces, 10, tone(0, 2, 2))
    snippet = read_snippet(path, None, no_detector)
    assert snippet.start_s == 0
    shown = np.minimum(np.floor(1.6 * np.arange(16) + 0.01), 19)
    np.testing.assert_allclose(snippet.faces.mean(axis=(1, 2, 3)), 60 + 5 * shown, atol=3)
    assert snippet.log_mel[205:254].max() < snippet.log_mel[:195].max(axis=1).min()


@pytest.mark.parametrize("start_s", [-0.1, 3.5, float("nan"), float("inf")])
def test_a_window_outside_of_the_video_is_refused(tmp_path: Path, start_s: float) -> None:
    with pytest.raises(SettingsError, match=r"at_s=.*, expected 0 to 3\.44: .* has 6\.00 s of video"):
        read_snippet(scene(tmp_path / "a.mkv"), start_s, no_detector)


def test_no_face_in_the_window_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.mkv: no face was found from 1\.00 to 3\.56 s; choose"):
        cut(scene(tmp_path / "a.mkv"), 1.0, FakeFace(4, 9, LEFT, 60))
    write_prepared_clip(tmp_path / "black.mkv", [np.zeros((160, 160, 3), np.uint8)] * 30, 10, tone(0, 3, 3))
    with pytest.raises(MediaError, match="no face was found"):
        read_snippet(tmp_path / "black.mkv", None, no_detector)


def test_no_sound_is_said(tmp_path: Path) -> None:
    faces = [np.full((160, 160, 3), 90, np.uint8)] * 60
    write_prepared_clip(tmp_path / "silent.mkv", faces, 10, None)
    with pytest.raises(MediaError, match=r"silent\.mkv: no sound track"):
        read_snippet(tmp_path / "silent.mkv", None, no_detector)
    write_prepared_clip(tmp_path / "ends.mkv", faces, 10, tone(0, 1, 1))
    with pytest.raises(MediaError, match=r"ends\.mkv: there is no sound from 3\.00 to 5\.56 s"):
        read_snippet(tmp_path / "ends.mkv", 3.0, no_detector)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "voice.wav", tone(0, 3, 3), SAMPLE_RATE_HZ)
    with pytest.raises(MediaError, match=r"voice\.wav: no video track"):
        read_snippet(tmp_path / "voice.wav", None, no_detector)
