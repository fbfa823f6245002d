"""What a media file holds, told from its packets rather than from what its header claims."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from hicmae_cli.errors import MediaError
from hicmae_cli.media.frames import (
    MAX_JUMP_S,
    TIME_TOLERANCE_S,
    container_time_s,
    frame_duration_s,
    pixel_aspect,
    quarter_turns,
    to_rgb,
)
from hicmae_cli.media.source import (
    audio_stream,
    decode_audio,
    decode_video,
    open_media,
    stores_presentation_times,
    video_stream,
)

_REORDERING_PACKETS: Final = 32  # more than any codec holds back


@dataclass(frozen=True)
class MediaInfo:
    """A media file in brief.

    Attributes:
        path: The file.
        duration_s: Seconds from time 0 to the end of the longer of the two streams.
        has_video: Whether there is a moving picture that can be decoded (a cover picture is none).
        has_audio: Whether there is sound that can be decoded.
        fps: Frames per second on average; None without video.
        width_px: Width of the upright picture with square pixels; 0 without video.
        height_px: Its height; 0 without video.
        rotation_deg: Counter-clockwise rotation the container asks for, already applied to width and height.
        is_vfr: Whether the distance between frames varies by more than a millisecond or so.
        video_duration_s: Seconds until the last frame stops being shown; 0 without video.
        audio_duration_s: Seconds from time 0 until the last sample; 0 without audio.
        missing_s: By how much the file is shorter than its header promises.
        warnings: What a user should know about the file, a sentence each.
    """

    path: Path
    duration_s: float
    has_video: bool
    has_audio: bool
    fps: Fraction | None = None
    width_px: int = 0
    height_px: int = 0
    rotation_deg: int = 0
    is_vfr: bool = False
    video_duration_s: float = 0.0
    audio_duration_s: float = 0.0
    missing_s: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the fields go together."""
        if not (self.has_video or self.has_audio):
            raise ValueError(f"{self.path}: expected video or audio")
        if self.has_video and (self.fps is None or self.width_px < 1 or self.height_px < 1):
            raise ValueError(f"{self.path}: expected a size and a frame rate, got {self}")


def probe(path: Path | str) -> MediaInfo:
    """Read every packet's timestamp, without decoding, and decode the first frame of each stream.

    Raises:
        MediaError: The file is missing, is not media, or nothing in it can be decoded.
    """
    path = Path(path)
    warnings: list[str] = []
    with open_media(path) as container:
        video = video_stream(container)
        picture = None if video is None else next(decode_video(container, video), None)
        if video is not None and picture is None:
            warnings.append(f"the video ({video.codec_context.name}) cannot be decoded and is ignored")
    with open_media(path) as container:
        audio = audio_stream(container)
        heard = None if audio is None else next(decode_audio(container, audio), None)
        if audio is not None and heard is None:
            warnings.append(f"the sound ({audio.codec_context.name}) cannot be decoded and is ignored")
    if picture is None and heard is None:
        raise MediaError(f"{path}: has streams, but nothing in them can be decoded; the file is damaged")

    with open_media(path) as container:
        video = video_stream(container) if picture is not None else None
        audio = audio_stream(container) if heard is not None else None
        has_pts = stores_presentation_times(container)
        pictures = _Extent(frame_duration_s(video) if video is not None else Fraction(0), has_pts)
        block_s = Fraction(heard.samples, heard.sample_rate) if heard is not None else Fraction(0)
        sound = _Extent(block_s, has_pts)
        extents = {s.index: e for s, e in ((video, pictures), (audio, sound)) if s is not None}
        for packet in _packets(container, [s for s in (video, audio) if s is not None]):
            extents[packet.stream.index].add(packet)
        for extent in extents.values():
            extent.finish()
        promised_s = _promised_s(container)
        aspect = Fraction(1) if video is None else pixel_aspect(video)
        nominal_fps = 1 / pictures.nominal_s if video is not None else None

    origin_s = sound.first_s
    if picture is not None:
        origin_s = container_time_s(picture) or Fraction(0)
    video_duration_s = 0.0 if picture is None else float(max(pictures.end_s - origin_s, pictures.nominal_s))
    audio_duration_s = 0.0 if heard is None else float(max(sound.end_s - origin_s, Fraction(0)))
    duration_s = max(video_duration_s, audio_duration_s)
    # Some headers count from 0 on the container's clock, others from the first frame: the longer is what is there.
    there_s = max(duration_s, float(pictures.end_s), float(sound.end_s))
    missing_s = 0.0 if promised_s is None else max(0.0, promised_s - there_s)
    if promised_s is not None and there_s < 0.95 * promised_s - 1:
        warnings.append(
            f"the file is cut short: its header promises {promised_s:.1f} s, {there_s:.1f} s are there"
        )
    if picture is None:
        return MediaInfo(
            path, duration_s, False, True, audio_duration_s=audio_duration_s, missing_s=missing_s,
            warnings=tuple(warnings),
        )  # fmt: skip
    height_px, width_px = to_rgb(picture, aspect).shape[:2]
    return MediaInfo(
        path=path,
        duration_s=duration_s,
        has_video=True,
        has_audio=heard is not None,
        fps=pictures.rate(nominal_fps),
        width_px=width_px,
        height_px=height_px,
        rotation_deg=90 * quarter_turns(picture),
        is_vfr=pictures.is_irregular,
        video_duration_s=video_duration_s,
        audio_duration_s=audio_duration_s,
        missing_s=missing_s,
        warnings=tuple(warnings),
    )


class _Extent:
    """Where a stream's packets begin and end on the container's clock, and how regular they are."""

    def __init__(self, nominal_s: Fraction, has_pts: bool) -> None:
        self.nominal_s = nominal_s
        self._has_pts = has_pts
        self.first_s = self.last_s = self.end_s = Fraction(0)
        self._count = 0
        self._steps_s: tuple[Fraction, Fraction] | None = None  # shortest and longest
        self._reordering: list[tuple[Fraction, Fraction]] = []  # packets come in decoding order
        self._shift_s = Fraction(0)
        self._decoded_s: Fraction | None = None

    def add(self, packet: Packet[Stream]) -> None:
        if packet.is_discard or packet.time_base is None:
            return
        ticks = packet.pts if packet.pts is not None and self._has_pts else packet.dts
        time_s = self.end_s if ticks is None else ticks * packet.time_base + self._shift_s
        if ticks is not None and packet.dts is not None:  # the same repair as in `timed_pictures`
            decoded_s = packet.dts * packet.time_base + self._shift_s
            if self._decoded_s is not None and not -1 < decoded_s - self._decoded_s < MAX_JUMP_S:
                jump_s = decoded_s - self._decoded_s - self.nominal_s
                self._shift_s -= jump_s
                time_s -= jump_s
                decoded_s -= jump_s
            self._decoded_s = decoded_s
        duration_s = packet.duration * packet.time_base if packet.duration else self.nominal_s
        heapq.heappush(self._reordering, (time_s, min(duration_s, Fraction(MAX_JUMP_S))))
        if len(self._reordering) > _REORDERING_PACKETS:
            self._take()

    def finish(self) -> None:
        while self._reordering:
            self._take()

    @property
    def is_irregular(self) -> bool:
        return self._steps_s is not None and self._steps_s[1] - self._steps_s[0] > 2 * TIME_TOLERANCE_S

    def rate(self, nominal: Fraction | None) -> Fraction:
        """Packets per second: as the header states it if that fits, else as counted."""
        if self._count < 2 or self.last_s <= self.first_s:
            return nominal or Fraction(25)
        counted = (self._count - 1) / (self.last_s - self.first_s)
        if nominal is not None and abs(nominal / counted - 1) < 0.002:
            return nominal
        return counted.limit_denominator(1001)

    def _take(self) -> None:
        time_s, duration_s = heapq.heappop(self._reordering)
        if self._count == 0:
            self.first_s = time_s
        else:
            step_s = time_s - self.last_s
            shortest_s, longest_s = self._steps_s or (step_s, step_s)
            self._steps_s = min(shortest_s, step_s), max(longest_s, step_s)
        self.last_s, self.end_s = time_s, time_s + duration_s
        self._count += 1


def _packets(container: InputContainer, streams: list[VideoStream | AudioStream]) -> Iterator[Packet[Stream]]:
    """Packets up to the end or to where the file is cut off."""
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        if packet.size:
            yield packet


def _promised_s(container: InputContainer) -> float | None:
    """The duration in the header, in formats where it is stated rather than guessed."""
    stated = set(container.format.name.split(",")) & {"mp4", "matroska"}
    return container.duration / av.time_base if stated and container.duration else None
