"""Sound as 16 kHz mono on the video's clock: sample i plays i / 16000 s after the first frame appears."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.clock import MAX_JUMP_S, Clock, Stamped, Ticks
from hicmae_cli.media.frames import TIME_TOLERANCE_S, read_start_s, read_time_s
from hicmae_cli.media.mixer import Mixer
from hicmae_cli.media.source import (
    MediaPath,
    decode_audio,
    do_nothing,
    explain_no_sound,
    find_audio,
    find_video,
    has_index,
    open_media,
    open_video,
    seek_back,
)
from hicmae_cli.model_input import SAMPLE_RATE_HZ

MAX_DRIFT_S: Final = Fraction(20, 1000)
"""Timestamps are rounded and jitter; more than this is a real gap."""
_LITTLE_DRIFT_S: Final = 0.01
_MAX_GAP_SAMPLES: Final = round(MAX_JUMP_S * SAMPLE_RATE_HZ)
# After this time, earlier sound no longer affects decoders and the resampler.
_SETTLING_S: Final = Fraction(1, 2)
# Silence is yielded in pieces, so that a long gap takes no memory.
_ZEROS_SAMPLES: Final = SAMPLE_RATE_HZ


def read_audio(path: Path | str, start_s: float = 0.0, end_s: float | None = None) -> NDArray[np.float32]:
    """Read the sound between two times of the video's clock.

    If the format allows a seek, decoding starts shortly before `start_s`. Lossless sound is then bit-equal to that of a
    full read, lossy sound nearly. If the file's timestamps drift from the count of its samples by more than 20 ms, the
    timestamps place the sound.

    Args:
        path: a local media file with audio.
        start_s: start time; 0 is the first video frame.
        end_s: end time; None for the end of the sound.

    Returns:
        (n,) float32 in -1..1 at 16 kHz; shorter than `end_s - start_s` if the sound ends early.

    Raises:
        MediaError: the file cannot be read, has no audio, or its audio cannot be decoded.
        ValueError: start_s is negative or after end_s.
    """
    return np.concatenate([np.zeros(0, np.float32), *iterate_audio(path, start_s, end_s)])


def iterate_audio(
    path: Path | str, start_s: float = 0.0, end_s: float | None = None, on_packet: Callable[[], None] = do_nothing
) -> Iterator[NDArray[np.float32]]:
    """Yield the sound of `read_audio` in pieces (n,) of any length, which bounds the memory.

    Args:
        path: see `read_audio`.
        start_s: see `read_audio`.
        end_s: see `read_audio`.
        on_packet: called at most twice a second while a file is decoded from its start.

    Raises:
        MediaError: see `read_audio`.
        ValueError: see `read_audio`.
    """
    if start_s < 0 or (end_s is not None and end_s < start_s):
        raise ValueError(f"expected 0 <= start_s <= end_s, got start_s={start_s}, end_s={end_s}")
    position = round(start_s * SAMPLE_RATE_HZ)
    end = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
    for piece in _read_pieces(path, position, on_packet):
        yield piece if end is None else piece[: max(0, end - position)]
        position += len(piece)
        if end is not None and position >= end:
            return


def read_audio_blocks(
    path: MediaPath, block_s: float = 1.0, on_packet: Callable[[], None] = do_nothing
) -> Iterator[NDArray[np.float32]]:
    """Stream the whole sound in consecutive blocks.

    Time 0 is the first video frame; without video, the first sample. Sound before it is dropped; a later start, and
    gaps in the file's timestamps, become silence.

    Args:
        path: a local media file with audio.
        block_s: length of a block in seconds; the last block may be shorter.
        on_packet: called at most twice a second while packets are read, those of other streams too.

    Yields:
        (n,) float32 in -1..1 at 16 kHz mono.

    Raises:
        MediaError: the file cannot be read, has no audio, or its audio cannot be decoded.
        ValueError: block_s is shorter than one sample.
    """
    block_samples = round(block_s * SAMPLE_RATE_HZ)
    if block_samples < 1:
        raise ValueError(f"expected block_s of at least one sample, got block_s={block_s}")
    held: list[NDArray[np.float32]] = []
    held_samples = 0
    for piece in _read_pieces(path, on_packet=on_packet):
        held.append(piece)
        held_samples += len(piece)
        if held_samples >= block_samples:
            joined = np.concatenate(held)
            whole = held_samples - held_samples % block_samples
            for start in range(0, whole, block_samples):
                yield joined[start : start + block_samples]
            held, held_samples = [joined[whole:]], held_samples - whole
    if held_samples:
        yield np.concatenate(held)


def read_audio_if_any(path: Path | str) -> NDArray[np.float32] | None:
    """Read the whole sound of a file as `read_audio` does; None if it has no audio, or none that can be decoded.

    Raises:
        MediaError: the file cannot be read.
    """
    try:
        return np.concatenate([np.zeros(0, np.float32), *_read_pieces(path)])
    except _SilentError:
        return None


def decode_sound(
    container: InputContainer, stream: AudioStream, packets: Sequence[Packet[Any]], start_s: Fraction
) -> NDArray[np.float32] | None:
    """Decode the whole sound of an open file from its packets; None if no sound can be decoded.

    Args:
        container: the file.
        stream: its sound.
        packets: all packets of `stream`.
        start_s: presentation time of the first picture on the container's own clock.
    """
    runs = _mix_runs(decode_audio(container, stream, packets))
    first = next(runs, None)
    if first is None:
        return None
    return np.concatenate([np.zeros(0, np.float32), *_join_runs(start_s, chain([first], runs), 0)])


def place_sound(frames: Iterator[AudioFrame], origin_s: Fraction | None) -> Iterator[NDArray[np.float32]]:
    """Yield the sound of decoded frames in pieces (n,) without gaps, at 16 kHz from time 0 on.

    Args:
        frames: decoded frames, as they come.
        origin_s: time 0 on their own clock; None for the first sample.
    """
    return _join_runs(origin_s, _mix_runs(frames), 0)


class _SilentError(MediaError):
    """A file has no audio stream, or its audio cannot be decoded."""


def _read_pieces(
    path: MediaPath, start: int = 0, on_packet: Callable[[], None] = do_nothing
) -> Iterator[NDArray[np.float32]]:
    """Yield contiguous pieces of sound and silence of any length, from sample `start` on; sample 0 is at time 0."""
    seeks = start > _SETTLING_S * SAMPLE_RATE_HZ
    with open_media(path) as container:
        stream = open_video(container, one_thread=True)
        if stream is None and not seeks:
            # Nothing has been read yet, and to open a file takes longer than to decode a few seconds.
            yield from _read_sound(path, container, None, start, on_packet)
            return
        origin_s = None if stream is None else read_start_s(container, stream)
    if seeks:
        with open_media(path) as container:
            placed = _seek_runs(container, origin_s, start)
            if placed is not None:
                yield from _join_runs(*placed, start)
                return
    with open_media(path) as container:
        yield from _read_sound(path, container, origin_s, start, on_packet)


def _read_sound(
    path: MediaPath, container: InputContainer, origin_s: Fraction | None, start: int, on_packet: Callable[[], None]
) -> Iterator[NDArray[np.float32]]:
    """Yield the pieces of an open file that was not read before; arguments as for ``_read_pieces``."""
    sound = find_audio(container)
    if sound is None:
        raise _SilentError(f"{path}: has no audio stream, only video")
    runs = _mix_runs(decode_audio(container, sound, on_packet=on_packet))
    first = next(runs, None)
    if first is None:
        raise _SilentError(f"{path}: has an audio stream, but none of it can be decoded: {explain_no_sound(sound)}")
    yield from _join_runs(origin_s, chain([first], runs), start)


def _join_runs(
    origin_s: Fraction | None, runs: Iterator[tuple[Fraction | None, NDArray[np.float32]]], start: int
) -> Iterator[NDArray[np.float32]]:
    """Join runs: fill gaps with silence and trim overlaps.

    Args:
        origin_s: time 0 on the container's clock; None for the start of the first run.
        runs: what `_mix_runs` yields.
        start: the first sample to yield.
    """
    # Positions of the next sample to yield, and of the next sample of the run; both count from time 0.
    written = start
    position = 0
    for start_s, samples in runs:
        if start_s is not None:
            origin_s = start_s if origin_s is None else origin_s
            position = min(round((start_s - origin_s) * SAMPLE_RATE_HZ), written + _MAX_GAP_SAMPLES)
        while written < position:
            count = min(_ZEROS_SAMPLES, position - written)
            yield np.zeros(count, np.float32)
            written += count
        fresh = samples[written - position :]
        position += len(samples)
        if len(fresh):
            yield fresh
            written = position


def _seek_runs(
    container: InputContainer, origin_s: Fraction | None, start: int
) -> tuple[Fraction, Iterator[tuple[Fraction | None, NDArray[np.float32]]]] | None:
    """Seek to shortly before a sample. Return time 0 on the container's clock, and the runs from there on.

    None if the format has no index, or if the seek leads past the sample.
    """
    sound = find_audio(container)
    if sound is None or not has_index(container):
        return None
    first = next(decode_audio(container, sound), None)
    first_s = None if first is None else read_time_s(first)
    if first is None or first_s is None:
        return None
    sound_start_s = first_s if abs(first_s) > MAX_DRIFT_S else Fraction(0)  # as in `_mix_runs`
    origin_s = sound_start_s if origin_s is None else origin_s
    wanted_s = origin_s + Fraction(start, SAMPLE_RATE_HZ)
    # Matroska's index lists pictures if the file has any; a seek by sound would read the file from its start.
    picture = find_video(container) if "matroska" in container.format.name else None
    target_s = wanted_s - _SETTLING_S
    if target_s <= first_s or not seek_back(container, picture or sound, target_s):
        return None
    frames = decode_audio(container, sound)
    entry = next(frames, None)
    entry_s = None if entry is None else read_time_s(entry)
    if entry is None or entry_s is None or entry_s > wanted_s - _SETTLING_S / 2:
        return None
    since_s, surplus = _measure_offset(first, entry)
    return origin_s, _mix_runs(chain([entry], frames), sound_start_s + since_s, surplus)


def _measure_offset(first: AudioFrame, frame: AudioFrame) -> tuple[Fraction, int]:
    """Measure a frame's time after the first frame (s), and how many of its samples precede the resampler's grid.

    If the container rounds times and all frames have one length, the time is rounded to a whole number of frames.
    The grid consists of the 16 kHz samples of a read from the start.
    """
    first_s, time_s = read_time_s(first), read_time_s(frame)
    assert first_s is not None and time_s is not None
    rate_hz = frame.sample_rate
    samples = (time_s - first_s) * rate_hz
    if frame.time_base != Fraction(1, rate_hz):
        whole = first.samples + round((samples - first.samples) / frame.samples) * frame.samples
        samples = Fraction(whole) if abs(whole - samples) <= TIME_TOLERANCE_S * rate_hz else samples
    if samples.denominator != 1 or first.sample_rate != rate_hz:
        return time_s - first_s, 0
    return samples / rate_hz, int(-samples % (rate_hz // math.gcd(rate_hz, SAMPLE_RATE_HZ)))


def _mix_runs(
    frames: Iterator[AudioFrame], next_s: Fraction = Fraction(0), surplus: int = 0
) -> Iterator[tuple[Fraction | None, NDArray[np.float32]]]:
    """Mix frames to mono 16 kHz samples, in runs without gaps.

    Args:
        frames: decoded frames.
        next_s: expected time of the first frame on the container's clock.
        surplus: how many of its samples to drop.

    Yields:
        The run's start on the container's clock (s) with its first samples; None with the samples that follow.
    """
    mixer: Mixer | None = None
    clock = Clock()
    upcoming = Stamped(frames, read_time_s)
    run_start_s = Fraction(0)
    # Unit of the frames' own times.
    tick_s = 0.0
    # Start of the run in frames' own times.
    offset_s = 0.0
    for frame in upcoming:
        start_s: Fraction | None = None
        # Nearly every frame starts where the last one ended; exact fractions for each would take longer than decoding.
        if mixer is not None and mixer.accepts(frame):
            drift_s = 0.0 if frame.pts is None else frame.pts * tick_s - offset_s - mixer.length_s
            if abs(drift_s) < _LITTLE_DRIFT_S:
                yield None, mixer.mix(frame)
                continue
        stamp_s = read_time_s(frame)
        if mixer is None:
            time_s: Ticks = next_s if stamp_s is None else stamp_s
        else:
            next_s = run_start_s + mixer.duration_s
            time_s = clock.assign_time(stamp_s, next_s, next_s, upcoming.peek_stamp)
        jump_s = time_s - next_s
        if mixer is None or (jump_s and abs(jump_s) > MAX_DRIFT_S) or not mixer.accepts(frame):
            if mixer is not None:
                yield None, mixer.finish()
            mixer = Mixer(frame, surplus)
            run_start_s = next_s + jump_s if abs(jump_s) > MAX_DRIFT_S else next_s
            start_s = run_start_s + Fraction(surplus, frame.sample_rate)
            surplus = 0
        offset_s = float(run_start_s - clock.shift)
        tick_s = float(frame.time_base or 0)
        yield start_s, mixer.mix(frame)
    if mixer is not None:
        yield None, mixer.finish()
