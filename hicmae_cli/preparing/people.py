"""The people of one video: who is in which frame, how often each is seen, and whose faces a clip keeps.

A clip keeps one person, and only the end of the video shows who is seen most. So the first pass over the video writes
where each face is (64 bytes a face, on disk from a megabyte on), and the clip of the person who comes first. If that is
the person to keep, as in every video of one person, the clip is done. If not, a second pass decodes the video again and
cuts the right faces, without searching them again. Clips of all people at once would need an encoder for each of them;
faces in memory would grow with the video.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces import Face
from hicmae_cli.faces.align import WARP_PX, fit_alignment

KeepPeople = Literal["one", "all"]
"""Whether to make one clip of each video, or one clip of each person in it."""

MIN_SEEN_S: Final = 0.4
"""Who is seen for a shorter time does not count as one of the people: false finds last one or two frames."""
MIN_SEEN_FRAMES: Final = 3
"""Nor does who is seen in fewer frames."""
MIN_SEEN_SHARE: Final = 0.01
"""Nor who is seen in a smaller share of the frames."""

LOW_COVERAGE: Final = 0.5
"""A clip is worth a look if a smaller share of its frames shows the kept person's face."""

# Index of the frame, person, the six numbers of the alignment.
_FACE: Final = struct.Struct("<QQ6d")
_IN_MEMORY_BYTES: Final = 1 << 20


def is_doubtful(people_seen: int, identity_switches: int, face_coverage: float) -> bool:
    """Whether a clip may show another person than its label means.

    Args:
        people_seen: number of people in its video.
        identity_switches: how often the largest face changes between them.
        face_coverage: share of frames with the kept person's face.
    """
    return people_seen > 1 and (identity_switches > 0 or face_coverage < LOW_COVERAGE)


class PeopleLog:
    """Who is where in each frame of a video. Add every frame in order, then ask.

    Attributes:
        num_frames: number of frames so far.
        first: the person who came first; the one with the larger face if two came at once. None without faces.
    """

    def __init__(self) -> None:
        # Closed in __exit__.
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
        self._frames: Counter[int] = Counter()
        self._size_px: defaultdict[int, float] = defaultdict(float)
        self.num_frames = 0
        self.first: int | None = None

    def __enter__(self) -> PeopleLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, linked: Sequence[tuple[int, Face]]) -> dict[int, NDArray[np.float64]]:
        """Add a frame -> the alignment (2, 3) of each person's face, for `warp_face`.

        Args:
            linked: persons and faces, as a `TrackLinker` returns them.
        """
        found: dict[int, NDArray[np.float64]] = {}
        # The largest face first, so that `count_switches` reads one record of each frame.
        for person, face in sorted(linked, key=lambda pair: (-pair[1].size_px, pair[0])):
            if self.first is None:
                self.first = person
            matrix = fit_alignment(face.landmarks_px, WARP_PX)
            self._file.write(_FACE.pack(self.num_frames, person, *matrix.reshape(-1).tolist()))
            self._frames[person] += 1
            self._size_px[person] += face.size_px
            found[person] = matrix
        self.num_frames += 1
        return found

    def rank_people(self, fps: Fraction) -> list[int]:
        """Return the people, the one seen in most frames first, of two of them the one with the larger face.

        The first always counts. Others count if they are seen for `MIN_SEEN_S`, in `MIN_SEEN_FRAMES` frames and in a
        share `MIN_SEEN_SHARE` of all frames.

        Args:
            fps: frames per second.
        """
        ranked = sorted(self._frames, key=lambda person: (-self._frames[person], -self._size_px[person], person))
        fewest = max(MIN_SEEN_FRAMES, MIN_SEEN_S * fps, MIN_SEEN_SHARE * self.num_frames)
        return [person for index, person in enumerate(ranked) if index == 0 or self._frames[person] >= fewest]

    def count_switches(self, people: Sequence[int]) -> int:
        """Count how often the largest face of a frame is another person's than in the last frame with a face.

        Args:
            people: those who count; faces of others are ignored.
        """
        switches = 0
        last: int | None = None
        last_frame = -1
        for frame, person, _ in self._read():
            if frame == last_frame or person not in people:
                continue
            switches += last is not None and person != last
            last, last_frame = person, frame
        return switches

    def iterate_places(self, person: int) -> Iterator[NDArray[np.float64] | None]:
        """Yield for each frame the alignment (2, 3) of a person's face; None where the person is not seen."""
        done = 0
        for frame, other, matrix in self._read():
            if other == person:
                yield from [None] * (frame - done)
                yield matrix
                done = frame + 1
        yield from [None] * (self.num_frames - done)

    def _read(self) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """Yield frame, person and alignment of each face."""
        self._file.seek(0)
        while record := self._file.read(_FACE.size):
            frame, person, *numbers = _FACE.unpack(record)
            yield frame, person, np.array(numbers).reshape(2, 3)
