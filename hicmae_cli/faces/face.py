"""One face in one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
NUM_LANDMARKS: Final = 478
"""Points of MediaPipe's face mesh, the irises included."""


@dataclass(frozen=True)
class Face:
    """A face's landmarks in one frame.

    Attributes:
        landmarks_px: (478, 2) float32 x, y in pixels; (0, 0) is the centre of the picture's top left pixel.
        blendshapes: activation 0..1 of MediaPipe's 52 expressions by name; None if not requested.

    Raises:
        ValueError: the landmarks have another shape or are not finite.
    """

    landmarks_px: NDArray[np.float32]
    blendshapes: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Check the landmarks' shape, and that they are numbers."""
        if self.landmarks_px.shape != (NUM_LANDMARKS, 2):
            raise ValueError(f"expected landmarks_px ({NUM_LANDMARKS}, 2), got {self.landmarks_px.shape}")
        if not np.isfinite(self.landmarks_px).all():
            raise ValueError("expected finite landmarks_px")

    @cached_property
    def box_px(self) -> Box:
        """Left, top, right, bottom of the landmarks."""
        left, top = self.landmarks_px.min(axis=0)
        right, bottom = self.landmarks_px.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def size_px(self) -> float:
        """The longer side of the box, usually from brow to chin."""
        left, top, right, bottom = self.box_px
        return max(right - left, bottom - top)

    @property
    def centre_px(self) -> tuple[float, float]:
        """The middle of the box."""
        left, top, right, bottom = self.box_px
        return (left + right) / 2, (top + bottom) / 2


def box_iou(first: Box, second: Box) -> float:
    """Compute the intersection over union, 0 to 1, of two boxes (left, top, right, bottom)."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return common / (areas - common)
