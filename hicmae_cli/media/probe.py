"""What a media file holds, told from its packets rather than from what its header claims."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hicmae_cli.errors import MediaError
from hicmae_cli.media.clock import MAX_FPS, MAX_JUMP_S
from hicmae_cli.media.extent import Extent, PacketTimes
from hicmae_cli.media.frames import TIME_TOLERANCE_S, display_of, frame_duration_s, to_rgb
from hicmae_cli.media.source import (
    audio_stream,
    open_media,
    stores_presentation_times,
    undecodable,
    unheard,
    video_stream,
)


@dataclass(frozen=True)
class MediaInfo:
    """A media file in brief.

    Attributes:
        path: The file.
        duration_s: Seconds from time 0 to the end of the longer of the two streams.
        has_video: Whether there is a moving picture that can be decoded (a cover picture is none).
        has_audio: Whether there is sound that can be decoded.
        fps: Frames per second on average; None without video, and where the file claims an impossible rate.
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
        if self.has_video and (self.width_px < 1 or self.height_px < 1):
            raise ValueError(f"{self.path}: expected a size, got {self}")


def probe(path: Path | str) -> MediaInfo:
    """Read every packet's time stamp in one pass; only the first frame of each stream is decoded.

    Raises:
        MediaError: The file is missing, is not media, or nothing in it can be decoded.
    """
    path = Path(path)
    warnings: list[str] = []
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        unseen = "" if video is None else undecodable(video)
        times = _packet_times(container, [s for s in (video, audio) if s is not None])
        promised_s = _promised_s(container)
        seen = None if video is None else _look(video, times[video.index])
        heard = None if audio is None else _listen(times[audio.index])
        if video is not None and seen is None:
            name, reason = video.codec_context.name, unseen
            warnings.append(f"the video ({name}) cannot be decoded and is ignored: {reason}")
        if audio is not None and heard is None:
            name, reason = audio.codec_context.name, unheard(audio)
            warnings.append(f"the sound ({name}) cannot be decoded and is ignored: {reason}")
    if seen is None and heard is None:
        raise MediaError(f"{path}: has streams, but nothing in them can be decoded: {reason}")

    extents = [extent for extent in (seen.extent if seen else None, heard) if extent is not None]
    origin_s = extents[0].start_s
    video_duration_s = 0.0 if seen is None else float(seen.extent.length_s)
    audio_duration_s = 0.0
    if heard is not None:  # `read_audio_blocks` lets it start no later than after the longest gap
        late_s = min(heard.start_s - origin_s, Fraction(MAX_JUMP_S))
        audio_duration_s = float(max(late_s + heard.length_s, Fraction(0)))
    duration_s = max(video_duration_s, audio_duration_s)
    # Some headers count from 0 on the container's clock, others from the first frame: the longer is what is there.
    left_out_s = max(float(extent.left_out_s) for extent in extents)
    there_s = left_out_s + max(duration_s, *(float(extent.start_s + extent.length_s) for extent in extents))
    if left_out_s:
        warnings.append(
            f"its time stamps pause for {left_out_s:.1f} s more than is believed; these are left out"
        )
    missing_s = 0.0 if promised_s is None else max(0.0, promised_s - there_s)
    if promised_s is not None and there_s < 0.95 * promised_s - 1:
        warnings.append(
            f"the file is cut short: its header promises {promised_s:.1f} s, {there_s:.1f} s are there"
        )
    if seen is None:
        return MediaInfo(
            path, duration_s, False, True, audio_duration_s=audio_duration_s, missing_s=missing_s,
            warnings=tuple(warnings),
        )  # fmt: skip
    fps = seen.extent.rate(seen.nominal_fps)
    if fps is None:
        warnings.append(f"its time stamps claim more than {MAX_FPS} pictures a second; the rate is unknown")
    return MediaInfo(
        path=path,
        duration_s=duration_s,
        has_video=True,
        has_audio=heard is not None,
        fps=fps,
        width_px=seen.width_px,
        height_px=seen.height_px,
        rotation_deg=seen.rotation_deg,
        is_vfr=seen.extent.longest_s - seen.extent.shortest_s > 2 * TIME_TOLERANCE_S,
        video_duration_s=video_duration_s,
        audio_duration_s=audio_duration_s,
        missing_s=missing_s,
        warnings=tuple(warnings),
    )


class _Seen(NamedTuple):
    extent: Extent
    nominal_fps: Fraction
    width_px: int
    height_px: int
    rotation_deg: int


def _look(video: VideoStream, times: PacketTimes) -> _Seen | None:
    """What is to be seen; None where no picture can be decoded."""
    if not isinstance(times.first, VideoFrame):
        return None
    nominal_s = frame_duration_s(video)
    display = display_of(video, times.first)
    height_px, width_px = to_rgb(times.first, display).shape[:2]
    return _Seen(times.extent(nominal_s), 1 / nominal_s, width_px, height_px, 90 * display.quarter_turns)


def _listen(times: PacketTimes) -> Extent | None:
    """Where the sound is; None where none can be decoded."""
    first = times.first
    if not isinstance(first, AudioFrame):
        return None
    return times.extent(Fraction(first.samples, first.sample_rate))


def _packet_times(
    container: InputContainer, streams: list[VideoStream | AudioStream]
) -> dict[int, PacketTimes]:
    """The packets of each stream by its index, up to the end or to where the file is cut off."""
    times = {stream.index: PacketTimes(stream, stores_presentation_times(container)) for stream in streams}
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            break
        if packet.size:
            times[packet.stream.index].add(packet)
    for of_stream in times.values():
        of_stream.finish()
    return times


def _promised_s(container: InputContainer) -> float | None:
    """The duration in the header, in formats where it is stated rather than guessed."""
    stated = set(container.format.name.split(",")) & {"mp4", "matroska"}
    return container.duration / av.time_base if stated and container.duration else None
