"""What cameras and codecs do to the faces of a clip (T, H, W, 3) uint8: place, light, blur, size, JPEG, grey.

All frames of a clip get the same random parameters. The functions change the faces in place, frame by frame: a second
copy of a clip costs more time than most of them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.recipes.augmentation_settings import AugmentationSettings

Faces = NDArray[np.uint8]

_SHRUNK_SHARE = 0.5
_COMPRESSED_SHARE = 0.25
_MIDDLE = (FACE_SIZE_PX - 1) / 2
_UNCHANGED = 128  # as a factor of brightness in 8 bits
_SHARPEST_PX = 0.3  # a blur below this standard deviation changes nothing


def moves(settings: AugmentationSettings) -> bool:
    """Whether the recipe moves the faces of a clip: by wobble, rotation, zoom or shift."""
    return bool(settings.wobble_px or _moves_whole_clip(settings))


def _moves_whole_clip(settings: AugmentationSettings) -> bool:
    return bool(settings.rotate_deg or settings.shift_px or settings.scale != (1.0, 1.0))


def move_faces(faces: Faces, settings: AugmentationSettings, rng: np.random.Generator) -> None:
    """Wobble each frame, and rotate, zoom and shift the whole clip, in one interpolation.

    Around the picture, a clip that only wobbles repeats the outermost pixels. Larger moves mirror the picture, which
    leaves no streaks.
    """
    matrices = _draw_wobble(len(faces), settings.wobble_px, rng) if settings.wobble_px else [np.eye(2, 3)] * len(faces)
    margin = 0
    if _moves_whole_clip(settings):
        # OpenCV mirrors faster before it moves than while it moves.
        margin = FACE_SIZE_PX // 4
        inside = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1]])
        whole = np.vstack((_draw_move(settings, rng), (0, 0, 1))) @ inside
        matrices = [matrix @ whole for matrix in matrices]
    for face, matrix in zip(faces, matrices, strict=True):
        source = face.copy()
        if margin:
            source = cv2.copyMakeBorder(face, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        cv2.warpAffine(
            source, matrix, face.shape[:2], dst=face, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def _draw_wobble(count: int, spread_px: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Draw a small shift and scale of each frame, like landmark jitter -> (2, 3) matrices from old to new places.

    All frames share a shift with the deviation ``spread_px``; each frame has its own with half of it. The size changes
    by the same amounts at the edges.
    """
    shared, own = rng.normal(0, spread_px, 3), rng.normal(0, spread_px / 2, (count, 3))
    matrices = []
    for right, down, wider in shared + own:
        scale = 1 + wider / _MIDDLE
        offset = _MIDDLE * (1 - scale)
        matrices.append(np.array([[scale, 0, right + offset], [0, scale, down + offset]]))
    return matrices


def _draw_move(settings: AugmentationSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a rotation and a zoom around the middle, and a shift -> (2, 3) matrix from old to new places."""
    angle = math.radians(settings.rotate_deg) * rng.uniform(-1, 1)
    right, down = settings.shift_px * rng.uniform(-1, 1, 2)
    scale = rng.uniform(*settings.scale)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[cos, sin, right + _MIDDLE * (1 - cos - sin)], [-sin, cos, down + _MIDDLE * (1 + sin - cos)]])


def light_faces(faces: Faces, strength: float, rng: np.random.Generator) -> None:
    """Change gamma, and multiply the brightness by a linear gradient or that of a lamp near the face.

    At full strength, gamma is 0.5 to 2, and the brightness falls to 0 or rises to twice itself at the ends of the
    gradient.
    """
    gamma = 2 ** (strength * rng.uniform(-1, 1))
    levels = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    at = np.linspace(-1, 1, FACE_SIZE_PX, dtype=np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * math.pi)
        shape = (math.cos(angle) * at + math.sin(angle) * at[:, None]) / math.sqrt(2)
    else:
        x, y = rng.uniform(-1, 1, 2)
        # From 1 at the lamp to -1 far away from it.
        shape = 2 * np.exp(-((at - x) ** 2) / 1.5) * np.exp(-((at - y) ** 2) / 1.5)[:, None] - 1
    slope = _UNCHANGED * strength * rng.uniform(-1, 1)
    field = cv2.merge([cv2.convertScaleAbs(np.maximum(_UNCHANGED + slope * shape, 0))] * 3)
    for face in faces:
        cv2.LUT(face, levels, dst=face)
        cv2.multiply(face, field, dst=face, scale=1 / _UNCHANGED)


def degrade_faces(faces: Faces, settings: AugmentationSettings, rng: np.random.Generator) -> None:
    """Shrink the faces, blur them, compress them as they are then, and enlarge them again, as small faces of videos."""
    sigma_px = settings.blur_px * rng.random() if settings.blur_px else 0.0
    side_px, quality = FACE_SIZE_PX, None
    if settings.least_face_px and rng.random() < _SHRUNK_SHARE:
        side_px = int(rng.integers(settings.least_face_px, FACE_SIZE_PX + 1))
        sigma_px *= side_px / FACE_SIZE_PX
    if settings.jpeg and rng.random() < _COMPRESSED_SHARE:
        quality = int(rng.integers(settings.jpeg, 101))
    # OpenCV's own width reaches three standard deviations; that is a third slower, and looks the same.
    width = 2 * round(2 * sigma_px) + 1
    for face in faces:
        small = face if side_px == FACE_SIZE_PX else _shrink(face, side_px)
        if sigma_px > _SHARPEST_PX:
            small = cv2.GaussianBlur(small, (width, width), sigma_px)
        if quality is not None:
            small = cv2.imdecode(cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_COLOR)
        if small is not face:
            cv2.resize(small, face.shape[:2], dst=face)


def _shrink(face: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Resize one face (160, 160, 3) to a side of so many pixels."""
    if 2 * side_px <= FACE_SIZE_PX:
        # A half is the mean of four pixels, which leaves no aliases.
        face = np.asarray(cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(face, (side_px, side_px)), np.uint8)


def grey_faces(faces: Faces) -> None:
    """Remove the colour."""
    for face in faces:
        cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB, dst=face)
