"""Writing: exact, deterministic, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media import Frame, probe, read_audio, read_audio_blocks, read_frames, write_video
from tests.media.make import click_times_s, clicks, corner_picture, numbered_frames


def _moving(count: int = 20) -> list[NDArray[np.uint8]]:
    return [np.roll(corner_picture(), 2 * i, axis=1) for i in range(count)]


_SOUND = clicks([0.2, 0.5], 0.8, 16_000)[0]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("video_codec", ["libx264", "mjpeg"])
@pytest.mark.parametrize("audio_codec", ["flac", "aac"])
def test_round_trip_and_same_bytes(tmp_path: Path, suffix: str, video_codec: Any, audio_codec: Any) -> None:
    paths = [tmp_path / name / f"a{suffix}" for name in "xy"]
    for path in paths:
        path.parent.mkdir()
        write_video(path, _moving(), 25, _SOUND, video_codec=video_codec, audio_codec=audio_codec)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    frames = list(read_frames(paths[0]))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(20)], abs=1e-3)
    error = np.mean([np.abs(f.rgb.astype(int) - p).mean() for f, p in zip(frames, _moving(), strict=True)])
    assert error < (1.0 if video_codec == "mjpeg" else 4.0)
    samples = read_audio(paths[0])
    assert click_times_s(samples) == pytest.approx([0.2, 0.5], abs=0.001)
    if audio_codec == "flac":
        assert np.abs(samples - _SOUND).max() < 1e-4
    assert probe(paths[0]).fps == 25


def test_colours_survive(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 120)]
    pictures = [np.full((32, 32, 3), colour, np.uint8) for colour in colours]
    for codec in ("libx264", "mjpeg"):
        path = tmp_path / f"{codec}.mkv"
        write_video(path, pictures, 25, video_codec=codec)
        for frame, colour in zip(read_frames(path), colours, strict=True):
            assert frame.rgb[16, 16].astype(int) == pytest.approx(colour, abs=4), codec


def test_exact_rational_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    rate = Fraction(30_000, 1001)
    write_video(path, numbered_frames(31), rate)
    info = probe(path)
    assert info.fps == rate
    assert info.duration_s == pytest.approx(31 / rate, abs=1e-4)
    assert not info.is_vfr


def test_frames_keep_their_own_times(tmp_path: Path) -> None:
    times_s = [0.0, 0.013, 0.5, 0.75]
    path = tmp_path / "a.mkv"
    write_video(path, [Frame(t, p) for t, p in zip(times_s, numbered_frames(4), strict=True)], 25)
    assert [f.time_s for f in read_frames(path)] == pytest.approx(times_s, abs=1e-3)


def test_sound_in_blocks_equals_sound_whole(tmp_path: Path) -> None:
    whole, streamed = tmp_path / "a.mkv", tmp_path / "b.mkv"
    write_video(whole, _moving(), 25, _SOUND)
    write_video(streamed, iter(_moving()), 25, read_audio_blocks(whole, block_s=0.13))
    assert np.array_equal(read_audio(streamed), read_audio(whole))


def test_sound_longer_or_shorter_than_the_picture(tmp_path: Path) -> None:
    for count in (5, 40):
        path = tmp_path / f"{count}.mkv"
        write_video(path, numbered_frames(count), 25, _SOUND)
        info = probe(path)
        assert info.video_duration_s == pytest.approx(count / 25, abs=2e-3)
        assert info.audio_duration_s == pytest.approx(0.8, abs=0.01)


def test_loud_samples_are_clipped_not_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, numbered_frames(5), 25, np.array([2.0, -2.0, 1.0, -1.0] * 400, np.float32))
    samples = read_audio(path)
    assert (samples[::2] > 0.99).all()
    assert (samples[1::2] < -0.99).all()


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_odd_sizes(tmp_path: Path, codec: Any) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, numbered_frames(3, 33, 27), 25, video_codec=codec)
    height, width = next(read_frames(path)).rgb.shape[:2]
    assert (width, height) == ((33, 27) if codec == "mjpeg" else (34, 28))


def test_pixel_formats_anyone_can_play(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered_frames(3), 25)
    with av.open(str(path)) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"old")

    def failing() -> Iterator[NDArray[np.uint8]]:
        yield from _moving(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, failing(), 25, _SOUND)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]
    assert path.read_bytes() == b"old"


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"expected \.mkv or \.mp4"):
        write_video(tmp_path / "a.gif", _moving(), 25)
    with pytest.raises(MediaError, match="no frames"):
        write_video(tmp_path / "a.mkv", [], 25)
    with pytest.raises(MediaError, match="cannot be written"):
        write_video(Path("/dev/null/a.mkv"), _moving(), 25)
    with pytest.raises(ValueError, match="frame 1: expected"):
        write_video(tmp_path / "a.mkv", [*numbered_frames(1), *_moving(1)], 25)
    with pytest.raises(ValueError, match=r"expected samples \(n,\)"):
        write_video(tmp_path / "a.mkv", _moving(), 25, np.zeros((3, 100), np.float32))
    with pytest.raises(ValueError, match="fps"):
        write_video(tmp_path / "a.mkv", _moving(), 0)
    assert not list(tmp_path.iterdir())
