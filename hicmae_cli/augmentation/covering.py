"""Cover parts of the faces of a clip (T, H, W, 3) uint8: borders of the picture, and things in front of the face.

The functions change the faces in place.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import FACE_SIZE_PX

Faces = NDArray[np.uint8]

_WIDEST_STRIP: Final = 0.2  # of the side
_MOST_SLANT: Final = 0.15  # of the side, as at the border of a picture that was rotated
_STRIP_SHARE: Final = 0.4  # of the sides
_BLACKEST: Final = 6  # level of what is black after a JPEG
_SMEARED_PX: Final = 2  # width of the transition from black to the picture
_TEXTURE_PX: Final = 64


def cover_edges(faces: Faces, rng: np.random.Generator) -> None:
    """Cover random strips along the sides, and what is black there already, e.g. where a press photo ended.

    Both get the same of four fillings: black, a random colour, noise, or the mirrored picture.
    """
    left, top, right, bottom = (np.maximum(strip, _draw_strip(rng)) for strip in _find_black(faces))
    at = np.arange(FACE_SIZE_PX)
    first_x, last_x = left[:, None], FACE_SIZE_PX - 1 - right[:, None]
    first_y, last_y = top[None], FACE_SIZE_PX - 1 - bottom[None]
    x, y = at[None], at[:, None]
    covered = ((x < first_x) | (x > last_x) | (y < first_y) | (y > last_y)).astype(np.uint8)
    filling = rng.integers(4)
    if filling == 3:
        # One reflection at each border; what is beyond the picture then repeats its outermost pixels.
        from_x = np.where(x < first_x, 2 * first_x - x, np.where(x > last_x, 2 * last_x - x, x)).astype(np.float32)
        from_y = np.where(y < first_y, 2 * first_y - y, np.where(y > last_y, 2 * last_y - y, y)).astype(np.float32)
        for face in faces:
            cv2.remap(face.copy(), from_x, from_y, cv2.INTER_NEAREST, dst=face, borderMode=cv2.BORDER_REPLICATE)
        return
    shape = (FACE_SIZE_PX, FACE_SIZE_PX, 3)
    if filling == 2:
        pattern = rng.integers(0, 256, shape, np.uint8)
    else:
        pattern = np.full(shape, rng.integers(0, 256, 3, np.uint8) if filling else 0, np.uint8)
    for face in faces:
        cv2.copyTo(pattern, covered, face)


def _find_black(faces: Faces) -> tuple[NDArray[np.int64], ...]:
    """Measure how far the picture is black from its left, top, right and bottom in each line, in any frame (160,).

    Lines that are black from side to side count only for the other two sides.
    """
    flags = [cv2.inRange(face, (0, 0, 0), (_BLACKEST,) * 3) for face in faces]
    most = []
    for turned in range(4):  # left, top, right, bottom
        longest = np.zeros(FACE_SIZE_PX, np.int64)
        for black in flags:
            lines = (black, black.T, black[:, ::-1], black.T[:, ::-1])[turned]
            if lines[:, 0].any():
                longest = np.maximum(longest, (lines == 0).argmax(axis=1))
        most.append(np.where(longest > 1, longest + _SMEARED_PX, 0))
    return tuple(most)


def _draw_strip(rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the width of a strip in each line of a side (160,), mostly 0."""
    here, width, slant = rng.random(3)
    if here >= _STRIP_SHARE:
        return np.zeros(FACE_SIZE_PX, np.int64)
    tilt = (2 * slant - 1) * _MOST_SLANT * np.linspace(-0.5, 0.5, FACE_SIZE_PX)
    return np.asarray(np.round(FACE_SIZE_PX * np.clip(_WIDEST_STRIP * width + tilt, 0, _WIDEST_STRIP)), np.int64)


def occlude_faces(faces: Faces, rng: np.random.Generator) -> None:
    """Cover a part of the face by a thing that moves a little: a hand, a microphone, a bar or a blob.

    It is 0.04 to 0.2 of the picture, in one colour or with a texture, and stays where it can cover the face.
    """
    area = rng.uniform(0.04, 0.2)
    draw = (_draw_hand, _draw_microphone, _draw_bar, _draw_blob)[int(rng.integers(4))]
    mask = draw(area, rng)
    thing = _draw_texture(skin=draw is _draw_hand, rng=rng)
    weight = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.6, 2)).astype(np.float32) / 255
    drift, sway = rng.uniform(-6, 6, (2, 2))
    phase, turns = rng.uniform(0, 2 * math.pi, 2)
    at = np.linspace(-1, 1, len(faces))[:, None]
    for face, (right, down) in zip(faces, drift * at + 0.5 * sway * np.sin(phase + turns * at), strict=True):
        matrix = np.array([[1, 0, right], [0, 1, down]])
        moved = cv2.warpAffine(weight, matrix, weight.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        left, top, width, height = cv2.boundingRect((moved > 0).astype(np.uint8))
        part = (slice(top, top + height), slice(left, left + width))
        face[part] = cv2.blendLinear(
            np.ascontiguousarray(thing[part]), np.ascontiguousarray(face[part]), moved[part], 1 - moved[part]
        )


def _draw_place(rng: np.random.Generator) -> tuple[int, int]:
    """Draw the middle of a thing, mostly on the lower half of the face."""
    x, y = FACE_SIZE_PX * (0.5 + 0.3 * rng.uniform(-1, 1)), FACE_SIZE_PX * rng.triangular(0.15, 0.75, 1.0)
    return int(x), int(y)


def _new_mask() -> NDArray[np.uint8]:
    return np.zeros((FACE_SIZE_PX, FACE_SIZE_PX), np.uint8)


def _draw_hand(area: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a palm with fingers side by side."""
    mask = _new_mask()
    palm = FACE_SIZE_PX * math.sqrt(area) * 0.4
    x, y = _draw_place(rng)
    angle = rng.uniform(-math.pi, 0) if rng.random() < 0.8 else rng.uniform(0, math.pi)
    along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    middle = np.array([x, y]) - 0.5 * palm * along
    cv2.ellipse(mask, (tuple(middle), (2 * palm, 1.7 * palm), math.degrees(angle)), 255, -1, cv2.LINE_AA)
    spread = rng.uniform(0, 0.12)
    for place, length in zip((-1.5, -0.5, 0.5, 1.5), (1.5, 1.85, 1.75, 1.35), strict=True):
        root = middle + 0.38 * palm * place * across + 0.4 * palm * along
        tip = middle + (0.38 + spread) * palm * place * across + length * palm * along
        _draw_line(mask, root, tip, 0.36 * palm)
    # The wrist reaches out of the picture.
    _draw_line(mask, middle, middle - 4 * palm * along, 1.1 * palm)
    return mask


def _draw_microphone(area: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a round head on a stick that comes from below."""
    mask = _new_mask()
    radius = FACE_SIZE_PX * math.sqrt(area) * 0.4
    x, y = FACE_SIZE_PX * rng.uniform(0.2, 0.8), FACE_SIZE_PX * rng.uniform(0.7, 1.0)
    cv2.ellipse(mask, ((x, y), (2 * radius, 2.4 * radius), rng.uniform(-20, 20)), 255, -1, cv2.LINE_AA)
    foot = np.array([x + rng.uniform(-60, 60), FACE_SIZE_PX + 60.0])
    _draw_line(mask, np.array([x, y]), foot, radius)
    return mask


def _draw_bar(area: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a bar from side to side, or a box."""
    mask = _new_mask()
    length = FACE_SIZE_PX * (2.5 if rng.random() < 0.4 else rng.uniform(0.4, 0.9))
    width = area * FACE_SIZE_PX**2 / min(length, FACE_SIZE_PX)
    x, y = _draw_place(rng)
    corners = cv2.boxPoints(((x, y), (length, width), rng.uniform(-30, 30) + 90 * (rng.random() < 0.3)))
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 255, cv2.LINE_AA)
    return mask


def _draw_blob(area: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a round shape with a random outline."""
    mask = _new_mask()
    angles = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    radius = np.ones(40)
    for waves in (2, 3, 4):
        radius += rng.uniform(0, 0.5 / waves) * np.sin(waves * angles + rng.uniform(0, 2 * math.pi))
    radius *= FACE_SIZE_PX * math.sqrt(area / math.pi)
    outline = np.array(_draw_place(rng)) + radius[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def _draw_line(mask: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], width: float) -> None:
    (x0, y0), (x1, y1) = np.round(start).astype(int), np.round(end).astype(int)
    cv2.line(mask, (int(x0), int(y0)), (int(x1), int(y1)), 255, max(1, round(width)), cv2.LINE_AA)


def _draw_texture(*, skin: bool, rng: np.random.Generator) -> Faces:
    """Draw the surface of a thing (160, 160, 3): a colour with smooth shadows, and stripes or grain in half of them."""
    colour = np.array([224, 172, 140]) * rng.uniform(0.3, 1.1) if skin else rng.uniform(0, 256, 3) * rng.uniform(0, 1)
    field = rng.uniform(-1, 1, (5, 5)).astype(np.float32)
    shade = 1 + 0.35 * cv2.resize(field, (_TEXTURE_PX, _TEXTURE_PX), interpolation=cv2.INTER_CUBIC)
    if not skin and rng.random() < 0.5:
        at = np.arange(_TEXTURE_PX)
        if rng.random() < 0.5:
            x, y = rng.uniform(-1, 1, 2)
            shade += 0.5 * np.sign(np.sin(x * at + y * at[:, None]))
        else:
            shade += rng.uniform(-0.5, 0.5, shade.shape)
    surface = np.clip(colour * shade[..., None], 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(surface, (FACE_SIZE_PX, FACE_SIZE_PX)), np.uint8)
