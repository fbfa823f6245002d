"""Random windows of recordings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips import Recording, read_random_window, write_prepared_clip
from hicmae_cli.clips import recording as windows
from hicmae_cli.errors import MediaError
from hicmae_cli.media import read_audio, read_frames, read_frames_at, write_video
from tests.media.make import make_sound, make_video


def numbered_faces(count: int, size: int = 160) -> NDArray[np.uint8]:
    """(count, size, size, 3): from dark to bright, with a bit of texture."""
    levels = np.linspace(40, 230, count).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, size, size, 3))


def ramp(length_s: float) -> NDArray[np.float32]:
    """Sound whose value tells the time: sample i is i / 16000 / 20."""
    return (np.arange(round(length_s * 16_000)) / 320_000).astype(np.float32)


@pytest.fixture
def clip(tmp_path: Path) -> Recording:
    """A prepared clip of 10 s, 25 frames/s."""
    write_prepared_clip(tmp_path / "clip.mkv", numbered_faces(250), 25, ramp(10))
    return Recording("clip", tmp_path / "clip.mkv", None)


def start_of(faces: NDArray[np.uint8], frames: int = 250, fps: int = 25) -> float:
    """When the first face of a window is shown, from its brightness."""
    levels = np.linspace(40, 230, frames).astype(np.uint8)
    return int(np.argmin(np.abs(levels - faces[0].mean()))) / fps


def test_faces_and_sound_are_of_the_same_time_and_anywhere(clip: Recording) -> None:
    rng = np.random.default_rng(0)
    starts_s = []
    everything, whole = list(read_frames(clip.video)), read_audio(clip.video)
    for _ in range(8):
        faces, sound = read_random_window(clip, rng)
        assert faces.shape == (16, 160, 160, 3) and faces.dtype == np.uint8
        assert sound.shape == (40_960,) and sound.dtype == np.float32
        start_s = float(sound[0]) * 20
        starts_s.append(start_s)
        shown = [max(i for i in range(250) if i / 25 <= start_s + k * 0.16 + 1.1e-3) for k in range(16)]
        assert np.array_equal(faces, [everything[i].rgb for i in shown])
        start = round(start_s * 16_000)
        assert sound == pytest.approx(whole[start : start + 40_960], abs=4e-5)  # a bit more than one step of 16 bit
    assert min(starts_s) < 2.5 and max(starts_s) > 5
    assert min(starts_s) >= 0 and max(starts_s) <= 10 - 2.56 + 1e-3


def test_the_same_generator_draws_the_same(clip: Recording) -> None:
    first, second = (read_random_window(clip, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], read_random_window(clip, np.random.default_rng(8))[0])


def test_a_short_recording_is_filled_up(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "clip.mkv", numbered_faces(25), 25, ramp(1))
    faces, sound = read_random_window(Recording("a", tmp_path / "clip.mkv", None), np.random.default_rng(0))
    assert start_of(faces, 25) == 0
    assert np.array_equal(faces[7], faces[15]) and faces[15].mean() == pytest.approx(230, abs=3)
    assert len(sound) == 40_960
    assert sound[15_999] > 0.04 and not sound[16_000:].any()


def voxceleb2_like(folder: Path) -> Recording:
    """3 s of 224 x 224 with a bright face in the place where VoxCeleb2 has it; the sound is another file."""
    picture = np.full((224, 224, 3), 30, np.uint8)
    picture[:160, 32:192] = 200
    make_video(folder / "a.mp4", [picture] * 75, [Fraction(i, 25) for i in range(75)], options={"bf": "2"})
    make_sound(folder / "a.m4a", np.full((1, 48_000), 0.1, np.float32), 16_000, "mono", "aac")
    return Recording("a", folder / "a.mp4", folder / "a.m4a", (0, 160, 32, 192))


def test_a_picture_is_cropped(tmp_path: Path) -> None:
    faces, sound = read_random_window(voxceleb2_like(tmp_path), np.random.default_rng(1))
    assert faces.shape == (16, 160, 160, 3)
    assert faces[:, 4:-4, 4:-4].min() > 190
    assert np.median(sound) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("crop", "said"),
    [
        (None, "224 x 224, not 160 x 160"),
        ((0, 100, 32, 192), "cropped 160 x 100, not 160 x 160"),
        ((70, 230, 32, 192), "224 x 224, too small for the crop"),
        ((0, 160, 100, 260), "224 x 224, too small for the crop"),
    ],
)
def test_pictures_of_another_size_are_named(tmp_path: Path, crop: Any, said: str) -> None:
    whole = voxceleb2_like(tmp_path)
    with pytest.raises(MediaError, match=said):
        read_random_window(Recording("a", whole.video, whole.audio, crop), np.random.default_rng(0))


@pytest.mark.parametrize("crop", [(5, 5, 0, 160), (0, 160, -1, 159), (9, 3, 0, 1)])
def test_a_crop_has_an_area(crop: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="recording a: expected a crop"):
        Recording("a", Path("a.mp4"), None, crop)


def test_a_folder_of_faces_has_25_frames_in_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, face in enumerate(numbered_faces(100, 20)):
        Image.fromarray(np.ascontiguousarray(face)).save(folder / f"{index:05}.png")
    make_sound(tmp_path / "a.wav", ramp(4)[None], 16_000, "mono", "pcm_f32le")
    recording = Recording("a", folder, tmp_path / "a.wav")
    levels = np.linspace(40, 230, 100).astype(np.uint8)
    for seed in range(5):
        faces, sound = read_random_window(recording, np.random.default_rng(seed))
        start_s = float(sound[0]) * 20
        shown = [max(i for i in range(100) if i / 25 <= start_s + k * 0.16 + 1.1e-3) for k in range(16)]
        assert faces[:, 80, 80, 0].tolist() == levels[shown].tolist()
    with pytest.raises(MediaError, match="without a sound file"):
        read_random_window(Recording("a", folder, None), np.random.default_rng(0))


def with_black(path: Path, seen: slice) -> Recording:
    faces = np.zeros((500, 160, 160, 3), np.uint8)
    faces[seen] = 150
    write_prepared_clip(path, faces, 25, ramp(20))
    return Recording("a", path, None)


def test_windows_without_a_face_are_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = with_black(tmp_path / "a.mkv", slice(0, 250))
    monkeypatch.setattr(windows, "_DRAWS", 100)
    rng = np.random.default_rng(0)
    for _ in range(6):
        faces, sound = read_random_window(recording, rng)
        assert (faces.max(axis=(1, 2, 3)) > 100).sum() >= 8
        assert float(sound[0]) * 20 < 10 - 1.28 + 0.16


def test_half_of_the_faces_are_enough(tmp_path: Path) -> None:
    pictures = np.zeros((16, 160, 160, 3), np.uint8)
    pictures[8:] = 150
    write_prepared_clip(tmp_path / "a.mkv", pictures, Fraction(25, 4), ramp(2.56))
    faces, _ = read_random_window(Recording("a", tmp_path / "a.mkv", None), np.random.default_rng(0))
    assert (faces.max(axis=(1, 2, 3)) < 16).tolist() == [True] * 8 + [False] * 8


def test_after_some_draws_nobody_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = with_black(tmp_path / "a.mkv", slice(0, 1))
    draws = []

    def counting(path: Path, times_s: list[float]) -> list[NDArray[np.uint8]]:
        draws.append(times_s[0])
        return read_frames_at(path, times_s)

    monkeypatch.setattr(windows, "read_frames_at", counting)
    with pytest.raises(MediaError, match=r"a\.mkv: no face in 8 windows"):
        read_random_window(recording, np.random.default_rng(0))
    assert len(set(draws)) == 8


def test_where_the_sound_has_ended_is_drawn_again(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "clip.mkv", numbered_faces(250), 25, ramp(5))
    recording = Recording("a", tmp_path / "clip.mkv", None)
    for seed in range(20):
        faces, _ = read_random_window(recording, np.random.default_rng(seed))
        assert start_of(faces, 25) < 4.6


def refused(recording: Recording) -> str:
    with pytest.raises(MediaError) as caught:
        read_random_window(recording, np.random.default_rng(0))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_a_window_needs(tmp_path: Path) -> None:
    write_prepared_clip(tmp_path / "silent.mkv", numbered_faces(100), 25, None)
    assert "has no audio stream" in refused(Recording("a", tmp_path / "silent.mkv", None))
    short = make_sound(tmp_path / "short.wav", ramp(0.4)[None], 16_000, "mono", "pcm_s16le")
    assert "at least 0.5 s" in refused(Recording("a", tmp_path / "silent.mkv", short))
    assert "has no video" in refused(Recording("a", short, None))
    assert "no such file" in refused(Recording("a", tmp_path / "gone.mkv", None))
    assert "no such file" in refused(Recording("a", tmp_path / "silent.mkv", tmp_path / "gone.wav"))
    (tmp_path / "none").mkdir()
    assert "without face frames" in refused(Recording("a", tmp_path / "none", short))
    assert "cannot be opened" in refused(Recording("a", Path("x" * 5000), None))
    (tmp_path / "none" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert "0.png" in refused(Recording("a", tmp_path / "none", short))


def write_sources(folder: Path) -> None:
    """Small files of the usual kinds, sound and all."""
    folder.mkdir()
    faces = numbered_faces(80)
    write_prepared_clip(folder / "a.mkv", faces, 25, ramp(3.2))
    write_video(folder / "b.mp4", faces, 25, ramp(3.2), audio_codec="aac")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.integers(0, 1),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), min_size=1, max_size=8),
    keep=st.sampled_from([1.0, 1.0, 0.99, 0.7, 0.2]),
    seed=st.integers(0, 3),
)
def test_damaged_files_give_a_window_or_a_media_error(
    tmp_path: Path, kind: int, damage: list[tuple[float, bytes]], keep: float, seed: int
) -> None:
    cache = tmp_path / "sources"
    if not cache.exists():
        write_sources(cache)
    path = tmp_path / "damaged.mkv"
    data = bytearray((cache / ("a.mkv", "b.mp4")[kind]).read_bytes())
    for place, content in damage:
        start = int(place**3 * (len(data) - len(content)))  # headers first of all
        data[start : start + len(content)] = content
    path.write_bytes(data[: int(len(data) * keep)])
    try:
        faces, sound = read_random_window(Recording("a", path, None), np.random.default_rng(seed))
    except MediaError as error:
        assert "\n" not in str(error)
    else:
        assert faces.shape == (16, 160, 160, 3) and sound.shape == (40_960,)
        assert np.isfinite(sound).all()
