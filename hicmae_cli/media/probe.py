"""Properties of a media file, measured from its packets because headers can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hicmae_cli.errors import MediaError
from hicmae_cli.media.clock import MAX_FPS, MAX_JUMP_S
from hicmae_cli.media.extent import Extent, PacketTimes
from hicmae_cli.media.frames import TIME_TOLERANCE_S, read_frame_duration_s, read_orientation, to_rgb
from hicmae_cli.media.source import (
    MediaPath,
    can_be_audible,
    demux,
    do_nothing,
    explain_no_picture,
    explain_no_sound,
    find_audio,
    open_media,
    open_video,
    stores_presentation_times,
)


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a media file.

    Attributes:
        path: the file.
        duration_s: seconds from time 0 to the end of the longer of the two streams.
        has_video: whether there is video that can be decoded (a cover picture is not video).
        has_audio: whether there is sound that can be decoded.
        fps: mean frame rate (Hz); None without video, or if the file states an impossible rate.
        width_px: width of the upright picture with square pixels; 0 without video.
        height_px: its height; 0 without video.
        rotation_deg: counter-clockwise rotation that the container requires; width and height include it.
        is_vfr: whether the distance between frames varies by more than rounding explains (2 ms).
        video_duration_s: seconds from time 0 to the end of the last frame; 0 without video.
        audio_duration_s: seconds from time 0 to the end of the last sample; 0 without audio.
        missing_s: seconds of the header's duration that are missing from the file.
        warnings: sentences for the user about the file's faults.

    Raises:
        ValueError: there is neither video nor audio, or the video has no size.
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
        """Check that the fields are consistent."""
        if not (self.has_video or self.has_audio):
            raise ValueError(f"{self.path}: expected video or audio")
        if self.has_video and (self.width_px < 1 or self.height_px < 1):
            raise ValueError(f"{self.path}: expected a size, got {self}")


def probe(path: MediaPath, on_packet: Callable[[], None] = do_nothing) -> MediaInfo:
    """Read every packet's timestamp in one pass; decode only the first frame of each stream.

    Args:
        path: a local media file, or a stream.
        on_packet: called at most twice a second while packets are read.

    Raises:
        MediaError: the file is missing, is not media, or cannot be decoded.
    """
    with open_media(path) as container:
        picture, sound, faults = _measure(container, on_packet)
        promised_s = _read_promised_s(container)
    if picture is None and sound is None:
        causes = "; ".join(f"{stream}: {reason}" for stream, reason in faults)
        raise MediaError(f"{path}: has streams, but nothing in them can be decoded: {causes}")
    lengths = _compute_lengths(None if picture is None else picture.extent, sound)
    return MediaInfo(
        path=Path(str(path)),
        duration_s=lengths.duration_s,
        has_video=picture is not None,
        has_audio=sound is not None,
        fps=picture.fps if picture else None,
        width_px=picture.width_px if picture else 0,
        height_px=picture.height_px if picture else 0,
        rotation_deg=picture.rotation_deg if picture else 0,
        is_vfr=picture.is_vfr if picture else False,
        video_duration_s=lengths.video_s,
        audio_duration_s=lengths.audio_s,
        missing_s=0.0 if promised_s is None else max(0.0, promised_s - lengths.stored_s),
        warnings=tuple(_list_warnings(picture, faults, lengths, promised_s)),
    )


class _Picture(NamedTuple):
    extent: Extent
    fps: Fraction | None
    width_px: int
    height_px: int
    rotation_deg: int

    @property
    def is_vfr(self) -> bool:
        return self.extent.longest_s - self.extent.shortest_s > 2 * TIME_TOLERANCE_S


def _measure(
    container: InputContainer, on_packet: Callable[[], None]
) -> tuple[_Picture | None, Extent | None, list[tuple[str, str]]]:
    """Return the picture, the sound's extent, and each stream that cannot be decoded with the reason."""
    video, audio = open_video(container, one_thread=True), find_audio(container)
    reason = "" if video is None else explain_no_picture(video)
    streams: list[VideoStream | AudioStream] = [] if video is None else [video]
    if audio is not None and can_be_audible(audio):
        streams.append(audio)
    times = _record_packets(container, streams, on_packet)
    picture = None if video is None else _measure_picture(video, times[video.index])
    sound = _measure_sound(times[audio.index]) if audio is not None and audio.index in times else None
    faults = []
    if video is not None and picture is None:
        faults.append((f"the video ({video.codec_context.name})", reason))
    if audio is not None and sound is None:
        faults.append((f"the sound ({audio.codec_context.name})", explain_no_sound(audio)))
    return picture, sound, faults


def _measure_picture(video: VideoStream, times: PacketTimes) -> _Picture | None:
    """Return the picture's properties; None if no picture can be decoded."""
    if not isinstance(times.first, VideoFrame):
        return None
    nominal_s = read_frame_duration_s(video)
    orientation = read_orientation(video, times.first)
    height_px, width_px = to_rgb(times.first, orientation).shape[:2]
    extent = times.measure(nominal_s)
    return _Picture(extent, extent.estimate_rate(1 / nominal_s), width_px, height_px, 90 * orientation.quarter_turns)


def _measure_sound(times: PacketTimes) -> Extent | None:
    """Return the sound's extent; None if no sound can be decoded."""
    first = times.first
    if not isinstance(first, AudioFrame):
        return None
    return times.measure(Fraction(first.samples, first.sample_rate))


def _record_packets(
    container: InputContainer, streams: list[VideoStream | AudioStream], on_packet: Callable[[], None]
) -> dict[int, PacketTimes]:
    """Record the packets of each stream, by its index, up to the end or to where the file is cut off."""
    times = {stream.index: PacketTimes(stream, stores_presentation_times(container)) for stream in streams}
    for packet in demux(container, streams, on_packet):
        if packet.size:
            times[packet.stream.index].add(packet)
    for stream_times in times.values():
        stream_times.finish()
    return times


def _read_promised_s(container: InputContainer) -> float | None:
    """Return the duration in the header; None for formats with an estimated duration only."""
    stated = set(container.format.name.split(",")) & {"mp4", "matroska"}
    return container.duration / av.time_base if stated and container.duration else None


class _Lengths(NamedTuple):
    """Lengths of the streams in seconds from time 0.

    Attributes:
        video_s: length of the video; 0 without video.
        audio_s: length of the sound; 0 without sound.
        skipped_s: sum of the pauses that the clock skipped.
        stored_s: length of the file's content on the clock of its header.
    """

    video_s: float
    audio_s: float
    skipped_s: float
    stored_s: float

    @property
    def duration_s(self) -> float:
        return max(self.video_s, self.audio_s)


def _compute_lengths(picture: Extent | None, sound: Extent | None) -> _Lengths:
    extents = [extent for extent in (picture, sound) if extent is not None]
    video_s = 0.0 if picture is None else float(picture.length_s)
    audio_s = 0.0
    if sound is not None:
        # `read_audio_blocks` limits the silence before the sound to the longest gap.
        late_s = min(sound.start_s - extents[0].start_s, Fraction(MAX_JUMP_S))
        audio_s = float(max(late_s + sound.length_s, Fraction(0)))
    skipped_s = max(float(extent.skipped_s) for extent in extents)
    # Some headers count from 0 on the container's clock, others from the first frame: take the longer one.
    ends_s = [float(extent.start_s + extent.length_s) for extent in extents]
    return _Lengths(video_s, audio_s, skipped_s, skipped_s + max(video_s, audio_s, *ends_s))


def _list_warnings(
    picture: _Picture | None, faults: list[tuple[str, str]], lengths: _Lengths, promised_s: float | None
) -> Iterator[str]:
    for stream, reason in faults:
        yield f"{stream} cannot be decoded and is ignored: {reason}"
    if lengths.skipped_s:
        yield f"its timestamps contain {lengths.skipped_s:.1f} s of pauses beyond the limit; that time was skipped"
    if promised_s is not None and lengths.stored_s < 0.95 * promised_s - 1:
        yield f"the file is cut short: its header promises {promised_s:.1f} s, but it has {lengths.stored_s:.1f} s"
    if picture is not None and picture.fps is None:
        yield f"its timestamps state more than {MAX_FPS} pictures per second; the rate is unknown"
