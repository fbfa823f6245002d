"""Open an untrusted media file and decode its streams, for all readers.

A media path names one local, regular file, and no other file is opened for it: this module opens the file and
passes it to the demuxer as a stream of bytes, disables every protocol, and refuses formats that only point at
other files (playlists, concat scripts) or draw text as video.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from hicmae_cli.media.streams import HEAD_BYTES, ByteStream, StreamReader, refuse_pointers
from hicmae_cli.workers import count_cores

MediaPath = Path | str | ByteStream
"""A local file, or an open stream in its place."""

# Formats that open other files: playlists, network streams, scripts and devices, numbered pictures.
_PLAYLISTS: Final = {"hls", "dash", "webm_dash_manifest", "concat", "concatf", "imf"}
_NETWORK: Final = {"sdp", "rtsp", "rtp"}
_SCRIPTS: Final = {"lavfi", "dvdvideo", "avisynth", "vapoursynth"}
_NUMBERED: Final = {"image2", "image2pipe", "image2_alias_pix", "image2_brender_pix"}
# Formats that read any bytes as text or text art.
_TEXT: Final = {"ffmetadata", "tty", "bin", "xbin", "adf", "idf"}
_REFUSED_FORMATS: Final = _PLAYLISTS | _NETWORK | _SCRIPTS | _NUMBERED | _TEXT
_INDEXED_FORMATS: Final = {"mov", "matroska", "wav", "flac"}
# 8K (up to 8192 x 4320) is the largest video format; a header that states more is an attempt to exhaust memory.
_MAX_PIXELS = 8192 * 4352
# 8K with 10 bits; fewer pixels if each takes more bytes, as in GIF and PNG.
_MAX_PICTURE_BYTES = 7680 * 4320 * 3
# Each thread has its own pictures: 16 threads at 1080p, 3 at 4K, 1 at 8K.
_DECODED_AHEAD_PIXELS = 1 << 25
# Below the first, a small file has hours of sound (1 MB at 8 Hz: 36 h). The resampler's memory grows with the rate.
SAMPLE_RATES_HZ: Final = 1000, 768_000
# Limits of the mixer and of ffmpeg.
_MAX_CHANNELS = 64
_MAX_THREADS = 16
_CALL_EVERY_S = 0.5
_READ_BLOCK_BYTES = 1 << 17
# Read files with tags in another encoding. PyAV 19 does so without this option, which it no longer has.
_TOLERANT: Final[dict[str, Any]] = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}


def do_nothing() -> None:
    """Do nothing: the default callback."""


@contextmanager
def open_media(path: MediaPath) -> Iterator[InputContainer]:
    """Open a local file for demuxing, and close it in any case.

    Args:
        path: the file; never read as a URL, a pattern or a playlist. A stream stays open.

    Yields:
        The container, with at least one audio or video stream.

    Raises:
        MediaError: the file is missing, empty or not media, or has no audio and no video stream.
    """
    with open_file(path) as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        refuse_pointers(path, head)
        try:
            container = _open_container(file)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{path}: cannot be read as a media file ({explain_error(error)}); it may be cut short, or not be "
                "audio or video at all"
            ) from error
        with container:
            if find_video(container) is None and find_audio(container) is None:
                raise MediaError(f"{path}: has no video and no audio stream")
            yield container


def open_file(path: MediaPath) -> BinaryIO | StreamReader:
    """Open a local file, or get a new reader of a stream.

    Raises:
        MediaError: the file is missing, empty, not a regular file, or not readable.
    """
    if isinstance(path, ByteStream):
        return path.open()
    path = check_file(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise MediaError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error


def _open_container(file: BinaryIO | StreamReader) -> InputContainer:
    try:
        return open_bytes(file)
    except av.error.ArgumentError:
        # The file's name selects a refused format (`.jpg` the numbered pictures of `image2`): hide the name.
        file.seek(0)
        return open_bytes(_Nameless(file))


def open_bytes(file: Any) -> InputContainer:
    """Open an object that has ``read``, and ``seek`` and ``tell`` if it can, with no way to any other file."""
    container = av.open(
        file,
        options={
            "protocol_whitelist": "none",
            "format_whitelist": _list_formats(),
            # Some formats decode a picture when they are opened.
            "max_pixels": str(_MAX_PIXELS),
        },
        io_open=_refuse_to_open,
        buffer_size=_READ_BLOCK_BYTES,
        **_TOLERANT,
    )
    assert isinstance(container, InputContainer)
    return container


class _Nameless:
    """A file without its name, so that the name cannot select a demuxer."""

    def __init__(self, file: BinaryIO | StreamReader) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def check_file(path: Path | str) -> Path:
    """Return the path of an existing, regular, non-empty file.

    Raises:
        MediaError: the file is missing, empty, a directory, or not a regular file.
    """
    path = Path(path)
    try:
        if path.is_file():
            if path.stat().st_size == 0:
                raise MediaError(f"{path}: is empty (0 bytes)")
            return path
        if path.is_dir():
            raise MediaError(f"{path}: is a directory; pass a media file")
        if path.exists():
            raise MediaError(f"{path}: is not a regular file (a pipe or a device?); pass a media file")
    except (OSError, ValueError) as error:
        raise MediaError(f"{str(path)!r}: cannot be opened ({error}); check the path") from error
    raise MediaError(f"{path}: no such file; check the path")


def find_video(container: InputContainer) -> VideoStream | None:
    """Find the best video stream, but no cover picture or thumbnail; None if there is no video."""
    not_video = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    moving = [s for s in container.streams.video if not s.disposition & not_video and s.codec_context is not None]
    if not moving:
        return None
    best = container.streams.best("video")
    return next((s for s in moving if s is best), moving[0])


def open_video(container: InputContainer, *, one_thread: bool = False) -> VideoStream | None:
    """Find the video and prepare its decoder: limit its picture size and its threads. None if there is no video.

    Call it once per container, before decoding.

    Args:
        container: the file.
        one_thread: decode in one thread. For a few pictures, more threads take longer.
    """
    stream = find_video(container)
    if stream is None:
        return None
    stream.thread_type = "AUTO"
    threads = 1 if one_thread else _DECODED_AHEAD_PIXELS // max(1, stream.width * stream.height)
    # Half of the cores: the nets that look at the pictures need the others.
    stream.codec_context.thread_count = max(1, min(threads, _MAX_THREADS, count_cores() // 2))
    stream.codec_context.options = {"max_pixels": str(_limit_pixels(stream))}
    return stream


def _limit_pixels(stream: VideoStream) -> int:
    """Return the limit on the pixels of one picture."""
    pixel_format = stream.codec_context.format
    bits = pixel_format.padded_bits_per_pixel if pixel_format is not None else 0
    return min(_MAX_PIXELS, 8 * _MAX_PICTURE_BYTES // bits) if bits else _MAX_PIXELS


def explain_no_picture(stream: VideoStream) -> str:
    """Explain why no picture can be decoded. Call it before decoding: a decoder that fails loses the size."""
    limit = _limit_pixels(stream)
    if stream.width * stream.height > limit:
        return (
            f"its pictures of {stream.width} x {stream.height} pixels are above the limit of "
            f"{limit / 1e6:.0f} megapixels; make them smaller"
        )
    return f"the file is damaged, or its pictures are above the limit of {_MAX_PIXELS / 1e6:.0f} megapixels"


def is_audible(frame: AudioFrame) -> bool:
    """Whether a frame has samples, and a rate and a number of channels that real sound can have."""
    return frame.samples > 0 and _is_playable(frame.sample_rate, frame.layout.nb_channels)


def _is_playable(rate_hz: int, channels: int) -> bool:
    return SAMPLE_RATES_HZ[0] <= rate_hz <= SAMPLE_RATES_HZ[1] and 1 <= channels <= _MAX_CHANNELS


def can_be_audible(stream: AudioStream) -> bool:
    """Whether any frame of the stream can be audible; false for PCM with an unplayable header, which has no others."""
    context = stream.codec_context
    return not context.name.startswith("pcm_") or _is_playable(context.sample_rate, context.channels)


def explain_no_sound(stream: AudioStream) -> str:
    """Explain why no sound can be decoded."""
    rate_hz, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if rate_hz and channels and not _is_playable(rate_hz, channels):
        low_hz, high_hz = SAMPLE_RATES_HZ
        return (
            f"it states {rate_hz} samples per second and {channels} channels, expected {low_hz} to {high_hz} and at "
            f"most {_MAX_CHANNELS}; re-encode it"
        )
    return "the file is damaged"


def find_audio(container: InputContainer) -> AudioStream | None:
    """Find the default or best audio stream; None if there is no audio."""
    audible = [s for s in container.streams.audio if s.codec_context is not None]
    if not audible:
        return None
    best = container.streams.best("audio")
    return next((s for s in audible if s is best), audible[0])


def decode_video(
    container: InputContainer,
    stream: VideoStream,
    on_packet: Callable[[], None] = do_nothing,
    packets: Iterable[Packet[Any]] | None = None,
) -> Iterator[VideoFrame]:
    """Yield the stream's frames in presentation order, up to the end or to where the file is cut off.

    Args:
        container: the file.
        stream: its video.
        on_packet: see `demux`.
        packets: the stream's packets, if the caller reads them.
    """
    if packets is None:
        packets = demux(container, [stream], on_packet)
    for frame in _decode(container, stream, packets):
        assert isinstance(frame, VideoFrame)
        yield frame


def decode_audio(
    container: InputContainer,
    stream: AudioStream,
    packets: Iterable[Packet[Any]] | None = None,
    on_packet: Callable[[], None] = do_nothing,
) -> Iterator[AudioFrame]:
    """Yield the stream's audible frames in order, up to the end or to where the file is cut off.

    Args:
        container: the file.
        stream: its sound.
        packets: the stream's packets, if they have been read already.
        on_packet: see `demux`.
    """
    if packets is None:
        packets = demux(container, [stream], on_packet)
    for frame in _decode(container, stream, packets if can_be_audible(stream) else ()):
        assert isinstance(frame, AudioFrame)
        if is_audible(frame):
            yield frame


def demux(
    container: InputContainer, streams: Sequence[VideoStream | AudioStream], on_packet: Callable[[], None] = do_nothing
) -> Iterator[Packet[Any]]:
    """Yield the packets of some streams, up to the end or to where the file is cut off.

    Args:
        container: the file.
        streams: which streams.
        on_packet: called at most twice a second while packets are read, also those of other streams: gigabytes of
            pictures can follow the last packet of the sound.
    """
    wanted = {stream.index for stream in streams}
    if not wanted:
        return
    packets = container.demux()
    called_s = -math.inf
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        now_s = time.monotonic()
        if now_s - called_s >= _CALL_EVERY_S:
            on_packet()
            called_s = now_s
        if packet.stream.index in wanted:
            yield packet


def _decode(
    container: InputContainer, stream: VideoStream | AudioStream, packets: Iterable[Packet[Any]]
) -> Iterator[VideoFrame | AudioFrame]:
    """Decode packets and drop damaged ones; the timestamps of the others keep them in place.

    A container without presentation times (AVI) has decoding times only: the k-th frame in order of presentation gets
    the k-th time.
    """
    clock: list[int] | None = None if stores_presentation_times(container) else []
    for packet in packets:
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            continue
        if clock is not None and packet.size and packet.dts is not None:
            heapq.heappush(clock, packet.dts)
        yield from _retime(frames, clock)
    # If the file is cut off, no packet marks the end, and the decoder still has frames.
    try:
        held = stream.codec_context.decode(None)
    except (av.error.FFmpegError, ValueError):
        return
    yield from _retime(held, clock)


def _retime(frames: Sequence[object], clock: list[int] | None) -> Iterator[VideoFrame | AudioFrame]:
    for frame in frames:
        if isinstance(frame, VideoFrame) and clock is not None:
            frame.pts = heapq.heappop(clock) if clock else None
        if isinstance(frame, VideoFrame | AudioFrame):
            yield frame


def stores_presentation_times(container: InputContainer) -> bool:
    """Whether the file stores packets' `pts`; otherwise it has only `dts`."""
    return container.format.name != "avi"


def has_index(container: InputContainer) -> bool:
    """Whether the format stores true times and an index of them; in others a seek may lead anywhere."""
    return not _INDEXED_FORMATS.isdisjoint(container.format.name.split(","))


def seek_back(container: InputContainer, stream: VideoStream | AudioStream, time_s: Fraction) -> bool:
    """Seek to the key frame at or before a time of the container's clock. Return False if that is impossible.

    The caller must check the position: an index may be incomplete or wrong.
    """
    if not stream.time_base:
        return False
    try:
        container.seek(math.floor(time_s / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OSError, ValueError, OverflowError):
        return False
    return True


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Refuse to open a second file for a demuxer."""
    raise PermissionError(f"the media file points at another file ({url!r}), which is not opened")


@cache
def _list_formats() -> str:
    return ",".join(sorted(av.formats_available - _REFUSED_FORMATS))


def explain_error(error: Exception) -> str:
    """Return the demuxer's message on one line, without the file name that PyAV adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
