"""Overlapping windows over a stream of sampled pictures, with the faces of every person in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX
from hicmae_cli.runtime.outputs import FaceBox

MIN_COVERAGE: Final = 0.25
"""Smallest share of a window's pictures with a face for which the window is predicted from it."""

_BLACK: Final = np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)


@dataclass(frozen=True)
class SampledFace:
    """A person's face in one sampled picture.

    Attributes:
        crop: the aligned face (160, 160, 3) uint8.
        box: where it is in the picture.
        picture: number of the picture; a picture that stays on display keeps its number.
    """

    crop: NDArray[np.uint8]
    box: FaceBox
    picture: int


@dataclass(frozen=True)
class WindowFaces:
    """One person in one window.

    Attributes:
        track: the person's id.
        sampled: the person's face at each of the 16 moments; None without a face.
        num_moments: how many of them are within the file; a short file repeats its last one.
    """

    track: int
    sampled: tuple[SampledFace | None, ...]
    num_moments: int = CLIP_FRAMES

    @property
    def faces(self) -> NDArray[np.uint8]:
        """The crops (16, 160, 160, 3), black where there is no face."""
        return np.stack([_BLACK if face is None else face.crop for face in self.sampled])

    @property
    def boxes(self) -> tuple[FaceBox, ...]:
        """Where the face is, at each moment that has one."""
        return tuple(face.box for face in self.sampled[: self.num_moments] if face is not None)

    @property
    def size_px(self) -> float:
        """Mean size of the face where it is seen."""
        return sum(box.size_px for box in self.boxes) / len(self.boxes)

    @property
    def coverage(self) -> float:
        """Share of the window's moments with the face."""
        return len(self.boxes) / self.num_moments

    @property
    def pictures(self) -> tuple[int | None, ...]:
        """Number of the picture of each moment. Two windows with the same numbers have the same crops."""
        return tuple(None if face is None else face.picture for face in self.sampled)


@dataclass(frozen=True)
class Moments:
    """A window as moments ``start`` to ``start + num_moments`` of the sampling grid, and the people in it."""

    start: int
    num_moments: int
    people: tuple[WindowFaces, ...]


@dataclass
class TrackTally:
    """What is kept of a person for the whole file: two numbers."""

    frames: int = 0
    size_px: float = 0.0

    def add(self, size_px: float) -> None:
        """Count one picture with the person."""
        self.frames += 1
        self.size_px += (size_px - self.size_px) / self.frames


@dataclass
class WindowAssembler:
    """Turns moments into windows as soon as they are complete.

    Only the faces of the last 16 moments are held, so memory does not grow with the file.

    Attributes:
        hop: moments between the starts of two windows.
        tallies: counts of each person, by id.
        count: moments so far.
    """

    hop: int
    tallies: dict[int, TrackTally] = field(default_factory=dict)
    count: int = 0
    _held: dict[int, dict[int, SampledFace]] = field(default_factory=dict)
    _last_start: int = -1

    def add(self, faces: Mapping[int, SampledFace]) -> Iterator[Moments]:
        """Add one moment, with the faces by track id, and yield the window that it completes."""
        for track, face in faces.items():
            self._held.setdefault(track, {})[self.count] = face
            self.tallies.setdefault(track, TrackTally()).add(face.box.size_px)
        self.count += 1
        start = self.count - CLIP_FRAMES
        if start >= 0 and start % self.hop == 0:
            yield self._window(start)
        for track in list(self._held):
            held = self._held[track]
            held.pop(start - 1, None)  # no later window starts that early
            if not held:
                del self._held[track]

    def finish(self) -> Iterator[Moments]:
        """Yield the last window, up to the end of the file; a file shorter than a window has only this one."""
        start = max(0, self.count - CLIP_FRAMES)
        if self.count and start > self._last_start:
            yield self._window(start)

    def _window(self, start: int) -> Moments:
        self._last_start = start
        end = min(self.count, start + CLIP_FRAMES)
        # A short file repeats its last moment, as the paper pads its views.
        moments = [min(start + i, end - 1) for i in range(CLIP_FRAMES)]
        people = (
            WindowFaces(track, tuple(held.get(moment) for moment in moments), end - start)
            for track, held in sorted(self._held.items())
        )
        return Moments(start, end - start, tuple(person for person in people if person.coverage >= MIN_COVERAGE))
