"""What a header claims costs no more than what is there."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hicmae_cli.errors import MediaError
from hicmae_cli.media import (
    Frame,
    probe,
    read_audio_blocks,
    read_frames,
    read_frames_at,
    sample_frames,
    source,
    write_video,
)
from hicmae_cli.media.frames import MAX_SIDE_PX, Orientation, to_rgb
from tests.media.hostile import HOSTILE, gif, png, wav
from tests.media.make import corner_picture, make_video, numbered_frames


def _readings(path: Path) -> list[str]:
    """What each reader says of a file: nothing, or one line."""
    said = []
    for read in (probe, lambda p: list(sample_frames(p, 0.16)), lambda p: sum(map(len, read_audio_blocks(p)))):
        try:
            read(path)
            said.append("")
        except MediaError as error:
            assert "\n" not in str(error)
            assert path.name in str(error)
            said.append(str(error))
    return said


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"gif_4980_40.gif"}))  # which takes 5 s
def test_a_file_that_claims_much_is_a_result_or_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    HOSTILE[name](path)
    _readings(path)


@pytest.mark.parametrize("name", ["gif_8000_300.gif", "png_8190.mov", "large.png", "gif_largest.gif"])
def test_pictures_too_large_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    HOSTILE[name](path)
    of_probe, of_frames, _ = _readings(path)
    assert "above the limit" in of_probe
    assert "above the limit" in of_frames


@pytest.mark.parametrize("name", ["wide.png", "high.png", "stretched.mp4", "gif_wide.gif", "gif_high.gif"])
def test_no_side_is_longer_than_the_bound(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    HOSTILE[name](path)
    sizes = {frame.rgb.shape[:2] for frame in read_frames(path)} | {read_frames_at(path, [0.0])[0].shape[:2]}
    assert len(sizes) == 1
    assert max(sizes.pop()) == MAX_SIDE_PX
    info = probe(path)
    assert max(info.width_px, info.height_px) == MAX_SIDE_PX


@pytest.mark.parametrize(("width", "height"), [(3840, 2160), (4096, 2160), (2160, 4096)])
def test_4k_stays_whole(width: int, height: int) -> None:
    assert to_rgb(VideoFrame(width, height, "yuv420p")).shape == (height, width, 3)


@pytest.mark.parametrize("turns", [0, 1])
def test_shrinking_keeps_the_picture(turns: int) -> None:
    large = np.repeat(np.repeat(corner_picture(), 64, axis=1), 3, axis=0)  # 6144 x 192
    picture = VideoFrame.from_ndarray(large, format="rgb24")
    small = to_rgb(picture, Orientation(quarter_turns=turns))
    expected = np.rot90(np.asarray(Image.fromarray(large).resize((4096, 128))), turns)
    assert small.shape == expected.shape
    assert np.abs(small.astype(int) - expected).mean() < 0.5


def test_the_bound_comes_after_the_aspect() -> None:
    assert to_rgb(VideoFrame(2000, 1000, "gray"), Orientation(Fraction(4))).shape == (512, 4096, 3)


def test_large_pictures_are_decoded_by_few_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", numbered_frames(2), [0, 0.04])
    size = 64 * 48
    for pixels, cores, threads in ((size, 8, 1), (100 * size, 8, 4), (100 * size, 1, 1), (100 * size, 64, 16)):
        monkeypatch.setattr(source, "_DECODED_AHEAD_PIXELS", pixels)
        monkeypatch.setattr(source, "count_cores", lambda cores=cores: cores)
        with source.open_media(path) as container:
            stream = source.open_video(container)
            assert stream is not None
            assert stream.codec_context.thread_count == threads
        with source.open_media(path) as container:
            stream = source.open_video(container, one_thread=True)
            assert stream is not None
            assert stream.codec_context.thread_count == 1


def test_formats_of_many_bytes_have_fewer_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_MAX_PIXELS", 100 * 100)
    monkeypatch.setattr(source, "_MAX_PICTURE_BYTES", 100 * 100 * 2)
    pictures = numbered_frames(2, 128, 64)
    readable = make_video(tmp_path / "yuv.mkv", pictures, [0, 0.04], codec="ffv1")
    assert len(list(read_frames(readable))) == 2
    refused = make_video(tmp_path / "bgra.mkv", pictures, [0, 0.04], codec="ffv1", pixel_format="bgra")
    with pytest.raises(MediaError, match="128 x 64 pixels are above the limit"):
        list(read_frames(refused))


_COUNT_PICTURES = """
import gc
import sys

from av.video.frame import VideoFrame

from hicmae_cli.media import sample_frames


def decoded():
    pictures = [thing for thing in gc.get_objects() if type(thing) is VideoFrame and thing.format]
    return sum(picture.format.name != "rgb24" for picture in pictures)


gc.disable()
print(*(decoded() for _, _ in zip(range(60), sample_frames(sys.argv[1], 1 / 12))))
"""


def test_pictures_do_not_stay_in_memory(sample: Path) -> None:
    """Without the cyclic collector: the one on display, the one after it, and the first, whose side data is read.

    In a process of its own: in that of the whole suite, a look at all objects takes seconds.
    """
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_PICTURES, str(sample)], capture_output=True, text=True, check=True, timeout=120
    )
    alive = [int(count) for count in done.stdout.split()]
    assert len(alive) == 60
    assert 1 <= max(alive) <= 3, alive


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shown=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), min_size=1, max_size=12),
    step_ms=st.integers(4, 100).map(lambda n: 5 * n),
)
def test_the_same_picture_is_the_same_array(tmp_path: Path, shown: list[tuple[int, int]], step_ms: int) -> None:
    """Held, or coded again without a change; another picture is another array."""
    pictures = numbered_frames(3, 32, 32)
    frames, time_s = [], 0.0
    for number, length in shown:
        frames.append(Frame(time_s, pictures[number]))
        time_s += length * 0.05
    path = tmp_path / "a.mkv"
    write_video(path, frames, 10, video_codec="mjpeg")
    sampled = list(sample_frames(path, step_ms / 1000))
    for before, after in pairwise(sampled):
        assert (after.rgb is before.rgb) == np.array_equal(after.rgb, before.rgb)


def test_a_pause_is_one_array(tmp_path: Path) -> None:
    path = tmp_path / "paused_120s.mp4"
    HOSTILE[path.name](path)
    assert len({id(frame.rgb) for frame in list(sample_frames(path, 0.16))}) <= 12


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(2**31 - 1, 1), (768_001, 1), (999, 1), (8, 1), (16_000, 65), (16_000, 255)]
)
def test_sound_that_no_machine_has_is_refused_in_words(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(rate_hz, channels, 0.1))
    of_probe, _, of_sound = _readings(path)
    for said in (of_probe, of_sound):
        assert f"{rate_hz} samples per second and {channels} channels" in said


@pytest.mark.parametrize(("rate_hz", "channels"), [(768_000, 1), (767_999, 1), (1000, 1), (48_000, 64)])
def test_sound_at_the_bounds_is_heard(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(rate_hz, channels, 0.5))
    seconds = 8000 / rate_hz
    assert probe(path).duration_s == pytest.approx(seconds, abs=1e-3)
    assert sum(map(len, read_audio_blocks(path))) == pytest.approx(16_000 * seconds, abs=40)


def test_a_small_file_is_not_hours_long(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(8, 1, 360))  # 5.8 million samples would last 200 hours, and be as many packets
    for said in _readings(path)[::2]:
        assert "states 8 samples per second and 1 channels, expected 1000 to 768000" in said


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_is_judged_whatever_its_name(tmp_path: Path, kind: str) -> None:
    data = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 1  # some kinds carry it as side data
    Image.fromarray(corner_picture()).save(data, kind, exif=exif)
    for name in (f"a.{kind.lower()}", "a.jpg", "a.mp4", "a"):
        path = tmp_path / name
        path.write_bytes(data.getvalue())
        frames = list(sample_frames(path, 0.16))
        assert frames[0].rgb.shape == (64, 96, 3)
        assert probe(path).has_video


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_a_photograph_is_upright(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(corner_picture()).save(path, exif=exif, quality=95)
    (frame,) = read_frames(path)
    expected = np.rot90(corner_picture(), turns)
    assert frame.rgb.shape == expected.shape
    assert np.abs(frame.rgb.astype(int) - expected).mean() < 8


def test_the_makers_make_what_they_say(tmp_path: Path) -> None:
    for name, data in (("a.png", png(40, 30)), ("a.gif", gif(40, 30, 7))):
        (tmp_path / name).write_bytes(data)
        assert {frame.rgb.shape for frame in read_frames(tmp_path / name)} == {(30, 40, 3)}
    assert len(list(read_frames(tmp_path / "a.gif"))) == 7
