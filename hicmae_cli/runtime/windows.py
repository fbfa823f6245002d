"""Overlapping windows over a stream of moments, with the crops of every person in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX

MIN_COVERAGE = 0.25
"""Share of a window's frames that must show a face for the face to be judged."""

_BLACK = np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)


@dataclass(frozen=True)
class WindowFaces:
    """One person in one window.

    Attributes:
        track: the person's id.
        crops: 16 faces (160, 160, 3) uint8, black where unseen; the same object where a picture stays on display.
        coverage: share of the window's moments in which the face was found.
    """

    track: int
    crops: tuple[NDArray[np.uint8], ...]
    coverage: float

    @property
    def faces(self) -> NDArray[np.uint8]:
        """The crops as one array (16, 160, 160, 3)."""
        return np.stack(self.crops)

    def shows_the_same_as(self, other: WindowFaces) -> bool:
        """Whether the crops are the very same objects."""
        return all(mine is theirs for mine, theirs in zip(self.crops, other.crops, strict=True))


@dataclass(frozen=True)
class Moments:
    """A window as moments ``start`` to ``start + 16`` of the sampling grid; ``seen`` lists the faces in it."""

    start: int
    num_moments: int
    seen: tuple[WindowFaces, ...]


@dataclass
class TrackTally:
    """What is remembered of a person for the whole file: two numbers."""

    frames: int = 0
    size_px: float = 0.0

    def add(self, size_px: float) -> None:
        """Count one sighting."""
        self.frames += 1
        self.size_px += (size_px - self.size_px) / self.frames


@dataclass
class WindowAssembler:
    """Turns moments into windows as soon as they are complete.

    Only the crops of the last 16 moments are held, so memory does not grow with the file.

    Attributes:
        hop: moments between the starts of two windows.
    """

    hop: int
    tallies: dict[int, TrackTally] = field(default_factory=dict)
    count: int = 0
    _crops: dict[int, dict[int, NDArray[np.uint8]]] = field(default_factory=dict)
    _last_start: int = -1

    def add(self, crops: dict[int, tuple[NDArray[np.uint8], float]]) -> Iterator[Moments]:
        """Take one moment: track id -> (face (160, 160, 3), its size in px); yields a window it completes."""
        for track, (crop, size_px) in crops.items():
            self._crops.setdefault(track, {})[self.count] = crop
            self.tallies.setdefault(track, TrackTally()).add(size_px)
        self.count += 1
        start = self.count - CLIP_FRAMES
        if start >= 0 and start % self.hop == 0:
            yield self._window(start)
        for track in list(self._crops):
            held = self._crops[track]
            held.pop(start - 1, None)  # no later window reaches back to it
            if not held:
                del self._crops[track]

    def finish(self) -> Iterator[Moments]:
        """The last window, up to the end of the file; a file shorter than a window gives its only one."""
        start = max(0, self.count - CLIP_FRAMES)
        if self.count and start > self._last_start:
            yield self._window(start)

    def _window(self, start: int) -> Moments:
        self._last_start = start
        end = min(self.count, start + CLIP_FRAMES)
        # A short file repeats its last moment, as the paper pads its views.
        moments = [min(start + i, end - 1) for i in range(CLIP_FRAMES)]
        seen = []
        for track, held in sorted(self._crops.items()):
            coverage = sum(moment in held for moment in range(start, end)) / (end - start)
            if coverage >= MIN_COVERAGE:
                crops = tuple(held.get(moment, _BLACK) for moment in moments)
                seen.append(WindowFaces(track, crops, coverage))
        return Moments(start, end - start, tuple(seen))
