"""RandAugment (Cubuk et al. 2020) for clips: a few random operations, the same for all frames of a clip.

The operations, their strength at a magnitude, their random draws, and the text of a policy are those of
``timm.data.auto_augment``, to the bit, or within 1 level of 256 where pixels are interpolated or blended. There are two
differences. Geometric operations always interpolate bilinearly; timm draws between that and bicubic, which takes five
times as long and would need another kernel than OpenCV's. Posterize keeps at least one bit; timm makes a black picture
or, with a newer PIL, an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.model_input import IMAGENET_MEAN
from hicmae_cli.recipes.policy import STRONGEST, Policy

Faces = NDArray[np.uint8]

FILL = tuple(round(255 * float(mean)) for mean in IMAGENET_MEAN)
"""Colour of the area outside the picture: the mean of ImageNet, timm's ``img_mean``."""
_LEVELS = np.arange(256)


@dataclass(frozen=True)
class Operation:
    """One operation on a clip: a name of ``OPERATIONS``, and its strength in its own unit."""

    name: str
    strength: float = 0.0


def rand_augment(faces: Faces, policy: Policy, rng: np.random.Generator) -> Faces:
    """Augment all frames (T, H, W, 3) uint8 of a clip the same way -> the same shape; the input is not changed."""
    for operation in draw_operations(policy, rng):
        faces = apply_operation(faces, operation)
    return faces


def draw_operations(policy: Policy, rng: np.random.Generator) -> list[Operation]:
    """Draw the operations for one clip, in order."""
    drawn = []
    for index in rng.integers(len(OPERATIONS), size=policy.layers):
        if rng.random() > policy.probability:
            continue
        name = list(OPERATIONS)[index]
        if math.isinf(policy.spread):
            magnitude = rng.uniform(0, policy.magnitude)
        else:
            magnitude = rng.normal(policy.magnitude, policy.spread)
        level = float(np.clip(magnitude, 0, policy.highest)) / STRONGEST
        sign = -1.0 if rng.random() > 0.5 else 1.0
        drawn.append(Operation(name, _strength(name, level, sign, policy.rising)))
    return drawn


def _strength(name: str, level: float, sign: float, rising: bool) -> float:
    """Strength of an operation at a level of 0 to 1, or more if ``highest`` allows."""
    if name in ("Color", "Contrast", "Brightness", "Sharpness"):  # factor; 1 changes nothing
        return max(0.1, 1 + sign * 0.9 * level) if rising else 0.1 + 1.8 * level
    if name == "Rotate":  # degrees counter-clockwise
        return sign * 30 * level
    if name in ("ShearX", "ShearY"):  # pixels per pixel
        return sign * 0.3 * level
    if name in ("TranslateX", "TranslateY"):  # share of the picture
        return sign * 0.45 * level
    if name == "Posterize":  # bits to keep
        return max(1, 4 - int(4 * level) if rising else int(4 * level))
    if name == "Solarize":  # grey level from which on it is inverted
        return 256 - min(256, int(256 * level)) if rising else min(256, int(256 * level))
    if name == "SolarizeAdd":  # grey levels
        return min(128, int(110 * level))
    return 0.0


def apply_operation(faces: Faces, operation: Operation) -> Faces:
    """Apply one operation to all frames (T, H, W, 3) uint8 -> a new array."""
    return OPERATIONS[operation.name](faces, operation.strength)


def _auto_contrast(faces: Faces, _: float) -> Faces:
    """Stretch every channel of a frame to 0..255."""
    seen = _histograms(faces) > 0
    low, high = seen.argmax(axis=1)[:, None], 255 - seen[:, ::-1].argmax(axis=1)[:, None]  # (T, 1, 3)
    scale = 255.0 / np.maximum(1, high - low)
    stretched = (_LEVELS[:, None] * scale - low * scale).astype(int)
    return _look_up(faces, np.where(high > low, stretched, _LEVELS[:, None]))


def _equalize(faces: Faces, _: float) -> Faces:
    """Make all levels of every channel of a frame about equally frequent."""
    counts = _histograms(faces)
    highest = 255 - (counts > 0)[:, ::-1].argmax(axis=1)[:, None]  # (T, 1, 3)
    step = (counts.sum(axis=1, keepdims=True) - np.take_along_axis(counts, highest, axis=1)) // 255
    below = np.cumsum(counts, axis=1) - counts
    spread = (step // 2 + below) // np.maximum(1, step)
    return _look_up(faces, np.where(step > 0, spread, _LEVELS[:, None]))


def _invert(faces: Faces, _: float) -> Faces:
    return 255 - faces


def _posterize(faces: Faces, strength: float) -> Faces:
    return _look_up(faces, _LEVELS & ~(2 ** (8 - round(strength)) - 1))


def _solarize(faces: Faces, strength: float) -> Faces:
    return _look_up(faces, np.where(strength > _LEVELS, _LEVELS, 255 - _LEVELS))


def _solarize_add(faces: Faces, strength: float) -> Faces:
    return _look_up(faces, np.where(_LEVELS < 128, _LEVELS + round(strength), _LEVELS))


def _brightness(faces: Faces, strength: float) -> Faces:
    return _look_up(faces, _away_from(0, strength))


def _contrast(faces: Faces, strength: float) -> Faces:
    """Move levels away from the mean grey of each frame, or towards it."""
    grey = np.asarray(Image.fromarray(_tall(faces)).convert("L")).reshape(faces.shape[:3])
    means = [int(frame.mean() + 0.5) for frame in grey]
    return _look_up(faces, np.stack([_away_from(mean, strength) for mean in means])[..., None])


def _away_from(base: int, factor: float) -> NDArray[np.float32]:
    """Levels (256,) after their distance from a base is multiplied by a factor."""
    return np.float32(base) + np.float32(factor) * (_LEVELS - base).astype(np.float32)


def _color(faces: Faces, strength: float) -> Faces:
    """Move colours away from the grey of each pixel, or towards it."""
    grey = np.full((3, 1), 1.0) @ np.array([[0.299, 0.587, 0.114]])  # ITU-R BT.601
    matrix = strength * np.eye(3) + (1 - strength) * grey
    cut = np.full((3, 1), _CUT)
    return np.asarray(cv2.transform(_tall(faces), np.hstack((matrix, cut))), np.uint8).reshape(faces.shape)


def _sharpness(faces: Faces, strength: float) -> Faces:
    """Move pixels away from a blurred picture, or towards it; those at the edge stay."""
    blur = np.full((3, 3), 1.0)
    blur[1, 1] = 5.0
    kernel = (1 - strength) * blur / blur.sum()
    kernel[1, 1] += strength
    # The frames are stacked into one picture; the rows where one blurs into the next are restored below.
    out = cv2.filter2D(_tall(faces), -1, kernel, delta=_CUT).reshape(faces.shape)
    for line in (0, -1):
        out[:, line] = faces[:, line]
        out[:, :, line] = faces[:, :, line]
    return np.asarray(out, np.uint8)


_CUT = -0.5 + 1 / 1024  # turns rounding into truncation, except just below the next level


def _rotate(faces: Faces, strength: float) -> Faces:
    """Rotate around the middle."""
    angle = -math.radians(strength)
    cos, sin = math.cos(angle), math.sin(angle)
    y, x = (size / 2 for size in faces.shape[1:3])
    return _warp(faces, (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y))


def _shear_x(faces: Faces, strength: float) -> Faces:
    return _warp(faces, (1, strength, 0, 0, 1, 0))


def _shear_y(faces: Faces, strength: float) -> Faces:
    return _warp(faces, (1, 0, 0, strength, 1, 0))


def _translate_x(faces: Faces, strength: float) -> Faces:
    return _warp(faces, (1, 0, strength * faces.shape[2], 0, 1, 0))


def _translate_y(faces: Faces, strength: float) -> Faces:
    return _warp(faces, (1, 0, 0, 0, 1, strength * faces.shape[1]))


def _warp(faces: Faces, affine: tuple[float, ...]) -> Faces:
    """Take every pixel from the place a x + b y + c, d x + e y + f; ``affine`` is (a, b, c, d, e, f).

    Coordinates are those of PIL: pixel i covers i to i + 1. Pixels from outside the picture get ``FILL``, with a hard
    edge; interpolation just inside it repeats the outermost pixels.
    """
    matrix = np.array(affine, np.float64).reshape(2, 3)
    height, width = faces.shape[1:3]
    middle = matrix[:, :2].sum(axis=1) / 2  # of a pixel, in PIL's coordinates
    columns, rows = np.arange(width), np.arange(height)[:, None]
    x, y = (m[0] * columns + (m[1] * rows + m[2] + half) for m, half in zip(matrix, middle, strict=True))
    outside = ((x < 0) | (x >= width) | (y < 0) | (y >= height)).astype(np.uint8)
    fill = np.full_like(faces[0], FILL)
    matrix[:, 2] += middle - 0.5  # OpenCV's pixel i is at i
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = np.empty_like(faces)
    for face, warped in zip(faces, out, strict=True):
        cv2.warpAffine(face, matrix, (width, height), dst=warped, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(fill, outside, warped)
    return out


def _histograms(faces: Faces) -> NDArray[np.int64]:
    """Count each level in each frame and channel (T, 256, 3)."""
    counts = [[cv2.calcHist([face], [c], None, [256], [0, 256]).ravel() for c in range(3)] for face in faces]
    return np.array(counts).astype(np.int64).transpose(0, 2, 1)


def _look_up(faces: Faces, tables: NDArray[np.integer] | NDArray[np.floating]) -> Faces:
    """Replace levels by those of a table: one for all (256,), or one per frame (T, 256, 1) and channel (T, 256, 3)."""
    tables = np.clip(tables, 0, 255).astype(np.uint8)
    if tables.ndim == 1:
        return np.asarray(cv2.LUT(_tall(faces), tables), np.uint8).reshape(faces.shape)
    return np.stack(
        [np.asarray(cv2.LUT(face, table[:, None]), np.uint8) for face, table in zip(faces, tables, strict=True)]
    )


def _tall(faces: Faces) -> Faces:
    """Stack frames (T, H, W, 3) into one picture (T H, W, 3): one call is enough for operations on single pixels."""
    return faces.reshape(-1, *faces.shape[2:])


OPERATIONS: dict[str, Callable[[Faces, float], Faces]] = {
    "AutoContrast": _auto_contrast,
    "Equalize": _equalize,
    "Invert": _invert,
    "Rotate": _rotate,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "SolarizeAdd": _solarize_add,
    "Color": _color,
    "Contrast": _contrast,
    "Brightness": _brightness,
    "Sharpness": _sharpness,
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
}
"""Operations to draw from, by timm's names (without ``Increasing`` and ``Rel``)."""
