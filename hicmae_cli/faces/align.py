"""Align a face as in the model's training data.

A similarity transform (rotation, one scale, translation) maps 68 landmarks to their mean positions in an
OpenFace-style crop, by least squares [Umeyama, PAMI 1991, without reflection]. The face is warped to 256 px and then
shrunk with an antialiasing filter; a single bilinear warp to the final size would alias.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import WeightsError
from hicmae_cli.faces.face import NUM_LANDMARKS
from hicmae_cli.model_input import FACE_SIZE_PX

WARP_PX: Final = 256
"""Side of a face that is cut out, before it is shrunk."""
CV2_SIDE_PX: Final = 2**15 - 2
"""Longest side of a picture that cv2 can warp."""
# A bilinear warp reads 2 x 2 pixels: it may halve a picture, not more.
_SHRINK_BELOW: Final = 0.5


def align_face(
    rgb: NDArray[np.uint8], landmarks_px: NDArray[np.float32], size_px: int = FACE_SIZE_PX
) -> NDArray[np.uint8]:
    """Cut out one face, upright and centred. Pixels outside the picture are black.

    Args:
        rgb: (H, W, 3) uint8 picture.
        landmarks_px: (478, 2) points in pixels, as in `Face`.
        size_px: side of the crop.

    Returns:
        (size_px, size_px, 3) uint8.

    Raises:
        ValueError: see `fit_alignment`.
    """
    warp_px = max(WARP_PX, size_px)
    return warp_face(rgb, fit_alignment(landmarks_px, warp_px), size_px, warp_px)


def warp_face(
    rgb: NDArray[np.uint8], matrix: NDArray[np.float64], size_px: int = FACE_SIZE_PX, warp_px: int = WARP_PX
) -> NDArray[np.uint8]:
    """Cut out one face by its alignment: `align_face` without the fit.

    Args:
        rgb: (H, W, 3) uint8 picture.
        matrix: (2, 3) transform from the picture to a crop of ``warp_px``, as `fit_alignment` returns it.
        size_px: side of the result.
        warp_px: side of the crop before it is shrunk.

    Returns:
        (size_px, size_px, 3) uint8.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source = rgb
    if scale < _SHRINK_BELOW or max(rgb.shape[:2]) > CV2_SIDE_PX:
        source, matrix = _shrink_face(rgb, matrix, scale, warp_px)
    crop = cv2.warpAffine(source, matrix, (warp_px, warp_px), flags=cv2.INTER_LINEAR)
    if warp_px != size_px:
        crop = cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)


def fit_alignment(landmarks_px: NDArray[np.float32], size_px: int = FACE_SIZE_PX) -> NDArray[np.float64]:
    """Fit the similarity transform from picture to crop, both in pixels with (0, 0) at the first pixel's centre.

    Args:
        landmarks_px: (478, 2) points in the picture.
        size_px: side of the crop.

    Returns:
        (2, 3) float64 affine matrix.

    Raises:
        ValueError: there are not 478 points, or all of them are equal.
    """
    if landmarks_px.shape != (NUM_LANDMARKS, 2):
        raise ValueError(f"expected landmarks_px ({NUM_LANDMARKS}, 2), got {landmarks_px.shape}")
    indices, points = _load_template()
    # Scaled about pixel centres, so that every size shows the same part.
    target = (points + 0.5) * (size_px / FACE_SIZE_PX) - 0.5
    return fit_similarity(landmarks_px[indices].astype(np.float64), target)


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the least-squares similarity transform without reflection from (N, 2) points to (N, 2) points.

    In the plane it has a closed form: with centred points as complex numbers, target = factor * source.

    Returns:
        (2, 3) float64 affine matrix.

    Raises:
        ValueError: all source points are equal.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    from_z = (source - source_mean) @ np.array([1, 1j])
    to_z = (target - target_mean) @ np.array([1, 1j])
    power = float(np.vdot(from_z, from_z).real)
    if power < 1e-12:
        raise ValueError("expected different landmarks, got equal ones only")
    factor = np.vdot(from_z, to_z) / power
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def read_template(size_px: int = FACE_SIZE_PX) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Read the indices (68,) of the landmarks that the alignment uses, and their mean positions (68, 2) in pixels."""
    indices, points = _load_template()
    return indices.copy(), (points + 0.5) * (size_px / FACE_SIZE_PX) - 0.5


def _shrink_face(
    rgb: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float, warp_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut out the part of the picture that the crop shows, and shrink it by a whole factor with area averaging.

    Returns:
        The shrunken part, and the transform from it to the crop.
    """
    factor = max(1, int(1 / scale))
    inverse = np.linalg.inv(matrix[:, :2])
    corners = np.array([[-1, -1], [warp_px, -1], [-1, warp_px], [warp_px, warp_px]], np.float64)
    shown = (corners - matrix[:, 2]) @ inverse.T
    height_px, width_px = rgb.shape[:2]
    margin = 2 * factor
    left, top = (max(0, int(v) - margin) for v in np.floor(shown.min(axis=0)))
    right, bottom = (max(0, int(v) + margin) for v in np.ceil(shown.max(axis=0)))
    part = rgb[top : min(bottom, height_px), left : min(right, width_px)]
    if part.size == 0:
        return np.zeros((1, 1, 3), np.uint8), matrix
    rows, columns = (-(-n // factor) for n in part.shape[:2])
    pad = ((0, rows * factor - part.shape[0]), (0, columns * factor - part.shape[1]), (0, 0))
    part = np.pad(part, pad, mode="edge")
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    # Pixel x of the small picture has its centre at factor * (x + 0.5) - 0.5 + left of the large one.
    to_large = np.array([[factor, 0, left + (factor - 1) / 2], [0, factor, top + (factor - 1) / 2], [0, 0, 1]])
    return np.asarray(small, np.uint8), matrix @ to_large


@cache
def _load_template() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    file = resources.files("hicmae_cli.faces").joinpath("face_template.json")
    try:
        table = json.loads(file.read_text("utf-8"))
        indices, points = (np.array(table["mediapipe_indices"], np.intp), np.array(table["points_160"], np.float64))
        if points.shape != (len(indices), 2) or not 0 <= indices.min() <= indices.max() < NUM_LANDMARKS:
            raise ValueError(f"expected a point for each landmark, got {points.shape}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{file}: the face template is missing or damaged; reinstall hicmae") from error
    return indices, points
