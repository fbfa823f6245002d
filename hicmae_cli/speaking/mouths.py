"""How far mouths are open, picture by picture: the landmarks around known faces, without a search.

The face finder looks 6.25 times a second, which is too rare for lips. The pictures between two of its looks are read
after the second, so that the region of each face can be interpolated. A region that moves smoothly gives smoother
landmarks than one that follows the last reading: on docs/assets/speech_sample.mp4 the lips' opening correlates with the
sound's level by 0.67 instead of 0.62.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.face import Face, box_iou
from hicmae_cli.faces.nets import build_region_around, read_landmarks
from hicmae_cli.media import Frame

MAX_STEP_S: Final = 0.05
"""Longest time between two pictures in which mouths are read: 20 pictures/s."""

# Pairs of landmarks on the outer edge of the upper and the lower lip, from MediaPipe's face mesh.
_UPPER_LIP: Final = (37, 0, 267)
_LOWER_LIP: Final = (84, 17, 314)
# Hairline and chin; the two ears.
_HEIGHT: Final = (10, 152)
_WIDTH: Final = (234, 454)
_MIN_PRESENCE: Final = 0.5
# After a cut within a step, the face is somewhere else, and there is no path between the two places.
_SAME_PLACE_IOU: Final = 0.3


@dataclass(frozen=True)
class MouthReading:
    """How far one person's mouth is open in one picture.

    Attributes:
        track: the person's id.
        time_s: time of the picture.
        opening: height of the lips, relative to the face's size.
        picture: number of the picture; a picture that stays on display keeps its number.
    """

    track: int
    time_s: float
    opening: float
    picture: int


@dataclass
class MouthReader:
    """Reads mouths in the pictures between two looks of the face finder."""

    _known: dict[int, Face] = field(default_factory=dict)
    _last_rgb: NDArray[np.uint8] | None = None
    _openings: dict[int, float | None] = field(default_factory=dict)
    _picture: int = 0

    def read(self, between: Sequence[Frame], frame: Frame, linked: Sequence[tuple[int, Face]]) -> list[MouthReading]:
        """Read the mouths of a picture in which faces were found, and of those since the last one, in order of time.

        Args:
            between: the pictures since then, in which no faces were searched.
            frame: the picture.
            linked: its faces with their tracks.
        """
        faces = dict(linked)
        before = {
            track: face
            for track, face in self._known.items()
            if track in faces and box_iou(face.box_px, faces[track].box_px) > _SAME_PLACE_IOU
        }
        readings: list[MouthReading] = []
        for index, picture in enumerate(between):
            if picture.rgb is frame.rgb:
                readings += self._look_up(picture, faces, before)
                continue
            share = (index + 1) / (len(between) + 1)
            expected = {
                track: (1 - share) * face.landmarks_px + share * faces[track].landmarks_px
                for track, face in before.items()
            }
            readings += self._read_picture(picture, expected)
        readings += self._look_up(frame, faces, faces)
        self._known = faces
        return readings

    def skip(self, linked: Sequence[tuple[int, Face]]) -> None:
        """Note the faces of a picture without reading their mouths; ``linked`` as in `read`."""
        self._known = dict(linked)

    def _look_up(self, frame: Frame, faces: Mapping[int, Face], tracks: Iterable[int]) -> list[MouthReading]:
        """Measure the mouths of some people in the picture in which the finder has read their landmarks."""
        if self._is_new(frame):
            self._openings = {}
        if new := [track for track in faces if track not in self._openings]:
            found = measure_openings(np.stack([faces[track].landmarks_px for track in new]))
            self._openings |= dict(zip(new, map(float, found), strict=True))
        return self._list_readings(frame, tracks)

    def _read_picture(self, frame: Frame, landmarks: Mapping[int, NDArray[np.float32]]) -> list[MouthReading]:
        """Read the mouths in a picture, around landmarks as they may be there; one that stays on display only once."""
        if self._is_new(frame):
            self._openings = {}
        new = [track for track in landmarks if track not in self._openings]
        regions = [build_region_around(landmarks[track]) for track in new]
        found, presence = read_landmarks([frame.rgb] * len(new), regions)
        for track, opening, present in zip(new, measure_openings(found), presence, strict=True):
            self._openings[track] = float(opening) if present > _MIN_PRESENCE else None
        return self._list_readings(frame, landmarks)

    def _is_new(self, frame: Frame) -> bool:
        """Note a picture -> whether it is another one than the last."""
        if frame.rgb is self._last_rgb:
            return False
        self._last_rgb = frame.rgb
        self._picture += 1
        return True

    def _list_readings(self, frame: Frame, tracks: Iterable[int]) -> list[MouthReading]:
        known = {track: self._openings.get(track) for track in tracks}
        return [
            MouthReading(track, frame.time_s, opening, self._picture)
            for track, opening in known.items()
            if opening is not None
        ]


def measure_openings(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the height of the lips from (N, 478, 2) landmarks -> (N,), relative to the face's size."""
    lips = np.linalg.norm(landmarks[:, _UPPER_LIP] - landmarks[:, _LOWER_LIP], axis=-1).mean(axis=-1)
    sides = [np.linalg.norm(landmarks[:, first] - landmarks[:, second], axis=-1) for first, second in (_HEIGHT, _WIDTH)]
    return np.asarray(lips / np.sqrt(np.maximum(sides[0] * sides[1], 1e-6)), np.float32)
