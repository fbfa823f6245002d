"""Where a live stream comes from: a pipe, or a camera."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.frames import TimedPicture, decode_pictures, read_time_s
from hicmae_cli.media.live import LiveStream
from hicmae_cli.media.source import can_be_audible, demux, explain_error, find_audio, is_audible, open_bytes, open_video
from hicmae_cli.media.streams import HEAD_BYTES, refuse_pointers

_WAKE_S: Final = 0.2
_CAMERA_PICTURE_S: Final = 1 / 25  # how long the last picture stays on display


def feed_from_pipe(file: BinaryIO, *, video: bool = True, audio: bool = True) -> Callable[[LiveStream], None]:
    """Make the feed of a stream of bytes, which is read forward only and never named, opened or sought.

    Args:
        file: open and binary, such as ``sys.stdin.buffer``; with the content of a file that can be read without
            seeking, such as MPEG-TS, Matroska or WAV.
        video: whether pictures are wanted.
        audio: whether sound is wanted.
    """

    def feed(live: LiveStream) -> None:
        pipe = _Pipe(file, live)
        refuse_pointers(live.name, pipe.peek(HEAD_BYTES))
        try:
            container = open_bytes(pipe)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{live.name}: cannot be read as a media stream ({explain_error(error)}); send one that can be read "
                "without seeking, such as MPEG-TS or Matroska (`ffmpeg … -f matroska -`)"
            ) from error
        with container:
            _read_container(container, live, video=video, audio=audio)

    return feed


class _Pipe:
    """A stream of bytes that can only be read, and ends when the live stream is stopped."""

    def __init__(self, file: BinaryIO, live: LiveStream) -> None:
        # A buffered reader would wait for as many bytes as are asked for.
        raw: Any = getattr(file, "raw", file)
        self._read = getattr(raw, "read1", raw.read)
        self._live = live
        self._head = b""
        self._descriptor: int | None = None
        if sys.platform != "win32":
            with suppress(OSError, AttributeError, ValueError):
                self._descriptor = raw.fileno()

    def peek(self, size: int) -> bytes:
        """Return the first bytes; they are read again."""
        while len(self._head) < size and (part := self._read_more(size - len(self._head))):
            self._head += part
        return self._head

    def read(self, size: int) -> bytes:
        """Return some bytes, at most `size`; none at the end."""
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        return self._read_more(size)

    def _read_more(self, size: int) -> bytes:
        while self._descriptor is not None and not self._live.is_stopped:
            if select.select([self._descriptor], [], [], _WAKE_S)[0]:
                break
        if self._live.is_stopped:
            return b""
        return bytes(self._read(size) or b"")


def _read_container(container: InputContainer, live: LiveStream, *, video: bool, audio: bool) -> None:
    pictures = open_video(container, one_thread=True) if video else None  # each thread would hold a picture back
    sound = find_audio(container) if audio else None
    if sound is not None and not can_be_audible(sound):
        sound = None
    if pictures is None and sound is None:
        raise MediaError(f"{live.name}: has no video and no audio stream that is wanted")
    rate = None if pictures is None else pictures.guessed_rate or pictures.average_rate
    live.begin(has_video=pictures is not None, has_audio=sound is not None, fps=rate)
    packets = _divert_sound(container, pictures, sound, live)
    if pictures is None:
        for _ in packets:
            pass
    else:
        live.add_pictures(_watch(decode_pictures(container, pictures, packets=packets), pictures, live))
    if sound is not None:
        _add_decoded(sound, None, live)


def _divert_sound(
    container: InputContainer, video: VideoStream | None, audio: AudioStream | None, live: LiveStream
) -> Iterator[Packet[Any]]:
    """Yield the packets of the video; decode those of the sound on the way."""
    streams: list[VideoStream | AudioStream] = [stream for stream in (video, audio) if stream is not None]
    for packet in demux(container, streams):
        if live.is_stopped:
            return
        if audio is not None and packet.stream.index == audio.index:
            _add_decoded(audio, packet, live)
        else:
            yield packet


def _add_decoded(stream: AudioStream, packet: Packet[Any] | None, live: LiveStream) -> None:
    """Decode a packet of the sound, or with None what the decoder still holds; damaged packets are dropped."""
    with suppress(av.error.FFmpegError, ValueError):
        for frame in stream.codec_context.decode(packet):
            if isinstance(frame, AudioFrame) and is_audible(frame):
                if frame.time_base is None:
                    frame.time_base = stream.time_base
                live.add_sound(frame)


def _watch(pictures: Iterator[TimedPicture], stream: VideoStream, live: LiveStream) -> Iterator[TimedPicture]:
    """Note the time of the first picture, and decode key frames only while decoding is slower than the stream."""
    for timed in pictures:
        if live.origin_s is None:
            live.origin_s = read_time_s(timed.picture) or 0 * timed.time_s
        stream.codec_context.skip_frame = "NONKEY" if live.is_behind(float(timed.time_s)) else "DEFAULT"
        yield timed


def feed_from_camera(index: int) -> Callable[[LiveStream], None]:
    """Make the feed of a camera: pictures without sound.

    Args:
        index: 0 for the first camera of the machine, as OpenCV counts them.
    """

    def feed(live: LiveStream) -> None:
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        capture = cv2.VideoCapture(index)
        try:
            if not capture.isOpened():
                raise MediaError(
                    f"{live.name}: cannot be opened; is it plugged in, free, and may this program use it? Another one "
                    f"may be camera {index + 1}"
                )
            live.begin(has_video=True, has_audio=False)
            live.add_pictures(_read_camera(capture, live))
        finally:
            capture.release()

    return feed


class _CameraPicture:
    """A picture of a camera, in OpenCV's order of colours until it is needed."""

    def __init__(self, time_s: float, bgr: NDArray[np.uint8]) -> None:
        self.time_s, self.end_s = time_s, time_s + _CAMERA_PICTURE_S
        self._bgr = bgr

    def to_rgb(self) -> NDArray[np.uint8]:
        return np.ascontiguousarray(self._bgr[..., ::-1])


def _read_camera(capture: Any, live: LiveStream) -> Iterator[_CameraPicture]:
    """Yield pictures at the times at which they arrive, until the camera is gone."""
    began_s: float | None = None
    while not live.is_stopped:
        is_there, bgr = capture.read()
        if not is_there:
            return
        now_s = time.perf_counter()
        began_s = now_s if began_s is None else began_s
        yield _CameraPicture(now_s - began_s, bgr)
