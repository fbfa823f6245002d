"""Frames with their presentation times, from any clock, pixel format and orientation of the container."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.clock import MAX_FPS, MAX_JUMP_S, Clock, keep_time
from hicmae_cli.media.source import MediaPath, decode_video, do_nothing, explain_no_picture, open_media, open_video

TIME_TOLERANCE_S: Final = 1e-3
"""Containers round time to a millisecond or coarser; a frame this early counts as on time."""
MAX_SIDE_PX: Final = 4096
"""Limit on the sides of an upright picture; larger ones are shrunk. 4K (4096 x 2160) keeps its size. The limit bounds
memory for any header, and OpenCV, which aborts on sides from 32767 pixels on, never gets one."""
_MAX_PIXEL_ASPECT: Final = 4.0
# Rows compared at a time: most pictures differ in their first rows, and a comparison takes memory.
_COMPARED_ROWS: Final = 64


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        time_s: presentation time in seconds; the video's first frame is at 0.
        rgb: (H, W, 3) uint8, upright, with square pixels, no side longer than `MAX_SIDE_PX`. Frames of the same
            picture share one array: do not write to it.

    Raises:
        ValueError: the picture has another shape or type.
    """

    time_s: float
    rgb: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check the picture's shape and type."""
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.uint8:
            raise ValueError(f"expected rgb as (H, W, 3) uint8, got {self.rgb.shape} {self.rgb.dtype}")

    @property
    def width_px(self) -> int:
        """Width of the upright picture."""
        return int(self.rgb.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the upright picture."""
        return int(self.rgb.shape[0])


@dataclass(frozen=True)
class Orientation:
    """How to make decoded pictures upright with square pixels: stretch them, turn them, mirror them, in this order.

    Attributes:
        pixel_aspect: width over height of a decoded pixel; not 1 in anamorphic video.
        quarter_turns: counter-clockwise quarter turns, 0 to 3.
        is_mirrored: whether to swap left and right, as some front cameras require.
    """

    pixel_aspect: Fraction = Fraction(1)
    quarter_turns: int = 0
    is_mirrored: bool = False


@dataclass(frozen=True)
class TimedPicture:
    """A decoded picture before its conversion to RGB. Time (since the first picture) and duration are exact."""

    time_s: Fraction
    duration_s: Fraction
    picture: VideoFrame
    orientation: Orientation

    def to_rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, upright, with square pixels."""
        return to_rgb(self.picture, self.orientation)

    @property
    def end_s(self) -> Fraction:
        """End of the picture's presentation, if it is the last one."""
        return self.time_s + self.duration_s


def read_frames(path: Path | str) -> Iterator[Frame]:
    """Yield every frame of a video in presentation order.

    Args:
        path: a local media file with video.

    Yields:
        Frames at strictly increasing times from 0 s. In rare files the size changes between frames.

    Raises:
        MediaError: the file cannot be read, has no video, or its video cannot be decoded.
    """
    for timed in read_pictures(path):
        yield Frame(time_s=float(timed.time_s), rgb=timed.to_rgb())


class ShownPicture(Protocol):
    """A picture on display for some time, converted to RGB only if it is needed."""

    @property
    def time_s(self) -> float | Fraction:
        """When it appears."""

    @property
    def end_s(self) -> float | Fraction:
        """When its presentation ends, if it is the last one."""

    def to_rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, upright, with square pixels."""


def sample_frames(
    path: MediaPath, step_s: float | Fraction, start_s: float = 0.0, on_packet: Callable[[], None] = do_nothing
) -> Iterator[Frame]:
    """Yield the frame on display at start, start + step, start + 2 x step ... until the last frame's end.

    Only these frames are converted to RGB; see `sample_pictures`.

    Args:
        path: a local media file with video, or a stream.
        step_s: time between two samples in seconds.
        start_s: time of the first sample. The pictures before it are decoded, too.
        on_packet: called at most twice a second while packets are read.

    Yields:
        Frames with `time_s` = start_s + k x step_s.

    Raises:
        MediaError: the file cannot be read, has no video, or its video cannot be decoded.
        ValueError: step_s is not positive.
    """
    yield from sample_pictures(read_pictures(path, on_packet), step_s, start_s)


def sample_pictures(
    pictures: Iterable[ShownPicture], step_s: float | Fraction, start_s: float = 0.0
) -> Iterator[Frame]:
    """Sample pictures by time, as `sample_frames` does.

    The frame on display at t is the last one that appeared at or before t (within a millisecond), as a viewer sees it
    at a constant or a variable rate.

    A picture that stays on display, or that equals its predecessor byte for byte (slides, screen recordings), is the
    same array again: if ``frame.rgb is previous.rgb``, results for the previous frame are still valid.

    Args:
        pictures: pictures in order of presentation.
        step_s: time between two samples in seconds.
        start_s: time of the first sample; not before the first picture.

    Raises:
        ValueError: step_s is not positive.
    """
    if not step_s > 0:
        raise ValueError(f"expected a positive step_s, got step_s={step_s}")
    count = 0
    time_s = start_s
    shown: ShownPicture | None = None
    rgb: NDArray[np.uint8] | None = None
    is_converted = False
    for timed in chain(pictures, [None]):
        if shown is None:
            shown = timed
            continue
        until_s = float(shown.end_s if timed is None else timed.time_s)
        while time_s + TIME_TOLERANCE_S < until_s or (timed is None and count == 0 and start_s < until_s):
            if not is_converted:
                rgb, is_converted = _reuse_if_same(rgb, shown.to_rgb()), True
            assert rgb is not None
            yield Frame(time_s, rgb)
            count += 1
            time_s = start_s + float(count * step_s)
        shown, is_converted = timed, False


def _reuse_if_same(before: NDArray[np.uint8] | None, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `before` if it equals `rgb`, else `rgb`. A comparison takes far less time than a face search."""
    if before is None or before.shape != rgb.shape:
        return rgb
    strips = (slice(top, top + _COMPARED_ROWS) for top in range(0, len(rgb), _COMPARED_ROWS))
    return before if all(np.array_equal(before[rows], rgb[rows]) for rows in strips) else rgb


def to_rgb(picture: VideoFrame, orientation: Orientation = Orientation()) -> NDArray[np.uint8]:
    """Convert a decoded picture of any pixel format to (H, W, 3) uint8: upright and with square pixels.

    The conversion shrinks pictures with a side above `MAX_SIDE_PX`, so that no larger array exists at any time.

    Args:
        picture: the decoded picture.
        orientation: how to show it.

    Raises:
        MediaError: the pixel format is one of the few that ffmpeg writes but cannot convert.
    """
    width_px, height_px = _compute_size_px(picture, orientation.pixel_aspect)
    try:
        # One thread: a forked process would hang when it frees a converter that has several.
        rgb = picture.reformat(width=width_px, height=height_px, format="rgb24", threads=1).to_ndarray()
    except (OSError, ValueError) as error:
        raise MediaError(
            f"pictures of pixel format {picture.format.name} cannot be converted; re-encode the video, e.g. as yuv420p"
        ) from error
    upright = np.rot90(rgb, orientation.quarter_turns)
    return np.ascontiguousarray(upright[:, ::-1] if orientation.is_mirrored else upright)


def read_orientation(stream: VideoStream, first: VideoFrame) -> Orientation:
    """Read how to show the pictures of a stream.

    Only the first picture's display matrix is read: a camera does not change it midway, and reading it puts the
    picture into a reference cycle, which keeps it in memory until the next garbage collection.
    """
    a, b, c, d = _read_display_matrix(first)
    is_mirrored = a * d - b * c < 0
    turns = round(-math.degrees(math.atan2(b, -a if is_mirrored else a)) / 90) % 4
    return Orientation(read_pixel_aspect(stream), turns, is_mirrored)


def _read_display_matrix(picture: VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of x' = a x + c y, y' = b x + d y, up to scale (ISO/IEC 14496-12, 6.2.2)."""
    try:
        data = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV does not know some kinds of side data (EXIF); it still reads the angle.
        angle = math.radians(picture.rotation)
        return round(math.cos(angle)), -round(math.sin(angle)), round(math.sin(angle)), round(math.cos(angle))
    if not isinstance(data, SideData):
        return 1, 0, 0, 1
    matrix = np.frombuffer(bytes(data), np.int32)
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def read_start_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the first frame's presentation time on the container's own clock; None if no frame can be decoded."""
    for picture in decode_video(container, stream):
        return read_time_s(picture) or Fraction(0)
    return None


def decode_pictures(
    container: InputContainer,
    stream: VideoStream,
    on_packet: Callable[[], None] = do_nothing,
    packets: Iterable[Packet[Any]] | None = None,
) -> Iterator[TimedPicture]:
    """Yield decoded pictures at strictly increasing times from 0, on the clock of `keep_time`, which `probe` shares.

    Args:
        container: the file.
        stream: its video.
        on_packet: called at most twice a second while packets are read.
        packets: the stream's packets, if the caller reads them.
    """
    orientation: Orientation | None = None
    for picture, time_s, duration_s in keep_time(_read_stamped(container, stream, on_packet, packets), Clock()):
        orientation = read_orientation(stream, picture) if orientation is None else orientation
        yield TimedPicture(Fraction(time_s), Fraction(duration_s), picture, orientation)
        # Free it before the next one is decoded.
        del picture


def _read_stamped(
    container: InputContainer, stream: VideoStream, on_packet: Callable[[], None], packets: Iterable[Packet[Any]] | None
) -> Iterator[tuple[VideoFrame, Fraction | None, Fraction]]:
    nominal_s = read_frame_duration_s(stream)
    for picture in decode_video(container, stream, on_packet, packets):
        yield picture, read_time_s(picture), _read_duration_s(picture) or nominal_s
        del picture


def read_frame_duration_s(stream: VideoStream) -> Fraction:
    """Return the stream's nominal frame duration; 1/25 s if it states none or an impossible one."""
    rate = stream.guessed_rate or stream.average_rate
    return 1 / Fraction(rate) if rate and 1 / MAX_JUMP_S <= rate <= MAX_FPS else Fraction(1, 25)


def read_pixel_aspect(stream: VideoStream) -> Fraction:
    """Return width over height of one pixel; 1 if the stream states none or an impossible value."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        return Fraction(1)
    return Fraction(aspect)


def read_pictures(path: MediaPath, on_packet: Callable[[], None] = do_nothing) -> Iterator[TimedPicture]:
    """Decode every picture of a file from its start; see `decode_pictures`.

    Args:
        path: a local media file with video.
        on_packet: called at most twice a second while packets are read.

    Raises:
        MediaError: the file cannot be read, has no video, or its video cannot be decoded.
    """
    with open_media(path) as container:
        stream = open_video(container)
        if stream is None:
            raise MediaError(f"{path}: has no video stream, only audio")
        reason = explain_no_picture(stream)
        empty = True
        for timed in decode_pictures(container, stream, on_packet):
            empty = False
            yield timed
            del timed
    if empty:
        raise MediaError(f"{path}: has a video stream, but no frame of it can be decoded: {reason}")


def read_time_s(picture: VideoFrame | AudioFrame) -> Fraction | None:
    """Return the frame's presentation time on the container's own clock; None if it has no timestamp."""
    if picture.pts is None or picture.time_base is None:
        return None
    return picture.pts * picture.time_base


def _read_duration_s(picture: VideoFrame) -> Fraction | None:
    if not picture.duration or picture.time_base is None or picture.duration < 0:
        return None
    duration_s = picture.duration * picture.time_base
    return duration_s if duration_s <= MAX_JUMP_S else None


def _compute_size_px(picture: VideoFrame, pixel_aspect: Fraction) -> tuple[int, int]:
    """Return width and height (px) with square pixels, neither above `MAX_SIDE_PX`, before rotation."""
    width_px, height_px = picture.width * pixel_aspect, Fraction(picture.height)
    scale = min(Fraction(1), MAX_SIDE_PX / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))
