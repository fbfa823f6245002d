"""Frames with the time they are shown at, whatever the container's clock, pixel format or orientation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.source import decode_video, open_media, video_stream

TIME_TOLERANCE_S: Final = 1e-3
"""Containers round time to a millisecond or coarser; a frame this early counts as on time."""
MAX_JUMP_S: Final = 3600.0
"""A forward jump of the clock beyond this is damage, not a pause."""
_BACKWARD_JUMP_S: Final = Fraction(1)  # less is a frame out of order; more is a clock that started again
_MAX_PIXEL_ASPECT: Final = 4.0


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        time_s: When it is shown, in seconds; the video's first frame is at 0.
        rgb: (H, W, 3) uint8, upright, with square pixels.
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
class TimedPicture:
    """A decoded picture before its conversion to RGB: time and duration in exact seconds since the first."""

    time_s: Fraction
    duration_s: Fraction
    picture: VideoFrame
    pixel_aspect: Fraction

    def to_rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, upright, with square pixels."""
        return to_rgb(self.picture, self.pixel_aspect)

    @property
    def end_s(self) -> Fraction:
        """When the picture stops being shown, if it is the last one."""
        return self.time_s + self.duration_s


def read_frames(path: Path | str) -> Iterator[Frame]:
    """Every frame of a video, in presentation order.

    Args:
        path: A local media file with video.

    Yields:
        Frames at strictly increasing times; the first at 0 s. Size may change in the middle of a rare file.

    Raises:
        MediaError: The file cannot be read, has no video, or none of it can be decoded.
    """
    for timed in pictures_of(path):
        yield Frame(time_s=float(timed.time_s), rgb=timed.to_rgb())


def sample_frames(path: Path | str, step_s: float | Fraction) -> Iterator[Frame]:
    """The frame on display at 0, step, 2 x step ... until the last frame's end.

    The frame on display at t is the last one that appeared at or before t (within a millisecond), so a video
    of any rate, constant or not, gives the frames that a viewer would see. Only these are converted to RGB.

    Args:
        path: A local media file with video.
        step_s: Distance of the samples in seconds.

    Yields:
        Frames whose `time_s` is the time asked for, k x step_s.

    Raises:
        MediaError: The file cannot be read, has no video, or none of it can be decoded.
        ValueError: step_s is not positive.
    """
    if not step_s > 0:
        raise ValueError(f"expected a positive step_s, got {step_s}")
    count = 0
    shown: TimedPicture | None = None
    rgb: NDArray[np.uint8] | None = None
    for timed in pictures_of(path):
        while shown is not None and count * step_s + TIME_TOLERANCE_S < timed.time_s:
            rgb = shown.to_rgb() if rgb is None else rgb
            yield Frame(time_s=float(count * step_s), rgb=rgb)
            count += 1
        shown, rgb = timed, None
    assert shown is not None, "a video without a frame is a MediaError"
    while count == 0 or count * step_s + TIME_TOLERANCE_S < shown.end_s:
        rgb = shown.to_rgb() if rgb is None else rgb
        yield Frame(time_s=float(count * step_s), rgb=rgb)
        count += 1


def to_rgb(picture: VideoFrame, pixel_aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """Convert a decoded picture of any pixel format to (H, W, 3) uint8: upright and with square pixels.

    Args:
        picture: As decoded.
        pixel_aspect: Width over height of one of its pixels; not 1 in anamorphic video, which is stretched.

    Raises:
        MediaError: One of the few formats that ffmpeg can write but not convert.
    """
    width_px, height_px = _display_size(picture, pixel_aspect)
    try:
        # One thread: a converter with several cannot be given up in a forked process, which then waits for ever.
        rgb = picture.reformat(width=width_px, height=height_px, format="rgb24", threads=1).to_ndarray()
    except (OSError, ValueError) as error:
        raise MediaError(
            f"pictures of pixel format {picture.format.name} cannot be converted; re-encode the video, as yuv420p say"
        ) from error
    upright = np.rot90(rgb, quarter_turns(picture))
    return np.ascontiguousarray(upright[:, ::-1] if is_mirrored(picture) else upright)


def quarter_turns(picture: VideoFrame) -> int:
    """Counter-clockwise quarter turns, 0 to 3, that the container's display matrix asks for.

    They come before the mirroring, if there is any.
    """
    a, b, _, _ = _display_matrix(picture)
    return round(-math.degrees(math.atan2(b, -a if is_mirrored(picture) else a)) / 90) % 4


def is_mirrored(picture: VideoFrame) -> bool:
    """Whether the display matrix asks for left and right to be swapped, as some front cameras do."""
    a, b, c, d = _display_matrix(picture)
    return a * d - b * c < 0


def _display_matrix(picture: VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of x' = a x + c y, y' = b x + d y, up to scale (ISO/IEC 14496-12, 6.2.2)."""
    data = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData):
        return 1, 0, 0, 1
    matrix = np.frombuffer(bytes(data), np.int32)
    return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])


def start_time_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The first frame's presentation time on the container's own clock; None if no frame can be decoded."""
    for picture in decode_video(container, stream):
        return container_time_s(picture) or Fraction(0)
    return None


def timed_pictures(container: InputContainer, stream: VideoStream) -> Iterator[TimedPicture]:
    """Decoded pictures at strictly increasing times from 0, on a clock repaired where the file's is broken.

    A frame without a timestamp follows its predecessor by one frame duration. A clock that starts again
    (recordings joined byte by byte) or that jumps ahead by more than an hour goes on without a gap.
    """
    nominal_s = frame_duration_s(stream)
    aspect = pixel_aspect(stream)
    shift_s: Fraction | None = None
    last: TimedPicture | None = None
    for picture in decode_video(container, stream):
        container_s = container_time_s(picture)
        duration_s = _duration_s(picture) or nominal_s
        if last is None:
            shift_s = container_s or Fraction(0)
            time_s = Fraction(0)
        elif container_s is None or shift_s is None:
            time_s = last.end_s
        else:
            time_s = container_s - shift_s
            if time_s <= last.time_s - _BACKWARD_JUMP_S or time_s > last.time_s + Fraction(MAX_JUMP_S):
                shift_s = container_s - last.end_s
                time_s = last.end_s
            elif time_s <= last.time_s:
                continue  # shown at the same time as, or after, a frame that came later: never seen
        last = TimedPicture(time_s, duration_s, picture, aspect)
        yield last


def frame_duration_s(stream: VideoStream) -> Fraction:
    """The stream's nominal frame duration; 1/25 s where it states none."""
    rate = stream.guessed_rate or stream.average_rate
    return 1 / Fraction(rate) if rate else Fraction(1, 25)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width over height of one pixel; 1 where the stream states none, or nonsense."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        return Fraction(1)
    return Fraction(aspect)


def pictures_of(path: Path | str) -> Iterator[TimedPicture]:
    """Every picture of a file, decoded from the start; see `timed_pictures`.

    Raises:
        MediaError: The file cannot be read, has no video, or none of it can be decoded.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(f"{path}: has no video stream, only audio")
        empty = True
        for timed in timed_pictures(container, stream):
            empty = False
            yield timed
    if empty:
        raise MediaError(
            f"{path}: has a video stream, but no frame of it can be decoded; the file is damaged"
        )


def container_time_s(picture: VideoFrame | AudioFrame) -> Fraction | None:
    """When the frame is presented on the container's own clock, if it says so."""
    if picture.pts is None or picture.time_base is None:
        return None
    return picture.pts * picture.time_base


def _duration_s(picture: VideoFrame) -> Fraction | None:
    if not picture.duration or picture.time_base is None or picture.duration < 0:
        return None
    duration_s = picture.duration * picture.time_base
    return duration_s if duration_s <= MAX_JUMP_S else None


def _display_size(picture: VideoFrame, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height (px) with square pixels, before rotation."""
    return max(1, round(picture.width * pixel_aspect)), picture.height
