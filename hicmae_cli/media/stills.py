"""Videos whose frames are pictures of their own (MJPEG): read once, and only what is asked for is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.frames import MAX_JUMP_S, is_mirrored, pixel_aspect, quarter_turns, to_rgb
from hicmae_cli.media.source import decode_video, open_media, video_stream

# Markers of a JPEG file (ITU-T T.81, table B.1), the second byte of each.
_START, _END, _SCAN, _HUFFMAN = 0xD8, 0xD9, 0xDA, 0xC4
_BASELINE: Final = (0xC0, 0xC1)


@dataclass(frozen=True)
class Stills:
    """The undecoded pictures of a video, in the order they are shown; holds no file open.

    Attributes:
        path: where from, for messages.
        width_px: of every picture.
        height_px: of every picture.
    """

    path: Path
    width_px: int
    height_px: int
    _pictures: tuple[bytes, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self._pictures)

    def decode(self, indices: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Some of the pictures, (height, width, 3) uint8: to the bit those of `read_frames`.

        Raises:
            MediaError: one of them is damaged in a way that could not be seen before.
        """
        context = _decoder()
        return [to_rgb(self._decode(context, index)) for index in indices]

    def _decode(self, context: VideoCodecContext, index: int) -> VideoFrame:
        picture = _decode_alone(context, self._pictures[index])
        if picture is None or (picture.width, picture.height) != (self.width_px, self.height_px):
            raise MediaError(
                f"{self.path}: frame {index} of {len(self)} cannot be decoded; the file is damaged, make it again"
            )
        return picture


def read_stills(path: Path | str) -> Stills | None:
    """The pictures of an MJPEG video, undecoded.

    Returns:
        None where `read_frames` has to be asked instead: another codec; pictures of several sizes, turned or with
        oblong pixels; times that do not rise; or damage that makes it leave a picture out.

    Raises:
        MediaError: The file cannot be read, or has no video.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(f"{path}: has no video stream, only audio")
        if stream.codec_context.name != "mjpeg" or pixel_aspect(stream) != 1:
            return None
        pictures: list[bytes] = []
        times: list[int] = []
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue  # the mark of the end
                if packet.is_corrupt or packet.is_discard or packet.pts is None or packet.time_base is None:
                    return None
                pictures.append(bytes(packet))
                times.append(packet.pts)
        except (av.error.FFmpegError, OSError):
            pass  # the file ends here, as for `read_frames`
        longest = MAX_JUMP_S / float(stream.time_base or 1)
        if not pictures or any(not 0 < after - before < longest for before, after in pairwise(times)):
            return None
    sizes = {_size_of(picture) for picture in pictures}
    size = sizes.pop()
    if sizes or size is None or not _same_alone(path, pictures[0]):
        return None
    return Stills(Path(path), *size, tuple(pictures))


def _decoder() -> VideoCodecContext:
    context = CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    return context


def _decode_alone(context: VideoCodecContext, picture: bytes) -> VideoFrame | None:
    try:
        return next(iter(context.decode(av.Packet(picture))), None)
    except (av.error.FFmpegError, ValueError):
        return None


def _same_alone(path: Path | str, picture: bytes) -> bool:
    """Whether the container says nothing about the pictures (turns, colours) that they do not say themselves."""
    alone = _decode_alone(_decoder(), picture)
    with open_media(path) as container:
        stream = video_stream(container)
        within = None if stream is None else next(decode_video(container, stream), None)
    if alone is None or within is None or quarter_turns(within) or is_mirrored(within):
        return False
    said, meant = (
        (p.width, p.height, p.format.name, p.color_range, p.colorspace, p.color_primaries, p.color_trc)
        for p in (alone, within)
    )
    return said == meant


def _size_of(picture: bytes) -> tuple[int, int] | None:
    """Width and height (px) of a baseline JPEG picture whose headers are whole and that is not cut off; else None."""
    if picture[:2] != bytes((0xFF, _START)) or picture.rstrip(b"\0")[-2:] != bytes((0xFF, _END)):
        return None
    at, size = 2, None
    while at + 4 <= len(picture) and picture[at] == 0xFF:
        marker, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        body = picture[at + 4 : at + 2 + length]
        if marker == _SCAN:
            return size
        if len(body) != length - 2 or (marker == _HUFFMAN and not _fills_huffman(body)):
            return None
        if marker in _BASELINE and len(body) >= 6:
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        at += 2 + length
    return None


def _fills_huffman(body: bytes) -> bool:
    """Whether tables of codes have as many symbols as they say."""
    at = 0
    while at + 17 <= len(body):
        at += 17 + sum(body[at + 1 : at + 17])
    return at == len(body)
