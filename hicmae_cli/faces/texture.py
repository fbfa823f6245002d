"""Describe a face by its texture, so that it can be compared with other pictures of the person in other light.

Histograms of uniform local binary patterns on a grid [Ahonen et al., PAMI 2006], at two scales, as square roots. A
pattern says which neighbours of a pixel are brighter, so brightness, contrast and the colour of the light change
little. The mean over the grid is taken off: noise or blur, which is the same in the whole picture, makes no two people
alike. Nothing is learned from anybody's pictures.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import FACE_SIZE_PX

# The part of an aligned face (160 x 160) from brows to chin: rows, columns.
_INNER: Final = slice(24, 152), slice(24, 136)
# Width, height and the grid of each scale.
_SCALES: Final = ((96, 112, 6, 7), (48, 56, 4, 5))
_NEIGHBOURS: Final = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_NUM_PATTERNS: Final = 59


def describe_texture(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe an aligned face (160, 160, 3) -> (3658,) float32 of unit length, or zeros without any structure.

    The product of two is their similarity, -1 to 1.

    Raises:
        ValueError: the face has another shape.
    """
    if face.shape != (FACE_SIZE_PX, FACE_SIZE_PX, 3):
        raise ValueError(f"expected a face ({FACE_SIZE_PX}, {FACE_SIZE_PX}, 3), got {face.shape}")
    grey = np.asarray(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY))[_INNER]
    parts = []
    for width, height, columns, rows in _SCALES:
        patterns = _find_patterns(np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)))
        y, x = (np.arange(side) * cells // side for side, cells in zip(patterns.shape, (rows, columns), strict=True))
        cells = y[:, None] * columns + x
        counts = np.bincount((cells * _NUM_PATTERNS + patterns).ravel(), minlength=rows * columns * _NUM_PATTERNS)
        shares = counts.reshape(rows * columns, _NUM_PATTERNS) / np.bincount(cells.ravel())[:, None]
        roots = np.sqrt(shares / (rows * columns))
        parts.append((roots - roots.mean(axis=0)).ravel())
    description = np.concatenate(parts)
    return (description / max(float(np.linalg.norm(description)), 1e-6)).astype(np.float32)


def _find_patterns(grey: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Number the pattern of each pixel but those at the edge (H, W) -> (H - 2, W - 2)."""
    height, width = grey.shape
    middle = grey[1:-1, 1:-1]
    bits = np.zeros(middle.shape, np.uint8)
    for bit, (down, right) in enumerate(_NEIGHBOURS):
        shifted = grey[1 + down : height - 1 + down, 1 + right : width - 1 + right]
        bits |= (shifted >= middle).astype(np.uint8) << np.uint8(bit)
    return np.asarray(_number_uniform()[bits], np.intp)


@cache
def _number_uniform() -> NDArray[np.intp]:
    """Number the 58 patterns with at most two changes around the circle; all others share the last number."""
    numbers = np.full(256, _NUM_PATTERNS - 1, np.intp)
    circles = [pattern for pattern in range(256) if _count_changes(pattern) <= 2]
    numbers[circles] = np.arange(len(circles))
    return numbers


def _count_changes(pattern: int) -> int:
    return (pattern ^ (pattern >> 1 | (pattern & 1) << 7)).bit_count()
