"""Augmentation of the faces of training clips, with the same random parameters for all frames of a clip.

Source: HiCMAE, section 4.2, with the usual recipe of video transformers: RandAugment, crop, flip and random erasing, in
this order. The other changes are ours (``camera.py``, ``covering.py``). A recipe that turns one off draws nothing for
it, so the random numbers of the others stay the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from hicmae_cli.augmentation.camera import degrade_faces, grey_faces, light_faces, move_faces, moves
from hicmae_cli.augmentation.covering import cover_edges, occlude_faces
from hicmae_cli.augmentation.rand_augment import rand_augment
from hicmae_cli.model_input import FACE_SIZE_PX, IMAGENET_MEAN, IMAGENET_STD
from hicmae_cli.recipes.augmentation_settings import AugmentationSettings
from hicmae_cli.recipes.policy import parse_policy

_ASPECT = (3 / 4, 4 / 3)  # width over height of a crop
_ERASED_AREA, _ERASED_ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)
_TRIALS = 10


def augment_faces(
    faces: NDArray[np.uint8], settings: AugmentationSettings, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Augment a clip (16, 160, 160, 3) uint8 by the recipe -> the same shape; the input is not changed.

    In this order: time jitter, edges, RandAugment, crop, flip, moves, occlusion, light, blur and compression, noise,
    colour, grey, erasing.
    """
    given = faces
    if settings.frame_jitter:
        faces = _jitter_frames(faces, settings.frame_jitter, rng)
    if settings.edges and rng.random() < settings.edges:
        faces = faces.copy() if faces is given else faces
        cover_edges(faces, rng)
    policy = parse_policy(settings.rand_augment)
    if policy is not None:
        faces = rand_augment(faces, policy, rng)
    top, left, height, width = random_crop(settings.crop_area, rng)
    if (height, width) != (FACE_SIZE_PX, FACE_SIZE_PX):
        faces = _resize(faces[:, top : top + height, left : left + width])
    elif faces is given:
        faces = faces.copy()
    if rng.random() < settings.flip:
        # Frames are contiguous in memory now, which makes the flip four times as fast.
        for face in faces:
            cv2.flip(face, 1, dst=face)
    if moves(settings):
        move_faces(faces, settings, rng)
    if settings.occlude and rng.random() < settings.occlude:
        occlude_faces(faces, rng)
    if settings.light:
        light_faces(faces, settings.light, rng)
    if settings.blur_px or settings.least_face_px or settings.jpeg:
        degrade_faces(faces, settings, rng)
    if settings.noise_levels:
        faces = _add_noise(faces, settings.noise_levels, rng)
    if settings.colour_jitter:
        faces = _jitter_colour(faces, settings.colour_jitter, rng)
    if settings.grey and rng.random() < settings.grey:
        grey_faces(faces)
    if rng.random() < settings.erase:
        _erase(faces, rng)
    return faces


# Places of a crop, in quarters of the free space to the left and above: corners, middles and the four between.
_PLACES = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


def multi_scale_crop(faces: NDArray[np.uint8], scales: Sequence[float], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Crop (16, 160, 160, 3) uint8 to a random size at one of 13 places, and resize it back (Wang et al. 2016).

    Height and width are two neighbouring or equal ``scales``.
    """
    shapes = [(a, b) for i, a in enumerate(scales) for j, b in enumerate(scales) if abs(i - j) <= 1]
    height, width = (int(scale * FACE_SIZE_PX) for scale in shapes[int(rng.integers(len(shapes)))])
    right, down = _PLACES[int(rng.integers(len(_PLACES)))]
    if height == width == FACE_SIZE_PX:
        return faces
    top, left = (FACE_SIZE_PX - height) // 4 * down, (FACE_SIZE_PX - width) // 4 * right
    return _resize(faces[:, top : top + height, left : left + width])


def _resize(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.empty((len(faces), FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
    for face, resized in zip(faces, out, strict=True):
        cv2.resize(face, resized.shape[:2], dst=resized, interpolation=cv2.INTER_LINEAR)
    return out


def _jitter_frames(faces: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Replace a share of the frames by their neighbours, as another frame rate would."""
    moved = rng.choice([-1, 0, 1], len(faces), p=[share / 2, 1 - share, share / 2])
    jittered: NDArray[np.uint8] = faces[np.clip(np.arange(len(faces)) + moved, 0, len(faces) - 1)]
    return jittered


def _add_noise(faces: NDArray[np.uint8], most: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add fine and coarse noise of up to ``most`` grey levels, like that of codecs; each clip gets another amount."""
    margin = 32
    size = FACE_SIZE_PX + margin
    fine, coarse = rng.integers(0, most + 1, 2)
    field = _draw_levels(fine, size, rng)
    blocks = _draw_levels(coarse, size // 2, rng)
    field += cv2.resize(blocks, (size, size), interpolation=cv2.INTER_NEAREST)
    out = np.empty_like(faces)
    for t, (top, left) in enumerate(rng.integers(0, margin, (len(faces), 2))):
        part = field[top : top + FACE_SIZE_PX, left : left + FACE_SIZE_PX]
        cv2.add(faces[t], part, dst=out[t], dtype=cv2.CV_8U)  # saturates
    return out


def _draw_levels(most: int, size: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw a picture of equally likely levels from -``most`` to ``most`` -> (size, size, 3)."""
    values = np.frombuffer(rng.bytes(size * size * 3), np.uint8).reshape(size, size, 3)
    levels = (np.arange(256) * (2 * most + 1) // 256 - most).astype(np.int16)
    return np.asarray(cv2.LUT(values, levels))


def random_crop(area: tuple[float, float], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Draw a box of random area (share of the picture) and shape -> top, left, height, width (Szegedy et al. 2015).

    The logarithm of its aspect is uniform from 3/4 to 4/3. If no box fits in ten trials, it is the whole picture.
    """
    for _ in range(_TRIALS):
        height, width = _random_box(area, _ASPECT, rng)
        if 0 < height <= FACE_SIZE_PX and 0 < width <= FACE_SIZE_PX:
            return *_random_place(height, width, rng), height, width
    return 0, 0, FACE_SIZE_PX, FACE_SIZE_PX


def _random_box(area: tuple[float, float], aspect: tuple[float, float], rng: np.random.Generator) -> tuple[int, int]:
    """Draw height and width (px) of a box of random area (share of the picture) and aspect (width over height)."""
    target = rng.uniform(*area) * FACE_SIZE_PX**2
    ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
    return round(math.sqrt(target / ratio)), round(math.sqrt(target * ratio))


def _random_place(height: int, width: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw top and left of a box so that it is inside the picture."""
    return int(rng.integers(FACE_SIZE_PX - height + 1)), int(rng.integers(FACE_SIZE_PX - width + 1))


def _erase(faces: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Replace one box, the same in all frames, by noise (Zhong et al. 2020), in place.

    Every value is normally distributed with ImageNet's mean and deviation, and clipped to black and white. After
    normalisation it is standard normal, like timm's ``pixel`` mode.
    """
    for _ in range(_TRIALS):
        height, width = _random_box(_ERASED_AREA, _ERASED_ASPECT, rng)
        if height < FACE_SIZE_PX and width < FACE_SIZE_PX:
            top, left = _random_place(height, width, rng)
            ranks = rng.integers(1 << 16, size=(3, len(faces), height, width), dtype=np.uint16)
            for channel, levels in enumerate(_noise_levels()):
                faces[:, top : top + height, left : left + width, channel] = levels[ranks[channel]]
            return


@cache
def _noise_levels() -> NDArray[np.uint8]:
    """Levels of noise by rank, all ranks equally likely: (3, 65536), a row for each colour."""
    ranks = (np.arange(1 << 16) + 0.5) / (1 << 16)
    normal = torch.special.ndtri(torch.from_numpy(ranks)).numpy()
    mean, std = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    levels = 255 * (mean[:, None] + std[:, None] * normal)
    return np.asarray(np.round(np.clip(levels, 0, 255)), np.uint8)


def _jitter_colour(faces: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness, contrast, saturation and tint, in one affine map of the colours."""
    contrast, saturation = 1 + strength * rng.uniform(-1, 1, 2)
    tint = (1 + strength * rng.uniform(-1, 1)) * (1 + 0.25 * strength * rng.uniform(-1, 1, 3))
    mix = saturation * np.eye(3) + (1 - saturation) / 3  # towards the grey of the same pixel
    matrix = np.concatenate((tint[:, None] * contrast * mix, (tint * 128 * (1 - contrast))[:, None]), axis=1)
    return np.asarray(cv2.transform(faces.reshape(-1, 1, 3), matrix), np.uint8).reshape(faces.shape)
