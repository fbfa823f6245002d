"""Inputs of a prediction: a recording, a photograph, or arrays. `open_source` gives all of them the same methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.media import (
    Frame,
    MediaInfo,
    find_photograph_format,
    probe,
    read_audio_blocks,
    read_photograph,
    sample_frames,
)
from hicmae_cli.media.arrays import PictureArray, SoundArray
from hicmae_cli.media.frames import sample_pictures
from hicmae_cli.media.source import do_nothing
from hicmae_cli.media.streams import ByteStream


class Arrays(TypedDict, total=False):
    """Pictures and sound in memory: both, or one of them.

    Attributes:
        frames: pictures (T, H, W, 3) uint8 RGB, upright.
        times_s: (T,) seconds at which they appear, rising; sample 0 plays at 0.
        samples: mono sound (N,) float32 in -1..1.
        sample_rate_hz: its samples per second.
        name: what the result calls the input; ``arrays`` by default.
    """

    frames: Any
    times_s: Any
    samples: Any
    sample_rate_hz: int
    name: str


Source: TypeAlias = str | Path | BinaryIO | Arrays
"""A path, an open and seekable binary stream (read from its start), or arrays."""


class OpenSource(Protocol):
    """An input that can be read.

    Attributes:
        path: the file, or a name in its place.
        start_s: time of the first picture or sample.
        is_photograph: whether it is one picture without a clock.
    """

    path: Path
    start_s: float
    is_photograph: bool

    def probe(self, on_packet: Callable[[], None]) -> MediaInfo:
        """Measure the input; see ``media.probe``."""
        ...

    def frames(self, step_s: float, start_s: float, on_packet: Callable[[], None] = do_nothing) -> Iterator[Frame]:
        """Sample the pictures; see ``media.sample_frames``."""
        ...

    def sound(self, on_packet: Callable[[], None] = do_nothing) -> Iterator[NDArray[np.float32]]:
        """Yield the sound at 16 kHz from time 0 on, in pieces (n,)."""
        ...

    def is_late(self, end_s: float) -> bool:
        """Whether to skip the window that ends at a time, as a live stream must not fall behind."""
        ...


class MediaSource:
    """A media file or a stream with the content of one.

    Args:
        file: the file.
    """

    start_s = 0.0
    is_photograph = False

    def __init__(self, file: Path | ByteStream) -> None:
        self.path = Path(str(file))
        self._file = file

    def probe(self, on_packet: Callable[[], None]) -> MediaInfo:
        """Measure the input."""
        return probe(self._file, on_packet)

    def frames(self, step_s: float, start_s: float, on_packet: Callable[[], None] = do_nothing) -> Iterator[Frame]:
        """Sample the pictures."""
        return sample_frames(self._file, step_s, start_s, on_packet)

    def sound(self, on_packet: Callable[[], None] = do_nothing) -> Iterator[NDArray[np.float32]]:
        """Yield the sound."""
        return read_audio_blocks(self._file, on_packet=on_packet)

    def is_late(self, end_s: float) -> bool:
        """Return False: a file can wait."""
        return False


class Photograph:
    """A picture without a clock and without sound. It is read when it is probed.

    Args:
        file: the file, or a stream with the content of one.
    """

    start_s = 0.0
    is_photograph = True

    def __init__(self, file: Path | ByteStream) -> None:
        self.path = Path(str(file))
        self._file = file
        self._rgb: NDArray[np.uint8] | None = None

    def probe(self, on_packet: Callable[[], None]) -> MediaInfo:
        """Measure the input; its length is 0."""
        on_packet()
        self._rgb = read_photograph(self._file)
        height_px, width_px = self._rgb.shape[:2]
        return MediaInfo(self.path, 0.0, has_video=True, has_audio=False, width_px=width_px, height_px=height_px)

    def frames(self, step_s: float, start_s: float, on_packet: Callable[[], None] = do_nothing) -> Iterator[Frame]:
        """Yield the picture."""
        yield Frame(0.0, read_photograph(self._file) if self._rgb is None else self._rgb)

    def sound(self, on_packet: Callable[[], None] = do_nothing) -> Iterator[NDArray[np.float32]]:
        """Yield nothing."""
        return iter(())

    def is_late(self, end_s: float) -> bool:
        """Return False: a photograph can wait."""
        return False


class ArraySource:
    """Arrays; see `Arrays`.

    Args:
        arrays: the pictures, the sound, or both.

    Raises:
        ValueError: an unknown key, an array without its times or rate, or arrays of other shapes or types.
    """

    is_photograph = False

    def __init__(self, arrays: Arrays) -> None:
        if unknown := arrays.keys() - Arrays.__annotations__.keys():
            raise ValueError(f"expected {', '.join(Arrays.__annotations__)}, got {', '.join(sorted(unknown))}")
        for array, scale in (("frames", "times_s"), ("samples", "sample_rate_hz")):
            if (array in arrays) != (scale in arrays):
                raise ValueError(f"expected {array} and {scale} together, got {', '.join(arrays)}")
        self.path = Path(arrays.get("name", "arrays"))
        self._pictures = PictureArray(arrays["frames"], arrays["times_s"]) if "frames" in arrays else None
        self._samples = SoundArray(arrays["samples"], arrays["sample_rate_hz"]) if "samples" in arrays else None
        if self._pictures is None and self._samples is None:
            raise ValueError("expected frames with times_s, samples with sample_rate_hz, or both; got neither")
        self.start_s = self._pictures.start_s if self._pictures else 0.0

    def probe(self, on_packet: Callable[[], None]) -> MediaInfo:
        """Describe the arrays."""
        pictures, samples = self._pictures, self._samples
        video_s, audio_s = pictures.end_s if pictures else 0.0, samples.duration_s if samples else 0.0
        return MediaInfo(
            path=self.path,
            duration_s=max(video_s, audio_s),
            has_video=pictures is not None,
            has_audio=samples is not None,
            fps=pictures.fps if pictures else None,
            width_px=pictures.width_px if pictures else 0,
            height_px=pictures.height_px if pictures else 0,
            video_duration_s=video_s,
            audio_duration_s=audio_s,
        )

    def frames(self, step_s: float, start_s: float, on_packet: Callable[[], None] = do_nothing) -> Iterator[Frame]:
        """Sample the pictures."""
        assert self._pictures is not None, "only called where there is video"
        return sample_pictures(self._pictures.pictures(), step_s, start_s)

    def sound(self, on_packet: Callable[[], None] = do_nothing) -> Iterator[NDArray[np.float32]]:
        """Yield the sound."""
        assert self._samples is not None, "only called where there is audio"
        return self._samples.blocks()

    def is_late(self, end_s: float) -> bool:
        """Return False: arrays can wait."""
        return False


def open_source(source: Source | OpenSource) -> OpenSource:
    """Prepare to read an input; one that is open already is returned as it is.

    Raises:
        MediaError: a file or stream that cannot be read.
        ValueError: arrays of other shapes or types.
        TypeError: something else than a path, a stream or arrays.
    """
    if isinstance(source, str | Path):
        return _open_media(Path(source))
    if isinstance(source, dict):
        return ArraySource(source)
    if hasattr(source, "read"):
        return _open_media(ByteStream(cast("BinaryIO", source)))
    if hasattr(source, "probe"):
        return source
    raise TypeError(f"expected a path, a binary stream or a dict of arrays, got {type(source).__name__}")


def _open_media(file: Path | ByteStream) -> OpenSource:
    return MediaSource(file) if find_photograph_format(file) is None else Photograph(file)
