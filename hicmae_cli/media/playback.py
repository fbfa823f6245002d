"""Sound to listen to: at its own rate, with up to two channels, on the video's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from hicmae_cli.media.audio import MAX_DRIFT_S
from hicmae_cli.media.clock import Clock, Stamped, Ticks
from hicmae_cli.media.frames import read_start_s, read_time_s
from hicmae_cli.media.source import decode_audio, find_audio, open_media, open_video

# The rates that AAC has, up to those that are heard.
_RATES_HZ: Final = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_SILENCE_S: Final = 1


@dataclass(frozen=True)
class Playback:
    """The sound of a file.

    Attributes:
        rate_hz: samples per second and channel.
        channels: 1 or 2.
        blocks: float32 samples in -1..1 (channels, n); the first one plays at the start that was asked for. Read them
            once, to the end or not at all.
    """

    rate_hz: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]


def open_playback(path: Path, start_s: float = 0.0, end_s: float | None = None) -> Playback | None:
    """Prepare to read the sound of a file; None if it has none that can be decoded.

    Sound before the first picture is dropped, and gaps become silence, as in `read_audio`. More than two channels are
    mixed to two, and a rate that AAC does not have becomes the next higher one, at most 48 kHz.

    Args:
        path: a local media file.
        start_s: where to start, on the video's clock.
        end_s: where to stop; None for the end.

    Raises:
        MediaError: the file cannot be read.
    """
    with open_media(path) as container:
        video = open_video(container, one_thread=True)
        origin_s = None if video is None else read_start_s(container, video)
    with open_media(path) as container:
        sound = find_audio(container)
        first = None if sound is None else next(decode_audio(container, sound), None)
    if first is None:
        return None
    rate_hz = next((rate for rate in _RATES_HZ if rate >= first.sample_rate), _RATES_HZ[-1])
    channels = min(2, first.layout.nb_channels)
    end = None if end_s is None else round(end_s * rate_hz)
    return Playback(rate_hz, channels, _read_part(path, origin_s, rate_hz, channels, round(start_s * rate_hz), end))


def _read_part(
    path: Path, origin_s: Fraction | None, rate_hz: int, channels: int, start: int, end: int | None
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples from ``start`` to ``end``, counted from time 0: fill gaps, and trim overlaps."""
    written = start
    with open_media(path) as container:
        sound = find_audio(container)
        assert sound is not None, "only called for a file with sound"
        for time_s, samples in _place(decode_audio(container, sound), rate_hz, channels):
            origin_s = time_s if origin_s is None else origin_s
            position = round((time_s - origin_s) * rate_hz)
            while written < position and (end is None or written < end):
                count = min(_SILENCE_S * rate_hz, position - written)
                yield np.zeros((channels, count), np.float32)
                written += count
            fresh = samples[:, max(0, written - position) :]
            fresh = fresh if end is None else fresh[:, : max(0, end - written)]
            if fresh.shape[1]:
                yield fresh
                written += fresh.shape[1]
            if end is not None and written >= end:
                return


def _place(frames: Iterator[AudioFrame], rate_hz: int, channels: int) -> Iterator[tuple[Fraction, NDArray[np.float32]]]:
    """Yield samples with their start on the container's clock (s); small jumps of the timestamps are not followed."""
    clock = Clock()
    upcoming = Stamped(frames, read_time_s)
    converter: _Converter | None = None
    run_s, next_s, given = Fraction(0), Fraction(0), 0
    for frame in upcoming:
        stamp_s = read_time_s(frame)
        if converter is None:
            time_s: Ticks = next_s if stamp_s is None else stamp_s
        else:
            time_s = clock.assign_time(stamp_s, next_s, next_s, upcoming.peek_stamp)
        if converter is None or abs(time_s - next_s) > MAX_DRIFT_S or not converter.accepts(frame):
            if converter is not None:
                yield run_s + Fraction(given, rate_hz), converter.finish()
            started_s = Fraction(time_s) if converter is None or abs(time_s - next_s) > MAX_DRIFT_S else next_s
            converter, run_s, next_s, given = _Converter(frame, rate_hz, channels), started_s, started_s, 0
        samples = converter.convert(frame)
        yield run_s + Fraction(given, rate_hz), samples
        given += samples.shape[1]
        next_s += Fraction(frame.samples, frame.sample_rate)
    if converter is not None:
        yield run_s + Fraction(given, rate_hz), converter.finish()


class _Converter:
    """Converts frames of one format to float samples (channels, n)."""

    def __init__(self, frame: AudioFrame, rate_hz: int, channels: int) -> None:
        self._format = _read_format(frame)
        self._channels = channels
        # ffmpeg mixes channels with names; those without are mixed here.
        layout = ("mono", "stereo")[channels - 1]
        self._resampler = AudioResampler("fltp", layout, rate_hz)
        frame.pts = None
        try:
            self._held = list(self._resampler.resample(frame))
        except (av.error.FFmpegError, ValueError):
            self._resampler = AudioResampler("fltp", frame.layout, rate_hz)
            self._held = list(self._resampler.resample(frame))
        self._is_first = True

    def accepts(self, frame: AudioFrame) -> bool:
        """Whether the frame has the first frame's format."""
        return _read_format(frame) == self._format

    def convert(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Return the samples that are ready; the first frame was given already."""
        if self._is_first:
            self._is_first = False
            return self._join(self._held)
        frame.pts = None
        return self._join(self._resampler.resample(frame))

    def finish(self) -> NDArray[np.float32]:
        """Return the remaining samples."""
        return self._join(self._resampler.resample(None))

    def _join(self, frames: list[AudioFrame]) -> NDArray[np.float32]:
        pieces = [np.asarray(frame.to_ndarray(), np.float32) for frame in frames]
        samples = np.concatenate(pieces, axis=1) if pieces else np.zeros((self._channels, 0), np.float32)
        if len(samples) != self._channels:
            samples = np.repeat(samples.mean(axis=0, keepdims=True), self._channels, axis=0)
        return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)


def _read_format(frame: AudioFrame) -> tuple[str, str, int, int]:
    return frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate
