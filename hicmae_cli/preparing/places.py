"""Find the face of one person in a frame by where an earlier prediction saw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hicmae_cli.corpora.dataset import FacePlace
from hicmae_cli.faces import Face
from hicmae_cli.faces.face import Box, box_iou
from hicmae_cli.media import Frame

_REACH_S: Final = 0.5
"""A place counts for this long before and after its time, or for the time between two places if that is longer."""
_OVERLAP: Final = 0.3
"""Least intersection over union of a face and the place."""


class PlaceGuide:
    """Where a person's face is at any time: between two known places, on the line from one to the other.

    Args:
        places: in order of time; at least one.
    """

    def __init__(self, places: Sequence[FacePlace]) -> None:
        table = np.array(places, np.float64)
        self._times_s, self._boxes = table[:, 0], table[:, 1:]
        self._reach_s = max(_REACH_S, float(np.median(np.diff(self._times_s)))) if len(table) > 1 else _REACH_S

    def find(self, time_s: float) -> tuple[float, ...] | None:
        """Return left, top, width and height of the face at a time, as shares of the picture; None if unknown."""
        after = int(np.searchsorted(self._times_s, time_s))
        near = [
            index
            for index in (after - 1, after)
            if 0 <= index < len(self._times_s) and abs(self._times_s[index] - time_s) <= self._reach_s + 1e-6
        ]
        if not near:
            return None
        first, last = near[0], near[-1]
        span_s = self._times_s[last] - self._times_s[first]
        share = (time_s - self._times_s[first]) / span_s if span_s > 0 else 0.0
        return tuple((self._boxes[first] + share * (self._boxes[last] - self._boxes[first])).tolist())

    def choose(self, frame: Frame, time_s: float, faces: Sequence[Face]) -> Face | None:
        """Return the face that overlaps the place most; None if none overlaps it enough, or the place is unknown.

        Args:
            frame: the frame that holds the faces.
            time_s: its time in the recording.
            faces: the faces in it.
        """
        found = self.find(time_s)
        if found is None or not faces:
            return None
        left, top, width, height = found
        place: Box = (
            left * frame.width_px,
            top * frame.height_px,
            (left + width) * frame.width_px,
            (top + height) * frame.height_px,
        )
        best = max(faces, key=lambda face: box_iou(face.box_px, place))
        return best if box_iou(best.box_px, place) >= _OVERLAP else None
