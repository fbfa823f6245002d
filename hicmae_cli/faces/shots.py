"""Tell shots apart."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_THUMBNAIL_PX: Final = (32, 18)
_CUT_CORRELATION: Final = 0.85
_CUT_DIFFERENCE: Final = 12.0  # grey levels


def make_thumbnail(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink a picture (H, W, 3) to grey levels (18, 32)."""
    small = cv2.resize(rgb, _THUMBNAIL_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def is_shot_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether two consecutive frames' grey thumbnails, (18, 32), belong to different shots."""
    if float(np.abs(after - before).mean()) < _CUT_DIFFERENCE:
        return False
    first, second = before - before.mean(), after - after.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return norm < 1e-6 or float(np.vdot(first, second)) / norm < _CUT_CORRELATION
