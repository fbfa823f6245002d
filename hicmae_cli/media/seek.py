"""Read from the middle of a video without decoding everything before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.media.frames import (
    TIME_TOLERANCE_S,
    Orientation,
    TimedPicture,
    read_orientation,
    read_pictures,
    read_time_s,
)
from hicmae_cli.media.probe import probe
from hicmae_cli.media.source import (
    decode_video,
    do_nothing,
    find_audio,
    find_video,
    has_index,
    open_media,
    open_video,
    seek_back,
)

_STEPS_BACK_S: Final = (0, 2, 12)
"""How far before the first wanted frame to look for a key frame if the index points past that frame."""
# For a later start, headers differ in what they count the duration from.
_MAX_START_S: Final = 0.1
# A longer header is wrong.
_MAX_SPAN_S: Final = 7 * 24 * 3600.0


class _LostError(Exception):
    """Decoding after a seek gives other frames than decoding from the start."""


def read_frames_at(path: Path | str, times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    """Read the frames on display at some times; decode from the last key frame before them if the format allows it.

    As in `sample_frames`, the frame on display at t is the last one that appeared at or before t (within a
    millisecond); after the end it is the last one. Only these frames are converted to RGB.

    Args:
        path: a local media file with video.
        times_s: increasing times in seconds since the first frame.

    Returns:
        (H, W, 3) uint8 pictures, upright, with square pixels, one per time. Times on the same frame share an array.

    Raises:
        MediaError: the file cannot be read, has no video, or its video cannot be decoded.
        ValueError: the times fall, are negative, infinite or NaN.
    """
    return list(iterate_frames_at(path, times_s))


def iterate_frames_at(
    path: Path | str, times_s: Sequence[float], on_packet: Callable[[], None] = do_nothing
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of `read_frames_at` one by one, which bounds the memory.

    Args:
        path: see `read_frames_at`.
        times_s: see `read_frames_at`.
        on_packet: called at most twice a second while a file without an index is decoded from its start.

    Raises:
        MediaError: see `read_frames_at`.
        ValueError: see `read_frames_at`.
    """
    if not all(0 <= time_s < float("inf") for time_s in times_s) or any(a > b for a, b in pairwise(times_s)):
        raise ValueError(f"expected increasing times_s from 0 on, got {list(times_s)}")
    if not times_s:
        return
    given = 0
    if times_s[0] > 0:
        try:
            for rgb in _seek_and_read(path, times_s):
                yield rgb
                given += 1
        except _LostError:
            # The frames yielded so far are right; decode the others from the start.
            pass
    if given < len(times_s):
        yield from _select_displayed(read_pictures(path, on_packet), times_s[given:])


def read_length_s(path: Path | str) -> float:
    """Read the length in seconds that the header states for the video, or for the sound if there is no video.

    Nothing is decoded. If the header states no length, or counts it from an unknown start, `probe` measures it.
    A header can be wrong: a file that is cut short is shorter than its header promises.

    Raises:
        MediaError: the file is missing, is not media, or nothing in it can be decoded.
    """
    with open_media(path) as container:
        stream = find_video(container) or find_audio(container)
        length_s: float | None = None
        if stream is not None and stream.duration and stream.time_base:
            length_s = float(stream.duration * stream.time_base)
        elif container.duration and (container.start_time or 0) / av.time_base < _MAX_START_S:
            length_s = container.duration / av.time_base
        if length_s is not None and has_index(container) and 0 < length_s < _MAX_SPAN_S:
            return length_s
    info = probe(path)
    return info.video_duration_s if info.has_video else info.audio_duration_s


def _seek_and_read(path: Path | str, times_s: Sequence[float]) -> Iterator[NDArray[np.uint8]]:
    """Seek and yield the frames; yield none if the file has to be decoded from its start.

    Raises:
        _LostError: the remaining frames have no reliable times after the seek.
    """
    with open_media(path) as container:
        # More threads would decode pictures after the wanted ones.
        stream = open_video(container, one_thread=True)
        if stream is None or not has_index(container):
            return
        opening = next(decode_video(container, stream), None)
        if opening is None:
            return
        origin_s, orientation = read_time_s(opening) or Fraction(0), read_orientation(stream, opening)
        # Free the picture, which is large.
        del opening
        wanted_s = Fraction(times_s[0])
        for step_s in _STEPS_BACK_S:
            if wanted_s < step_s or not seek_back(container, stream, origin_s + wanted_s - step_s):
                return
            pictures = _from_key_frame(container, stream, origin_s, orientation)
            first = next(pictures, None)
            if first is not None and first.time_s <= times_s[0] + TIME_TOLERANCE_S:
                yield from _select_displayed(chain([first], pictures), times_s)
                return


def _from_key_frame(
    container: InputContainer, stream: VideoStream, origin_s: Fraction, orientation: Orientation
) -> Iterator[TimedPicture]:
    """Yield pictures from the next key frame on, at strictly increasing times.

    Frames presented before the key frame are dropped: they depend on frames that were not decoded.
    """
    last_s: Fraction | None = None
    for picture in decode_video(container, stream):
        if last_s is None and not picture.key_frame:
            continue
        container_s = read_time_s(picture)
        if container_s is None or picture.is_corrupt:
            raise _LostError
        time_s = container_s - origin_s
        if last_s is not None and time_s <= last_s:
            continue
        last_s = time_s
        yield TimedPicture(time_s, Fraction(0), picture, orientation)


def _select_displayed(pictures: Iterable[TimedPicture], times_s: Sequence[float]) -> Iterator[NDArray[np.uint8]]:
    """Yield the picture on display at each time. No time may be before the first picture."""
    given = 0
    shown: TimedPicture | None = None
    rgb: NDArray[np.uint8] | None = None
    for timed in pictures:
        while shown is not None and times_s[given] + TIME_TOLERANCE_S < timed.time_s:
            rgb = shown.to_rgb() if rgb is None else rgb
            yield rgb
            given += 1
            if given == len(times_s):
                return
        shown, rgb = timed, None
    if shown is not None:
        rgb = shown.to_rgb() if rgb is None else rgb
        for _ in times_s[given:]:
            yield rgb
