"""What cameras and codecs do to the faces of a clip (T, H, W, 3) uint8: place, light, blur, size, JPEG, grey.

All frames of a clip get the same random parameters. The functions return a new array.
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
_COMPRESSED_SHARE = 1 / 3
_MIDDLE = (FACE_SIZE_PX - 1) / 2
_UNCHANGED = 128  # as a factor of brightness in 8 bits
_SHARPEST_PX = 0.3  # a blur below this standard deviation changes nothing


def moves(settings: AugmentationSettings) -> bool:
    """Whether the recipe moves the faces of a clip: by wobble, rotation, zoom or shift."""
    return bool(settings.wobble_px or _moves_whole_clip(settings))


def _moves_whole_clip(settings: AugmentationSettings) -> bool:
    return bool(settings.rotate_deg or settings.shift_px or settings.scale != (1.0, 1.0))


def move_faces(faces: Faces, settings: AugmentationSettings, rng: np.random.Generator) -> Faces:
    """Wobble each frame, and rotate, zoom and shift the whole clip, in one interpolation.

    Around the picture, a clip that only wobbles repeats the outermost pixels. Larger moves mirror the picture, which
    leaves no streaks.
    """
    matrices = _draw_wobble(len(faces), settings.wobble_px, rng) if settings.wobble_px else [np.eye(2, 3)] * len(faces)
    border = cv2.BORDER_REPLICATE
    if _moves_whole_clip(settings):
        border = cv2.BORDER_REFLECT_101
        whole = np.vstack((_draw_move(settings, rng), (0, 0, 1)))
        matrices = [matrix @ whole for matrix in matrices]
    out = np.empty_like(faces)
    for face, moved, matrix in zip(faces, out, matrices, strict=True):
        cv2.warpAffine(face, matrix, face.shape[:2], dst=moved, flags=cv2.INTER_LINEAR, borderMode=border)
    return out


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
    return np.array(
        [
            [cos, sin, right + _MIDDLE * (1 - cos - sin)],
            [-sin, cos, down + _MIDDLE * (1 + sin - cos)],
        ]
    )


def light_faces(faces: Faces, strength: float, rng: np.random.Generator) -> Faces:
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
        shape = 2 * np.exp(-((at - x) ** 2 + (at[:, None] - y) ** 2) / 1.5) - 1
    factor = 1 + strength * rng.uniform(-1, 1) * shape
    field = np.repeat(np.round(_UNCHANGED * factor).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    out = np.empty_like(faces)
    for face, lit in zip(faces, out, strict=True):
        cv2.LUT(face, levels, dst=lit)
        cv2.multiply(lit, field, dst=lit, scale=1 / _UNCHANGED)
    return out


def degrade_faces(faces: Faces, settings: AugmentationSettings, rng: np.random.Generator) -> Faces:
    """Blur the faces, shrink them, compress them as they are then, and enlarge them again, as small faces of videos."""
    sigma_px = settings.blur_px * rng.random() if settings.blur_px else 0.0
    side_px, quality = FACE_SIZE_PX, None
    if settings.least_face_px and rng.random() < _SHRUNK_SHARE:
        side_px = int(rng.integers(settings.least_face_px, FACE_SIZE_PX + 1))
    if settings.jpeg and rng.random() < _COMPRESSED_SHARE:
        quality = int(rng.integers(settings.jpeg, 101))
    if sigma_px > _SHARPEST_PX:
        faces = np.stack([cv2.GaussianBlur(face, (0, 0), sigma_px) for face in faces]).astype(np.uint8)
    if side_px < FACE_SIZE_PX:
        faces = resize_faces(faces, side_px, cv2.INTER_AREA)
    if quality is not None:
        faces = _compress(faces, quality)
    return faces if side_px == FACE_SIZE_PX else resize_faces(faces, FACE_SIZE_PX)


def _compress(faces: Faces, quality: int) -> Faces:
    """Encode and decode each frame as a JPEG."""
    # One tall picture costs less than one per frame. Its blocks of 16 pixels must not cross frames.
    side = faces.shape[1]
    short = -side % 16
    tall = np.pad(faces, ((0, 0), (0, short), (0, 0), (0, 0)), mode="edge").reshape(-1, side, 3)
    _, code = cv2.imencode(".jpg", tall, (cv2.IMWRITE_JPEG_QUALITY, quality))
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return decoded.reshape(len(faces), side + short, side, 3)[:, :side]


def resize_faces(faces: Faces, side_px: int = FACE_SIZE_PX, interpolation: int = cv2.INTER_LINEAR) -> Faces:
    """Resize all frames (T, H, W, 3) -> (T, side_px, side_px, 3)."""
    out = np.empty((len(faces), side_px, side_px, 3), np.uint8)
    for face, resized in zip(faces, out, strict=True):
        cv2.resize(face, resized.shape[:2], dst=resized, interpolation=interpolation)
    return out


def grey_faces(faces: Faces) -> Faces:
    """Remove the colour."""
    grey = cv2.cvtColor(faces.reshape(-1, *faces.shape[2:]), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8).reshape(faces.shape)
