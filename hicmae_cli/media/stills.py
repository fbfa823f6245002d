"""Videos of independent pictures (MJPEG): read once, then decode only the frames that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.audio import decode_sound
from hicmae_cli.media.clock import MAX_JUMP_S
from hicmae_cli.media.frames import MAX_SIDE_PX, Orientation, read_orientation, read_pixel_aspect, read_time_s
from hicmae_cli.media.source import demux, find_audio, open_media, open_video

# Markers of a JPEG file (ITU-T T.81, table B.1): its first and last bytes, and the two bytes of the other markers.
_START, _END = b"\xff\xd8", b"\xff\xd9"
_MARKER, _SCAN, _HUFFMAN = 0xFF, 0xDA, 0xC4
# Bytes of baseline JPEG's four Huffman tables, each with marker and length (4), class (1), counts (16), codes (256).
_MOST_TABLES = 4 * 277


@dataclass(frozen=True)
class Stills:
    """The undecoded pictures of a video in order of presentation, and its sound; the file is closed.

    Attributes:
        path: the file, for messages.
        width_px: width of every picture.
        height_px: height of every picture.
        times_s: (n,) seconds at which each picture appears, rising from 0, by the file's timestamps.
        samples: the sound (n,) as `read_audio` returns it; None if there is none, or if it was not read.
    """

    path: Path
    width_px: int
    height_px: int
    times_s: NDArray[np.float64] = field(repr=False, compare=False)
    samples: NDArray[np.float32] | None = field(repr=False, compare=False)
    _pictures: tuple[bytes, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self._pictures)

    def decode(self, indices: Sequence[int], *, exact: bool = True) -> list[NDArray[np.uint8]]:
        """Decode some of the pictures, (height, width, 3) uint8 each.

        Args:
            indices: which pictures.
            exact: return the same bits as `read_frames`. If false, libjpeg decodes in two thirds of the time, and
                levels differ by up to 3.

        Raises:
            MediaError: a picture is damaged in a way that `read_stills` does not notice.
        """
        if not exact:
            return [self._decode_quickly(index) for index in indices]
        context, colours = _open_decoder(), VideoReformatter()
        return [self._decode(context, colours, index) for index in indices]

    def _decode_quickly(self, index: int) -> NDArray[np.uint8]:
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            picture = cv2.imdecode(np.frombuffer(self._pictures[index], np.uint8), flags)
        except cv2.error:
            picture = None
        if picture is None or picture.shape[:2] != (self.height_px, self.width_px):
            raise self._damage_error(index)
        return np.asarray(picture, np.uint8)

    def _decode(self, context: VideoCodecContext, colours: VideoReformatter, index: int) -> NDArray[np.uint8]:
        picture = _decode_alone(context, self._pictures[index])
        if picture is None or (picture.width, picture.height) != (self.width_px, self.height_px):
            raise self._damage_error(index)
        # As in `to_rgb`, for pictures that need no turning, stretching or shrinking.
        return np.asarray(colours.reformat(picture, format="rgb24", threads=1).to_ndarray(), np.uint8)

    def _damage_error(self, index: int) -> MediaError:
        return MediaError(
            f"{self.path}: frame {index} of {len(self)} cannot be decoded; the file is damaged, prepare it again"
        )


def read_stills(path: Path | str, *, with_sound: bool = False) -> Stills | None:
    """Read the pictures of an MJPEG video without decoding them, and its sound in the same pass.

    Args:
        path: a local media file with video.
        with_sound: whether to read the sound, too.

    Returns:
        None if only `read_frames` can read the file: another codec; pictures of several sizes or qualities; pictures
        that are rotated, very large or have non-square pixels; times that do not rise; or damage, where
        `read_frames` drops pictures.

    Raises:
        MediaError: the file cannot be read, or has no video.
    """
    with open_media(path) as container:
        stream = open_video(container, one_thread=True)
        if stream is None:
            raise MediaError(f"{path}: has no video stream, only audio")
        if stream.codec_context.name != "mjpeg" or read_pixel_aspect(stream) != 1:
            return None
        sound = find_audio(container) if with_sound else None
        sound_packets: list[Packet[Any]] = []
        pictures: list[bytes] = []
        times: list[int] = []
        within: VideoFrame | None = None
        for packet in demux(container, [stream, sound] if sound else [stream]):
            if packet.stream is sound:
                sound_packets.append(packet)
                continue
            if packet.size == 0:
                # The end of the stream.
                continue
            if packet.is_corrupt or packet.is_discard or packet.pts is None:
                return None
            pictures.append(bytes(packet))
            times.append(packet.pts)
            if len(pictures) == 1:
                within = _decode_first(packet)
        longest = MAX_JUMP_S / float(stream.time_base or 1)
        if (
            within is None
            or read_orientation(stream, within) != Orientation()
            or max(within.width, within.height) > MAX_SIDE_PX
        ):
            return None
        if any(not 0 < after - before < longest for before, after in pairwise(times)):
            return None
        header = _read_header(pictures[0])
        if header is None or not all(_has_header(picture, header) for picture in pictures):
            return None
        alone = _decode_alone(_open_decoder(), pictures[0])
        if alone is None or _describe_colours(alone) != _describe_colours(within):
            # The container and the pictures describe the colours in different ways.
            return None
        start_s = read_time_s(within) or Fraction(0)
        samples = decode_sound(container, sound, sound_packets, start_s) if sound else None
        # The stream's memory is freed with the container.
        times_s = (np.array(times, np.float64) - times[0]) * float(stream.time_base or 1)
    return Stills(Path(path), within.width, within.height, times_s, samples, tuple(pictures))


def _open_decoder() -> VideoCodecContext:
    context = CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    return context


def _decode_first(packet: Packet[Any]) -> VideoFrame | None:
    try:
        return _pick_first(packet.decode())
    except (av.error.FFmpegError, ValueError):
        return None


def _decode_alone(context: VideoCodecContext, picture: bytes) -> VideoFrame | None:
    try:
        return _pick_first(context.decode(av.Packet(picture)))
    except (av.error.FFmpegError, ValueError):
        return None


def _pick_first(pictures: Sequence[object]) -> VideoFrame | None:
    return next((picture for picture in pictures if isinstance(picture, VideoFrame)), None)


def _describe_colours(picture: VideoFrame) -> tuple[object, ...]:
    """Return everything that `to_rgb` depends on, for pictures that are not turned, stretched or shrunk."""
    colours = picture.color_range, picture.colorspace, picture.color_primaries, picture.color_trc
    shape = picture.width, picture.height, picture.format.name
    return *shape, *colours


def _read_header(picture: bytes) -> tuple[bytes, bytes] | None:
    """Read a JPEG picture's header before and after its Huffman tables; None if it is damaged or has no tables."""
    at, end, parts = len(_START), len(picture) - 4, [_START, b""]
    tables = 0
    while at <= end and picture[at] == _MARKER:
        marker, behind = picture[at + 1], at + 2 + (picture[at + 2] << 8) + picture[at + 3]
        if behind > end:
            return None
        if marker == _HUFFMAN:
            if parts[1]:
                return None
            tables += 1
        else:
            parts[min(tables, 1)] += picture[at:behind]
        if marker == _SCAN:
            return (parts[0], parts[1]) if tables else None
        at = behind
    return None


def _has_header(picture: bytes, header: tuple[bytes, bytes]) -> bool:
    """Whether a JPEG picture is complete and has this header; its Huffman tables may differ.

    The decoder handles pictures with the same header in the same way.
    """
    before, after = header
    return (
        picture.startswith(before)
        and picture[len(before) : len(before) + 2] == bytes((_MARKER, _HUFFMAN))
        and picture.find(after, len(before), len(before) + _MOST_TABLES + len(after)) > 0
        and picture.rstrip(b"\0").endswith(_END)
    )
