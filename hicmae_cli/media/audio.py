"""Sound as 16 kHz mono on the video's clock: sample i is heard i / 16000 s after the first frame is shown."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media.frames import MAX_JUMP_S, container_time_s, start_time_s
from hicmae_cli.media.source import audio_stream, decode_audio, open_media, video_stream

SAMPLE_RATE_HZ: Final = 16_000
_MAX_DRIFT_S: Final = Fraction(20, 1000)  # timestamps are rounded and jitter; more than this is a real gap
_BACKWARD_JUMP_S: Final = Fraction(1)  # less is an overlap, to be trimmed; more is a clock that started again
_ZEROS_SAMPLES: Final = SAMPLE_RATE_HZ  # silence is handed on in pieces, so that a long gap costs no memory


def read_audio(path: Path | str, start_s: float = 0.0, end_s: float | None = None) -> NDArray[np.float32]:
    """The sound between two times of the video's clock.

    Args:
        path: A local media file with audio.
        start_s: First second wanted, 0 = the first video frame.
        end_s: Where to stop; None for the end of the sound.

    Returns:
        (n,) float32 in -1..1 at 16 kHz. Shorter than asked for where the sound ends early.

    Raises:
        MediaError: The file cannot be read, has no audio, or none of it can be decoded.
        ValueError: start_s is negative or after end_s.
    """
    if start_s < 0 or (end_s is not None and end_s < start_s):
        raise ValueError(f"expected 0 <= start_s <= end_s, got {start_s} and {end_s}")
    start = round(start_s * SAMPLE_RATE_HZ)
    end = None if end_s is None else round(end_s * SAMPLE_RATE_HZ)
    wanted: list[NDArray[np.float32]] = []
    position = 0
    for block in read_audio_blocks(path):
        if end is not None and position >= end:
            break
        wanted.append(block[max(0, start - position) : None if end is None else end - position])
        position += len(block)
    return np.concatenate(wanted) if wanted else np.zeros(0, np.float32)


def read_audio_blocks(path: Path | str, block_s: float = 1.0) -> Iterator[NDArray[np.float32]]:
    """The whole sound in consecutive blocks, streaming.

    Time 0 is the first video frame (the first sample, where there is no video): sound before it is dropped,
    sound that starts later is preceded by silence, and gaps in the file's timestamps become silence.

    Args:
        path: A local media file with audio.
        block_s: Length of a block in seconds; the last one may be shorter.

    Yields:
        (n,) float32 in -1..1 at 16 kHz mono.

    Raises:
        MediaError: The file cannot be read, has no audio, or none of it can be decoded.
        ValueError: block_s holds less than one sample.
    """
    block_samples = round(block_s * SAMPLE_RATE_HZ)
    if block_samples < 1:
        raise ValueError(f"expected block_s of at least one sample, got {block_s}")
    held: list[NDArray[np.float32]] = []
    held_samples = 0
    for piece in _pieces(path):
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


def _pieces(path: Path | str) -> Iterator[NDArray[np.float32]]:
    """Contiguous pieces of sound and silence of any length, sample 0 at time 0."""
    with open_media(path) as container:
        stream = video_stream(container)
        origin_s = None if stream is None else start_time_s(container, stream)
    with open_media(path) as container:
        sound = audio_stream(container)
        if sound is None:
            raise MediaError(f"{path}: has no audio stream, only video")
        written = 0  # the position of the next sample to hand on
        position = 0  # the position of the next sample to come in; both count from time 0
        empty = True
        for start_s, samples in _runs(decode_audio(container, sound)):
            empty = False
            if start_s is not None:
                origin_s = start_s if origin_s is None else origin_s
                position = round(min(start_s - origin_s, Fraction(MAX_JUMP_S)) * SAMPLE_RATE_HZ)
            while written < position:
                count = min(_ZEROS_SAMPLES, position - written)
                yield np.zeros(count, np.float32)
                written += count
            fresh = samples[written - position :]
            position += len(samples)
            if len(fresh):
                yield fresh
                written = position
    if empty:
        raise MediaError(f"{path}: has an audio stream, but none of it can be decoded; the file is damaged")


def _runs(frames: Iterator[AudioFrame]) -> Iterator[tuple[Fraction | None, NDArray[np.float32]]]:
    """Mono 16 kHz samples in runs without gaps.

    Yields:
        The run's start on the container's clock (s) with its first samples; None with those that follow.
    """
    mixer: _Mixer | None = None
    run_start_s = next_s = shift_s = Fraction(0)
    for frame in frames:
        if not frame.samples or frame.sample_rate <= 0:
            continue
        start_s: Fraction | None = None
        stated_s = container_time_s(frame)
        time_s = next_s if stated_s is None else stated_s + shift_s
        jump_s = time_s - next_s
        if mixer is not None and not -_BACKWARD_JUMP_S <= jump_s <= MAX_JUMP_S:
            shift_s -= jump_s
            jump_s = Fraction(0)
        if mixer is None or abs(jump_s) > _MAX_DRIFT_S or not mixer.accepts(frame):
            if mixer is not None:
                yield None, mixer.finish()
            mixer = _Mixer(frame)
            start_s = run_start_s = next_s + jump_s if abs(jump_s) > _MAX_DRIFT_S else next_s
        samples = mixer.mix(frame)
        next_s = run_start_s + mixer.duration_s
        yield start_s, samples
    if mixer is not None:
        yield None, mixer.finish()


class _Mixer:
    """Mixes frames of one format down to mono at 16 kHz, without a shift in time or a change in level."""

    def __init__(self, frame: AudioFrame) -> None:
        self._format = _format_of(frame)
        self._rate_hz = frame.sample_rate
        self._samples_in = 0
        channels = frame.layout.nb_channels
        try:
            # As floats, ffmpeg would add channels up without the normalisation that it gives to integers.
            self._graph = _graph(frame, "aresample", f"{SAMPLE_RATE_HZ}:ochl=mono:osf=flt:rematrix_maxval=1")
        except (av.error.FFmpegError, ValueError):
            # Channels nobody named: their mean.
            mean = "+".join(f"{1 / channels:.9f}*c{i}" for i in range(channels))
            self._graph = _graph(frame, "pan", f"mono|c0={mean}", then_resample=True)

    def accepts(self, frame: AudioFrame) -> bool:
        return _format_of(frame) == self._format

    @property
    def duration_s(self) -> Fraction:
        """What went in so far."""
        return Fraction(self._samples_in, self._rate_hz)

    def mix(self, frame: AudioFrame) -> NDArray[np.float32]:
        frame.pts = self._samples_in
        frame.time_base = Fraction(1, self._rate_hz)
        self._samples_in += frame.samples
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> NDArray[np.float32]:
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> NDArray[np.float32]:
        pieces: list[NDArray[np.float32]] = []
        while True:
            try:
                mixed = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            assert isinstance(mixed, AudioFrame)
            pieces.append(mixed.to_ndarray().reshape(-1).astype(np.float32))
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        # Sound stored as floats may hold anything; what no loudspeaker could play is limited, what is no number silent.
        return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)


def _graph(frame: AudioFrame, name: str, arguments: str, then_resample: bool = False) -> Graph:
    graph = Graph()
    nodes = [
        graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format,
            layout=frame.layout,
            time_base=Fraction(1, frame.sample_rate),
        ),
        graph.add(name, arguments),
    ]
    if then_resample:
        nodes.append(graph.add("aresample", f"{SAMPLE_RATE_HZ}:osf=flt"))
    nodes.append(graph.add("aformat", f"sample_fmts=flt:sample_rates={SAMPLE_RATE_HZ}:channel_layouts=mono"))
    nodes.append(graph.add("abuffersink"))
    graph.link_nodes(*nodes).configure()
    return graph


def _format_of(frame: AudioFrame) -> tuple[str, str, int, int]:
    return frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate
