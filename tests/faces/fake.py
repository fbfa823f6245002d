"""Faces from a script instead of from pictures: for tests of whatever comes after the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from hicmae_cli.faces.align import read_template
from hicmae_cli.faces.face import NUM_LANDMARKS, Face
from hicmae_cli.media import Frame
from hicmae_cli.model_input import FACE_SIZE_PX


@dataclass(frozen=True)
class FakeFace:
    """A face that is visible for a while and moves evenly.

    Attributes:
        start_s: When it appears.
        end_s: When it disappears.
        centre_px: x, y of the middle of the aligned crop at the start.
        size_px: Side of the aligned crop in the picture; the landmarks span most of it.
        velocity_px_s: Movement in pixels per second.
        roll_deg: Clockwise tilt of the head, as seen in the picture.
    """

    start_s: float
    end_s: float
    centre_px: tuple[float, float]
    size_px: float
    velocity_px_s: tuple[float, float] = (0.0, 0.0)
    roll_deg: float = 0.0

    def at(self, time_s: float) -> Face:
        """The face at a time."""
        passed_s = time_s - self.start_s
        x = self.centre_px[0] + passed_s * self.velocity_px_s[0]
        y = self.centre_px[1] + passed_s * self.velocity_px_s[1]
        return fake_face((x, y), self.size_px, self.roll_deg)


class FakeDetector:
    """A detector that finds the faces of a script.

    Args:
        script: The faces; each is seen from its start (included) to its end (excluded).
    """

    def __init__(self, script: Sequence[FakeFace]) -> None:
        self._script = tuple(script)
        self.closed = False

    def detect(self, frame: Frame) -> list[Face]:
        """The script's faces at the frame's time, largest first."""
        if self.closed:
            raise ValueError("expected an open detector, got a closed one")
        faces = [s.at(frame.time_s) for s in self._script if s.start_s <= frame.time_s < s.end_s]
        return sorted(faces, key=lambda face: -face.size_px)

    def close(self) -> None:
        """Refuse further frames."""
        self.closed = True

    def __enter__(self) -> FakeDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fake_face(centre_px: tuple[float, float], size_px: float, roll_deg: float = 0.0) -> Face:
    """An average face: aligning it cuts out the square of a side around a centre.

    Args:
        centre_px: x, y of the square's middle.
        size_px: Its side.
        roll_deg: Clockwise tilt of the square.
    """
    indices, points = read_template()
    scale = size_px / FACE_SIZE_PX
    middle = (FACE_SIZE_PX - 1) / 2
    turn = np.deg2rad(roll_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    placed = (points - middle) * scale @ rotation.T + np.asarray(centre_px)
    landmarks_px = np.tile(placed.mean(axis=0), (NUM_LANDMARKS, 1))
    landmarks_px[indices] = placed
    return Face(landmarks_px.astype(np.float32))
