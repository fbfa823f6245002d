"""Reading from the middle gives what reading from the start gives, for less."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media import (
    Frame,
    frames,
    iterate_frames_at,
    probe,
    read_frames,
    read_frames_at,
    read_length_s,
    seek,
    source,
    write_video,
)
from hicmae_cli.media.frames import TIME_TOLERANCE_S, TimedPicture
from tests.media.make import clicks, corner_picture, make_sound, make_video, numbered_frames

_EVEN_S = [Fraction(i, 25) for i in range(200)]
_UNEVEN_S = [0.0, *np.cumsum(np.random.default_rng(3).integers(1, 30, 199) * 0.008).tolist()]


def _moving(count: int) -> list[NDArray[np.uint8]]:
    """Pictures that all differ, even after lossy coding."""
    wall = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    return [np.roll(wall, (3 * i, 7 * i), axis=(0, 1)) for i in range(count)]


def _on_display(path: Path, times_s: list[float]) -> list[NDArray[np.uint8]]:
    """By definition: the last frame that appeared at or before each time, of all of them."""
    everything = list(read_frames(path))
    return [[f for f in everything if f.time_s <= t + TIME_TOLERANCE_S][-1].rgb for t in times_s]


def _windows(end_s: float) -> Iterator[list[float]]:
    """Windows of 16 frames from anywhere, beyond the end, too."""
    rng = np.random.default_rng(1)
    for start_s in (0.0, 0.01, *rng.uniform(0, end_s, 4), end_s - 0.02, end_s + 5):
        yield [start_s + k * 0.16 for k in range(16)]


@pytest.mark.parametrize(
    ("name", "codec", "options", "times_s", "start_s"),
    [
        ("a.mp4", "libx264", {"bf": "3", "g": "50"}, _EVEN_S, 0),
        ("a.mkv", "libx264", {"bf": "3", "g": "50"}, _EVEN_S, 0),
        ("late.mp4", "libx264", {"bf": "2", "g": "25"}, _EVEN_S, 7),
        ("late.mkv", "libx264", {"bf": "2", "g": "25"}, _EVEN_S, 7),
        ("uneven.mp4", "libx264", {"bf": "2", "g": "25"}, _UNEVEN_S, 0),
        ("uneven.mkv", "libx264", {"bf": "2", "g": "25"}, _UNEVEN_S, 3),
        ("open.mp4", "libx264", {"bf": "3", "g": "25", "x264-params": "open-gop=1"}, _EVEN_S, 0),
        ("open.mkv", "libx264", {"bf": "3", "g": "25", "x264-params": "open-gop=1"}, _EVEN_S, 0),
        ("refresh.mkv", "libx264", {"g": "25", "intra-refresh": "1"}, _EVEN_S, 0),
        ("one.mp4", "libx264", {"g": "500", "sc_threshold": "0"}, _EVEN_S, 0),
        ("a.mov", "mpeg4", {"bf": "2", "g": "12"}, _EVEN_S, 0),
        ("mpeg2.mkv", "mpeg2video", {"bf": "2", "g": "12"}, _EVEN_S, 0),
        ("jpeg.mkv", "mjpeg", {}, _EVEN_S, 0),
        ("jpeg.avi", "mjpeg", {}, _EVEN_S, 0),
        ("a.avi", "libx264", {"bf": "2", "g": "25"}, _EVEN_S, 0),
        ("a.ts", "libx264", {"bf": "2", "g": "25"}, _EVEN_S, 4),
        ("a.h264", "libx264", {"bf": "2", "g": "25"}, _EVEN_S, 0),
    ],
)
def test_equal_to_reading_from_the_start(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], times_s: Any, start_s: int
) -> None:
    path = tmp_path / name
    if name.endswith(".avi") or "mpeg" in codec[:4]:
        _write_at_25(path, codec, options)
    else:
        pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        shown_s = [start_s + t for t in times_s]
        make_video(path, _moving(200), shown_s, codec=codec, pixel_format=pixel_format, options=options)
    everything = list(read_frames(path))
    for wanted_s in _windows(float(times_s[-1])):
        expected = [[f for f in everything if f.time_s <= t + TIME_TOLERANCE_S][-1].rgb for t in wanted_s]
        assert np.array_equal(read_frames_at(path, wanted_s), expected), wanted_s


def _write_at_25(path: Path, codec: str, options: dict[str, str]) -> None:
    """For containers and codecs that have no clock of their own, or a coarse one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in _moving(200):
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    "options",
    [{"movflags": "+frag_keyframe+empty_moov"}, {"movflags": "+frag_keyframe+dash"}, {"movflags": "+faststart"}],
)
def test_fragments_and_an_index_in_front(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "a.mp4"
    sound = clicks([1.0], 8.0, 48_000)
    make_video(
        path, _moving(200), _EVEN_S, options={"g": "20"}, container_options=options, audio=sound, audio_codec="aac"
    )
    assert read_length_s(path) == pytest.approx(8, abs=0.1)
    for wanted_s in ([5.0, 5.16], [7.9, 8.1], [0.5]):
        assert np.array_equal(read_frames_at(path, wanted_s), _on_display(path, wanted_s))


@pytest.mark.parametrize("keep", [0.9, 0.4])
def test_a_file_without_its_end(tmp_path: Path, keep: float) -> None:
    path = make_video(tmp_path / "a.mkv", _moving(200), _EVEN_S, options={"g": "20"})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    for wanted_s in ([1.0, 1.5], [2.9], [7.0, 7.5, 9.0]):
        assert np.array_equal(read_frames_at(path, wanted_s), _on_display(path, wanted_s))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for every frame that is decoded, and one for every conversion."""
    events: list[str] = []

    def counting(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        for picture in frames_decode(container, stream):
            events.append("decoded")
            yield picture

    def converting(*arguments: Any) -> NDArray[np.uint8]:
        events.append("converted")
        return to_rgb(*arguments)

    frames_decode, to_rgb = source.decode_video, frames.to_rgb
    for module in (seek, frames):
        monkeypatch.setattr(module, "decode_video", counting)
    monkeypatch.setattr(frames, "to_rgb", converting)
    return events


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_little_is_decoded_at_the_end_of_a_long_file(tmp_path: Path, decoded: list[str], suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    pictures = _moving(50) * 40
    times_s = [Fraction(i, 25) for i in range(2000)]
    make_video(path, pictures, times_s, options={"g": "50", "preset": "ultrafast", "crf": "40"})
    assert len(read_frames_at(path, [76.0 + k * 0.16 for k in range(16)])) == 16
    assert decoded.count("decoded") <= 1 + 50 + 64 + 5
    assert decoded.count("converted") == 16


def test_frames_shown_twice_are_converted_once(tmp_path: Path, decoded: list[str]) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, [Frame(t, p) for t, p in zip([0, 1.0, 2.0], numbered_frames(3), strict=True)], 1)
    found = read_frames_at(path, [0.5, 0.9, 1.1, 5.0, 6.0])
    assert found[0] is found[1]
    assert found[3] is found[4]
    assert decoded.count("converted") == 3


def test_an_index_that_points_too_far_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", _moving(200), _EVEN_S, options={"g": "20"})
    honest = source.seek_back
    monkeypatch.setattr(seek, "seek_back", lambda c, s, t: honest(c, s, t + 3))
    for wanted_s in ([6.0], [1.0, 1.16], [2.5]):
        assert np.array_equal(read_frames_at(path, wanted_s), _on_display(path, wanted_s))


def test_a_container_that_cannot_seek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", _moving(60), _EVEN_S[:60])
    monkeypatch.setattr(seek, "seek_back", lambda *_: False)
    assert np.array_equal(read_frames_at(path, [2.0]), _on_display(path, [2.0]))


def test_turned_pictures_are_upright(tmp_path: Path) -> None:
    stored = np.ascontiguousarray(np.rot90(corner_picture(), -1))
    path = make_video(tmp_path / "a.mp4", [stored] * 50, _EVEN_S[:50], rotation_deg=90, options={"g": "10"})
    assert np.array_equal(read_frames_at(path, [1.5]), _on_display(path, [1.5]))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", np.zeros((1, 16000), np.float32), 16_000, "mono", "pcm_s16le")
    for times_s in ([0.0], [0.5]):
        with pytest.raises(MediaError, match=r"a\.wav: has no video"):
            read_frames_at(path, times_s)
        with pytest.raises(MediaError, match="no such file"):
            read_frames_at(tmp_path / "gone.mp4", times_s)
    with pytest.raises(MediaError, match="no such file"):
        read_length_s(tmp_path / "gone.mp4")


@pytest.mark.parametrize("times_s", [[-0.1], [1.0, 0.5], [float("nan")], [0.0, float("inf")]])
def test_times_must_rise(tmp_path: Path, times_s: list[float]) -> None:
    with pytest.raises(ValueError, match="increasing"):
        read_frames_at(tmp_path / "a.mp4", times_s)


def test_no_times_no_frames(tmp_path: Path) -> None:
    assert read_frames_at(tmp_path / "gone.mp4", []) == []


@pytest.mark.parametrize("start_s", [0, 5])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".avi"])
def test_span_is_the_length_that_probe_counts(tmp_path: Path, suffix: str, start_s: int) -> None:
    times_s = [start_s + t for t in _EVEN_S[:60]]
    path = make_video(tmp_path / f"a{suffix}", _moving(60), times_s, options={"bf": "0"})
    # AVI has no place for when a video starts: it is filled up with empty frames.
    assert read_length_s(path) == pytest.approx(probe(path).video_duration_s, abs=0.09)


def test_span_needs_no_decoding(tmp_path: Path, decoded: list[str]) -> None:
    path = make_video(tmp_path / "a.mp4", _moving(60), _EVEN_S[:60])
    assert read_length_s(path) == pytest.approx(2.4, abs=0.05)
    assert not decoded


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.flac", "flac")])
def test_span_of_sound(tmp_path: Path, name: str, codec: str) -> None:
    path = make_sound(tmp_path / name, clicks([0.5], 3.0, 16_000), 16_000, "mono", codec)
    assert read_length_s(path) == pytest.approx(3.0, abs=0.1)


def test_frames_come_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", _moving(60), _EVEN_S[:60])
    times_s = [0.52 + index / 25 for index in range(40)]
    converted: list[int] = []
    honest = TimedPicture.to_rgb

    def counting(timed: TimedPicture) -> np.ndarray:
        converted.append(1)
        return honest(timed)

    monkeypatch.setattr(TimedPicture, "to_rgb", counting)
    given = 0
    for _ in iterate_frames_at(path, times_s):
        given += 1
        assert len(converted) <= given + 1
    assert given == 40
