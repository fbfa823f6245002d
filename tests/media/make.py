"""Media files with the oddities of real ones, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray


def gray_level(index: int) -> int:
    """A grey that survives lossy coding and tells 40 frames apart."""
    return 20 + (index * 17) % 40 * 5


def numbered_frames(count: int, width: int = 64, height: int = 48) -> list[NDArray[np.uint8]]:
    return [np.full((height, width, 3), gray_level(i), np.uint8) for i in range(count)]


def corner_picture(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Dark, with a red top left corner and a blue bottom right corner: shows rotation and mirroring."""
    picture = np.full((height, width, 3), 40, np.uint8)
    picture[: height // 4, : width // 4] = (220, 30, 30)
    picture[-height // 4 :, -width // 4 :] = (30, 30, 220)
    return picture


def make_video(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    times_s: Sequence[Fraction | float],
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    audio: NDArray[np.float32] | None = None,
    audio_rate_hz: int = 48_000,
    audio_layout: str = "mono",
    audio_codec: str = "pcm_s16le",
    audio_start_s: float = 0.0,
    audio_cuts: Sequence[tuple[float, float]] = (),
    container_format: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at given times, and sound (channels, samples) from a given time on.

    audio_cuts lists spans (start_s, end_s) on the file's clock whose sound is left out, leaving a gap.
    """
    clock = Fraction(1, 90_000)
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        video: VideoStream | None = None
        sound: AudioStream | None = None
        if pictures:
            added = container.add_stream(codec, rate=25, options=options or {})
            assert isinstance(added, VideoStream)
            video = added
            height, width = pictures[0].shape[:2]
            video.width, video.height, video.pix_fmt = width, height, pixel_format
            video.codec_context.thread_count = 1
            video.time_base = video.codec_context.time_base = clock
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation_deg:
                video.set_display_rotation(rotation_deg)
        if audio is not None:
            heard = container.add_stream(audio_codec, rate=audio_rate_hz, layout=audio_layout)
            assert isinstance(heard, AudioStream)
            sound = heard
        if video is not None:
            for picture, time_s in zip(pictures, times_s, strict=True):
                frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
                frame.pts, frame.time_base = round(Fraction(time_s) / clock), clock
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if sound is not None and audio is not None:
            block = 480
            for start in range(0, audio.shape[1], block):
                time_s = audio_start_s + start / audio_rate_hz
                if any(cut_start <= time_s < cut_end for cut_start, cut_end in audio_cuts):
                    continue
                piece = audio[:, start : start + block]
                kind = sound.codec_context.format.name if sound.codec_context.format else "s16"
                container.mux(sound.encode(_audio_frame(piece, kind, audio_layout, audio_rate_hz, time_s)))
            container.mux(sound.encode(None))
    return path


def make_sound(path: Path, audio: NDArray[np.float32], rate_hz: int, layout: str, codec: str) -> Path:
    """Write a file with nothing but sound."""
    return make_video(path, [], [], audio=audio, audio_rate_hz=rate_hz, audio_layout=layout, audio_codec=codec)


def clicks(times_s: Sequence[float], length_s: float, rate_hz: int, channels: int = 1) -> NDArray[np.float32]:
    """Silence with short raised-cosine bumps centred on the given times: (channels, samples)."""
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    sound = np.zeros_like(time_s)
    for centre_s in times_s:
        near = np.abs(time_s - centre_s) < 0.004
        sound[near] += 0.25 * (1 + np.cos((time_s[near] - centre_s) * np.pi / 0.004))
    return np.tile(sound.astype(np.float32), (channels, 1))


def click_times_s(samples: NDArray[np.float32], rate_hz: int = 16_000) -> list[float]:
    """Where the bumps are, by their centres of mass."""
    loud = np.flatnonzero(samples > 0.05)
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > rate_hz // 100) + 1) if len(loud) else []
    return [float(np.average(group, weights=samples[group])) / rate_hz for group in groups]


def _audio_frame(piece: NDArray[np.float32], kind: str, layout: str, rate_hz: int, time_s: float) -> AudioFrame:
    planar = kind.endswith("p")
    base = kind.rstrip("p")
    scale = {"u8": 127, "s16": 32767, "s32": 2147483000, "flt": 1, "dbl": 1}[base]
    dtype = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}[base]
    values = piece.astype(np.float64) * scale
    if base == "u8":
        values = values + 128
    data = (values if base in ("flt", "dbl") else np.round(values)).astype(dtype)
    if not planar:
        data = data.T.reshape(1, -1)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(data), format=kind, layout=layout)
    frame.sample_rate = rate_hz
    frame.time_base = Fraction(1, rate_hz)
    frame.pts = round(time_s * rate_hz)
    return frame
