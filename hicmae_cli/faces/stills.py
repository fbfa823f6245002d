"""Find the faces of a photograph."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.detector import FaceDetector
from hicmae_cli.faces.face import Face
from hicmae_cli.media import Frame

# A face that fills its picture is found in the middle of a wider one.
_BORDER_SHARE: Final = 0.5


def detect_in_photograph(rgb: NDArray[np.uint8], detector: FaceDetector) -> list[Face]:
    """Find the faces of a photograph, largest first, also one that fills it.

    Args:
        rgb: (H, W, 3) uint8 picture.
        detector: a fresh face finder.
    """
    faces = detector.detect(Frame(0.0, rgb))
    if faces:
        return faces
    down, right = (round(_BORDER_SHARE * side_px) for side_px in rgb.shape[:2])
    wider = np.pad(rgb, ((down, down), (right, right), (0, 0)))
    offset = np.array([right, down], np.float32)
    return [Face(face.landmarks_px - offset) for face in detector.detect(Frame(0.0, wider))]
