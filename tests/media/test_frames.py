"""Frames and their times."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hicmae_cli.errors import MediaError
from hicmae_cli.media import Frame, probe, read_frames, sample_frames, write_video
from hicmae_cli.media.frames import to_rgb
from tests.media.make import corner_picture, gray_level, make_sound, make_video, numbered_frames


def _numbers(frames: list[Frame], count: int) -> list[int]:
    levels = np.array([gray_level(i) for i in range(count)])
    return [int(np.argmin(np.abs(levels - frame.rgb.mean()))) for frame in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".h264"])
def test_constant_rate(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"a{suffix}", numbered_frames(12), [Fraction(i, 25) for i in range(12)])
    frames = list(read_frames(path))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(12)], abs=1e-3)
    assert _numbers(frames, 12) == list(range(12))


def test_container_without_presentation_times(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in numbered_frames(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    frames = list(read_frames(path))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(12)])
    assert _numbers(frames, 12) == list(range(12))
    assert probe(path).video_duration_s == pytest.approx(12 / 25, abs=0.081)  # AVI starts with the reordering delay


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_variable_rate_and_late_start(tmp_path: Path, suffix: str) -> None:
    times_s = [5.0, 5.04, 5.3, 5.32, 6.0, 6.5]
    path = make_video(tmp_path / f"a{suffix}", numbered_frames(6), times_s)
    assert [f.time_s for f in read_frames(path)] == pytest.approx([t - 5.0 for t in times_s], abs=1e-3)
    assert probe(path).is_vfr


def test_reordered_frames_come_in_presentation_order(tmp_path: Path) -> None:
    pictures = [np.roll(corner_picture(), i, axis=1) for i in range(30)]
    path = make_video(
        tmp_path / "a.mp4", pictures, [Fraction(i, 25) for i in range(30)], options={"bf": "3", "g": "15"}
    )
    times_s = [f.time_s for f in read_frames(path)]
    assert times_s == pytest.approx([i / 25 for i in range(30)], abs=1e-3)


@pytest.mark.parametrize("rotation_deg", [90, 180, 270, -90])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_metadata_is_applied(tmp_path: Path, rotation_deg: int, suffix: str) -> None:
    upright = corner_picture()
    # The container asks for a counter-clockwise rotation, so what is stored was turned clockwise.
    stored = np.ascontiguousarray(np.rot90(upright, -rotation_deg // 90))
    path = make_video(tmp_path / f"a{suffix}", [stored] * 3, [0, 0.04, 0.08], rotation_deg=rotation_deg)
    frame = next(read_frames(path))
    assert frame.rgb.shape == upright.shape
    assert np.abs(frame.rgb.astype(int) - upright).mean() < 8
    info = probe(path)
    assert (info.width_px, info.height_px) == (96, 64)
    assert info.rotation_deg == rotation_deg % 360


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("ffv1", "yuv420p"),
        ("ffv1", "yuv422p10le"),
        ("ffv1", "yuv444p12le"),
        ("ffv1", "yuva420p"),
        ("ffv1", "gray"),
        ("ffv1", "gray16le"),
        ("ffv1", "bgr0"),
        ("ffv1", "rgba64le"),
        ("rawvideo", "uyvy422"),
        ("rawvideo", "nv12"),
        ("libx264", "yuv420p10le"),
        ("mjpeg", "yuvj422p"),
    ],
)
def test_every_pixel_format(tmp_path: Path, codec: str, pixel_format: str) -> None:
    picture = corner_picture()
    path = make_video(tmp_path / "a.mkv", [picture] * 2, [0, 0.04], codec=codec, pixel_format=pixel_format)
    frame = next(read_frames(path))
    assert frame.rgb.shape == picture.shape
    expected = picture.mean(axis=2) if "gray" in pixel_format else picture
    actual = frame.rgb.mean(axis=2) if "gray" in pixel_format else frame.rgb
    # Red is about as bright as blue is dark in grey: compare the level in the plain middle only.
    middle = np.s_[20:44, 30:66]
    assert np.abs(actual[middle].astype(float) - expected[middle]).max() < 6
    if "gray" not in pixel_format:
        assert np.abs(frame.rgb.astype(int) - picture).mean() < 5


def test_a_pixel_format_that_ffmpeg_cannot_convert_is_named() -> None:
    with pytest.raises(MediaError, match="pixel format bgr4"):
        to_rgb(av.VideoFrame(64, 48, "bgr4"))


def test_anamorphic_pixels_become_square(tmp_path: Path) -> None:
    picture = corner_picture(72, 64)
    path = make_video(tmp_path / "a.mkv", [picture] * 2, [0, 0.04], pixel_aspect=Fraction(4, 3))
    assert next(read_frames(path)).rgb.shape == (64, 96, 3)
    assert probe(path).width_px == 96


def test_sampling_takes_the_frame_on_display(tmp_path: Path) -> None:
    times_s = [0.0, 0.1, 0.5, 0.9]
    frames = [Frame(t, p) for t, p in zip(times_s, numbered_frames(4), strict=True)]
    path = tmp_path / "a.mkv"
    write_video(path, frames, 10)
    sampled = list(sample_frames(path, 0.2))
    assert [f.time_s for f in sampled] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert _numbers(sampled, 4) == [0, 1, 1, 2, 2]


def test_sampling_at_the_frame_rate_gives_every_frame_once(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    rate = Fraction(30000, 1001)
    write_video(path, numbered_frames(40), rate)  # Matroska rounds times to a millisecond
    assert _numbers(list(sample_frames(path, 1 / rate)), 40) == list(range(40))


def test_sampling_between_frames_repeats_them(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered_frames(3), 5)
    assert _numbers(list(sample_frames(path, 0.1)), 3) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_mirrored_display_matrix_is_applied(tmp_path: Path, quarters: int) -> None:
    """Turned by so many quarters counter-clockwise, then left and right swapped."""
    upright = corner_picture()
    path = tmp_path / "a.mp4"
    make_video(path, [np.ascontiguousarray(np.rot90(upright[:, ::-1], -quarters))] * 3, [0, 0.04, 0.08])
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    one = 1 << 16
    a, b = [(one, 0), (0, -one), (-one, 0), (0, one)][quarters]  # of the turn alone
    c, d = -b, a
    struct.pack_into(">4i", content, matrix, -a, b, 0, -c)  # swapping negates a and c
    struct.pack_into(">i", content, matrix + 16, d)
    path.write_bytes(content)
    for frame in read_frames(path):
        assert frame.rgb.shape == upright.shape
        assert np.abs(frame.rgb.astype(int) - upright).mean() < 6
    assert (probe(path).width_px, probe(path).height_px) == (96, 64)


def test_one_frame_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered_frames(1), 25)
    assert len(list(sample_frames(path, 0.16))) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps_ms=st.lists(st.integers(1, 80).map(lambda n: 5 * n), min_size=1, max_size=12),
    step_ms=st.integers(4, 100).map(lambda n: 5 * n),
)
def test_sampling_equals_its_definition(tmp_path: Path, steps_ms: list[int], step_ms: int) -> None:
    times_ms = [0, *np.cumsum(steps_ms).tolist()]
    count = len(times_ms)
    pictures = numbered_frames(count, 32, 32)
    path = tmp_path / "a.mkv"
    write_video(path, [Frame(t / 1000, p) for t, p in zip(times_ms, pictures, strict=True)], 10)
    end_ms = times_ms[-1] + 100
    expected = [max(i for i, t in enumerate(times_ms) if t <= grid + 1) for grid in range(0, end_ms - 1, step_ms)]
    assert _numbers(list(sample_frames(path, step_ms / 1000)), count) == expected


def test_no_video_is_an_error(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", np.zeros((1, 1600), np.float32), 16_000, "mono", "pcm_s16le")
    with pytest.raises(MediaError, match=r"a\.wav: has no video"):
        next(read_frames(path))


def test_step_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step_s"):
        next(sample_frames(tmp_path / "a.mp4", 0))


def test_frame_checks_itself() -> None:
    with pytest.raises(ValueError, match="expected rgb"):
        Frame(0.0, np.zeros((4, 4), np.uint8))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed on Linux only")
def test_abandoned_reading_closes_the_file(tmp_path: Path) -> None:
    def open_files() -> set[Path]:
        links = (fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())
        return {link for link in links if link.is_relative_to(tmp_path)}

    path = tmp_path / "a.mp4"
    write_video(path, numbered_frames(20), 25)
    frames = read_frames(path)
    next(frames)
    assert open_files() == {path}
    frames.close()  # type: ignore[attr-defined]
    assert open_files() == set()
