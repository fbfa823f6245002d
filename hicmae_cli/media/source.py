"""Open an untrusted media file and take its streams apart: what every reader of this room shares.

A media path names one local, regular file and nothing else is ever opened on its behalf: the file is opened
here and handed to the demuxer as a stream of bytes, every protocol is switched off, and formats that merely
point at other files (playlists, concat scripts) or that draw text as video are refused.
"""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hicmae_cli.errors import MediaError

# Playlists and scripts that make the demuxer open other files, and readers that take any bytes for text art.
_REFUSED_FORMATS = {
    *(
        "hls",
        "dash",
        "concat",
        "concatf",
        "imf",
        "sdp",
        "rtsp",
        "rtp",
        "webm_dash_manifest",
        "lavfi",
        "dvdvideo",
    ),
    *(
        "avisynth",
        "vapoursynth",
        "image2",
        "image2pipe",
        "image2_alias_pix",
        "image2_brender_pix",
        "ffmetadata",
    ),
    *("tty", "bin", "xbin", "adf", "idf"),
}
VIDEO_SUFFIXES: Final = frozenset(
    [
        ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg",
        ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv",
    ]
)  # fmt: skip
"""What files with moving pictures are called, in lower case."""
_INDEXED_FORMATS: Final = {"mov", "matroska", "wav", "flac"}
_PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"<MPD")
# 8K (up to 8192 x 4320) is the largest video there is; a header that claims more is an attempt to exhaust memory.
_MAX_PIXELS = 8192 * 4352
_MAX_PICTURE_BYTES = 7680 * 4320 * 3  # 8K with 10 bits; fewer pixels where each takes more, as in GIF and PNG
_DECODED_AHEAD_PIXELS = 1 << 25  # every thread holds pictures of its own: 16 at 1080p, 3 at 4K, 1 at 8K
_SAMPLE_RATES_HZ = 8, 768_000  # the resampler's memory goes with the rate
_MAX_CHANNELS = 64  # the mixer takes no more
_MAX_THREADS = 16  # what ffmpeg takes at most by itself
_READ_BLOCK_BYTES = 1 << 17
# Tags in another encoding are no reason to refuse a file; from PyAV 19 on none is refused, and the option is gone.
_TOLERANT: Final[dict[str, Any]] = (
    {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
)


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Open a local file for demuxing, and close it whatever happens.

    Args:
        path: The file. Never read as a URL, a pattern or a playlist.

    Yields:
        The container, with at least one audio or video stream.

    Raises:
        MediaError: The file is missing, empty, not media, or has nothing to see or hear.
    """
    path = check_file(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    with file:
        head = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        file.seek(0)
        # An XML declaration may come before the root of a DASH manifest.
        if head.startswith(_PLAYLIST_STARTS) or (head.startswith(b"<?xml") and b"<MPD" in head):
            raise MediaError(f"{path}: is a playlist that points at other files; give the media file itself")
        try:
            container = _open_container(file)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{path}: is not a media file that can be read ({_reason(error)}); "
                "it may be cut short, or not be audio or video at all"
            ) from error
        with container:
            if video_stream(container) is None and audio_stream(container) is None:
                raise MediaError(f"{path}: holds no video and no audio stream")
            yield container


def _open_container(file: BinaryIO) -> InputContainer:
    try:
        return _open_bytes(file)
    except av.error.ArgumentError:
        # The file's name stands for a refused format (`.jpg` for the numbered pictures of `image2`): its bytes alone.
        file.seek(0)
        return _open_bytes(_Nameless(file))


def _open_bytes(file: BinaryIO | _Nameless) -> InputContainer:
    container = av.open(
        file,
        options={
            "protocol_whitelist": "none",
            "format_whitelist": _format_whitelist(),
            "max_pixels": str(_MAX_PIXELS),  # some formats decode a picture to be opened
        },
        io_open=_refuse_to_open,
        buffer_size=_READ_BLOCK_BYTES,
        **_TOLERANT,
    )
    assert isinstance(container, InputContainer)
    return container


class _Nameless:
    """A file without its name, by which a demuxer might be chosen."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def check_file(path: Path | str) -> Path:
    """The path of an existing, regular, non-empty file.

    Raises:
        MediaError: It is missing, a directory, something that is not a file, or empty.
    """
    path = Path(path)
    try:
        if path.is_file():
            if path.stat().st_size == 0:
                raise MediaError(f"{path}: is empty (0 bytes)")
            return path
        if path.is_dir():
            raise MediaError(f"{path}: is a directory; give a media file")
        if path.exists():
            raise MediaError(f"{path}: is not a regular file (a pipe or a device?); give a media file")
    except (OSError, ValueError) as error:
        raise MediaError(f"{str(path)!r}: cannot be opened ({error}); check the path") from error
    raise MediaError(f"{path}: no such file; check the path")


def video_stream(container: InputContainer) -> VideoStream | None:
    """The video to watch: the best moving picture, never a cover picture or a thumbnail."""
    not_video = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    moving = [
        s for s in container.streams.video if not s.disposition & not_video and s.codec_context is not None
    ]
    if not moving:
        return None
    best = container.streams.best("video")
    stream = next((s for s in moving if s is best), moving[0])
    if not stream.codec_context.is_open:
        stream.thread_type = "AUTO"
        threads = _DECODED_AHEAD_PIXELS // max(1, stream.width * stream.height)
        if threads < _MAX_THREADS:
            stream.codec_context.thread_count = max(1, min(threads, os.cpu_count() or 1))
        stream.codec_context.options = {"max_pixels": str(_max_pixels(stream))}
    return stream


def _max_pixels(stream: VideoStream) -> int:
    """Of one picture of a stream."""
    pixel_format = stream.codec_context.format
    bits = pixel_format.padded_bits_per_pixel if pixel_format is not None else 0
    return min(_MAX_PIXELS, 8 * _MAX_PICTURE_BYTES // bits) if bits else _MAX_PIXELS


def undecodable(stream: VideoStream) -> str:
    """Why nothing of a video can be decoded; to be asked before, as a decoder that fails forgets the size."""
    limit = _max_pixels(stream)
    if stream.width * stream.height > limit:
        return (
            f"its pictures of {stream.width} x {stream.height} pixels are too large, at most "
            f"{limit / 1e6:.0f} megapixels are read; make them smaller"
        )
    return f"the file is damaged, or its pictures are too large, at most {_MAX_PIXELS / 1e6:.0f} megapixels are read"


def is_audible(frame: AudioFrame) -> bool:
    """Whether a frame has samples, at a rate and in channels that real sound may have."""
    return frame.samples > 0 and _is_playable(frame.sample_rate, frame.layout.nb_channels)


def _is_playable(rate_hz: int, channels: int) -> bool:
    return _SAMPLE_RATES_HZ[0] <= rate_hz <= _SAMPLE_RATES_HZ[1] and 1 <= channels <= _MAX_CHANNELS


def unheard(stream: AudioStream) -> str:
    """Why nothing of a sound can be decoded."""
    rate_hz, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if rate_hz and channels and not _is_playable(rate_hz, channels):
        low_hz, high_hz = _SAMPLE_RATES_HZ
        return (
            f"it claims {rate_hz} samples a second and {channels} channels, expected {low_hz} to {high_hz} and at most "
            f"{_MAX_CHANNELS}; re-encode it"
        )
    return "the file is damaged"


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The sound to listen to: the default or best audio stream."""
    audible = [s for s in container.streams.audio if s.codec_context is not None]
    if not audible:
        return None
    best = container.streams.best("audio")
    return next((s for s in audible if s is best), audible[0])


def decode_video(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The stream's frames in presentation order, up to the end or to where the file is cut off."""
    for frame in _decode(container, stream):
        assert isinstance(frame, VideoFrame)
        yield frame


def decode_audio(
    container: InputContainer, stream: AudioStream, packets: Sequence[Packet[Any]] | None = None
) -> Iterator[AudioFrame]:
    """The stream's audio frames in order, up to the end or to where the file is cut off; see `is_audible`.

    ``packets`` are those of the stream, if they were taken out of the container before.
    """
    for frame in _decode(container, stream, packets):
        assert isinstance(frame, AudioFrame)
        if is_audible(frame):
            yield frame


def _decode(
    container: InputContainer, stream: VideoStream | AudioStream, taken: Sequence[Packet[Any]] | None = None
) -> Iterator[VideoFrame | AudioFrame]:
    """Decode, stepping over damaged packets; the timestamps of the others keep them in place.

    A container that does not store when frames are shown (AVI) gives them in decoding order at its times of
    decoding: the k-th frame shown gets the k-th time.
    """
    clock: list[int] | None = None if stores_presentation_times(container) else []
    packets = container.demux(stream) if taken is None else iter(taken)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError):
            break  # the file ends here; what the decoder still holds comes below
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            continue
        if clock is not None and packet.size and packet.dts is not None:
            heapq.heappush(clock, packet.dts)
        yield from _retimed(frames, clock)
    try:
        held = stream.codec_context.decode(None)
    except (av.error.FFmpegError, ValueError):
        return
    yield from _retimed(held, clock)


def _retimed(frames: Sequence[object], clock: list[int] | None) -> Iterator[VideoFrame | AudioFrame]:
    for frame in frames:
        if isinstance(frame, VideoFrame) and clock is not None:
            frame.pts = heapq.heappop(clock) if clock else None
        if isinstance(frame, VideoFrame | AudioFrame):
            yield frame


def stores_presentation_times(container: InputContainer) -> bool:
    """Whether packets' `pts` are read from the file; where they are not, `dts` is all there is."""
    return container.format.name != "avi"


def has_index(container: InputContainer) -> bool:
    """Whether the format stores true times and finds a place by them; in others a seek lands where it may."""
    return not _INDEXED_FORMATS.isdisjoint(container.format.name.split(","))


def seek_back(container: InputContainer, stream: VideoStream | AudioStream, time_s: Fraction) -> bool:
    """Go to the key frame at or before a time of the container's clock; False where that cannot be done.

    Where it led is for the caller to check: an index may be incomplete, or lie.
    """
    if not stream.time_base:
        return False
    try:
        container.seek(math.floor(time_s / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError):
        return False
    return True


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Answer a demuxer that wants a second file."""
    raise PermissionError(f"the media file points at another file ({url!r}), which is not opened")


@cache
def _format_whitelist() -> str:
    return ",".join(sorted(av.formats_available - _REFUSED_FORMATS))


def _reason(error: Exception) -> str:
    """The demuxer's own words, on one line and without the file name that PyAV adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
