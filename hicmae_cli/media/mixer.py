"""Mix sound of any rate and layout down to 16 kHz mono."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from hicmae_cli.model_input import SAMPLE_RATE_HZ

# Formats that need no filter, only a conversion of the number type.
_AS_THEY_ARE: Final = {(name, "mono", 1, SAMPLE_RATE_HZ) for name in ("s16", "s16p", "flt", "fltp")}


class Mixer:
    """Mixes frames of one format down to mono at 16 kHz, without a shift in time or a change in level.

    Args:
        frame: the first frame, for its format.
        surplus: how many samples to drop at the start.
    """

    def __init__(self, frame: AudioFrame, surplus: int = 0) -> None:
        self._format = _read_format(frame)
        self._rate_hz = frame.sample_rate
        self._samples_in = 0
        self._graph: Graph | None = None
        if self._format in _AS_THEY_ARE and not surplus:
            return
        channels = frame.layout.nb_channels
        try:
            # For floats, ffmpeg sums channels without the normalisation that it applies to integers.
            self._graph = _build_graph(
                frame, surplus, "aresample", f"{SAMPLE_RATE_HZ}:ochl=mono:osf=flt:rematrix_maxval=1"
            )
        except (av.error.FFmpegError, ValueError):
            # ffmpeg cannot mix channels without names: take their mean.
            mean = "+".join(f"{1 / channels:.9f}*c{i}" for i in range(channels))
            self._graph = _build_graph(frame, surplus, "pan", f"mono|c0={mean}", then_resample=True)

    def accepts(self, frame: AudioFrame) -> bool:
        """Whether the frame has the first frame's format."""
        return _read_format(frame) == self._format

    @property
    def duration_s(self) -> Fraction:
        """Duration of all frames so far, the surplus included."""
        return Fraction(self._samples_in, self._rate_hz)

    @property
    def length_s(self) -> float:
        """The same as `duration_s`, faster but rounded."""
        return self._samples_in / self._rate_hz

    def mix(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Add a frame and return the samples that are ready: (n,) float32 in -1..1."""
        position, self._samples_in = self._samples_in, self._samples_in + frame.samples
        if self._graph is None:
            samples = frame.to_ndarray().reshape(-1)
            if samples.dtype == np.int16:
                return samples.astype(np.float32) * np.float32(1 / 32768)
            return _clip_samples(np.asarray(samples, np.float32))
        frame.pts = position
        frame.time_base = Fraction(1, self._rate_hz)
        self._graph.push(frame)
        return _clip_samples(self._pull(self._graph))

    def finish(self) -> NDArray[np.float32]:
        """Return the remaining samples (n,). Add no frame after this."""
        if self._graph is None:
            return np.zeros(0, np.float32)
        self._graph.push(None)
        return _clip_samples(self._pull(self._graph))

    @staticmethod
    def _pull(graph: Graph) -> NDArray[np.float32]:
        pieces: list[NDArray[np.float32]] = []
        while True:
            try:
                mixed = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            assert isinstance(mixed, AudioFrame)
            pieces.append(mixed.to_ndarray().reshape(-1).astype(np.float32))
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _clip_samples(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Clip float samples to -1..1 and silence NaN: a file of floats can hold any value."""
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1, 1)


def _build_graph(frame: AudioFrame, surplus: int, name: str, arguments: str, then_resample: bool = False) -> Graph:
    graph = Graph()
    nodes = [
        graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format,
            layout=frame.layout,
            time_base=Fraction(1, frame.sample_rate),
        )
    ]
    if surplus:
        nodes.append(graph.add("atrim", f"start_sample={surplus}"))
    nodes.append(graph.add(name, arguments))
    if then_resample:
        nodes.append(graph.add("aresample", f"{SAMPLE_RATE_HZ}:osf=flt"))
    nodes.append(graph.add("aformat", f"sample_fmts=flt:sample_rates={SAMPLE_RATE_HZ}:channel_layouts=mono"))
    nodes.append(graph.add("abuffersink"))
    graph.link_nodes(*nodes).configure()
    return graph


def _read_format(frame: AudioFrame) -> tuple[str, str, int, int]:
    return frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate
