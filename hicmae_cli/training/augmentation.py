"""Random changes of training clips; one set of parameters for all frames of a clip."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import FACE_SIZE_PX
from hicmae_cli.media import SAMPLE_RATE_HZ
from hicmae_cli.training.settings import FinetuneSettings

_ASPECT = (3 / 4, 4 / 3)


def augment_faces(
    faces: NDArray[np.uint8], settings: FinetuneSettings, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Crop, flip, colour and erase (16, 160, 160, 3) uint8 -> the same shape."""
    top, left, height, width = _random_crop(settings.crop_area, rng)
    faces = faces[:, top : top + height, left : left + width]
    if rng.random() < settings.flip:
        faces = faces[:, :, ::-1]
    if (height, width) == (FACE_SIZE_PX, FACE_SIZE_PX):
        faces = faces.copy()
    else:
        size = (FACE_SIZE_PX, FACE_SIZE_PX)
        faces = np.stack(
            [cv2.resize(np.ascontiguousarray(face), size, interpolation=cv2.INTER_LINEAR) for face in faces]
        )
    if settings.colour_jitter:
        faces = _jitter_colour(faces, settings.colour_jitter, rng)
    if rng.random() < settings.erase:
        area = (0.02, 1 / 3)
        top, left, height, width = _random_crop(area, rng)
        noise = rng.integers(0, 256, (len(faces), height, width, 3), dtype=np.uint8)
        faces[:, top : top + height, left : left + width] = noise
    return faces


def _random_crop(area: tuple[float, float], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A box of random area and aspect ratio -> top, left, height, width."""
    for _ in range(10):
        target = rng.uniform(*area) * FACE_SIZE_PX**2
        ratio = math.exp(rng.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        height, width = round(math.sqrt(target / ratio)), round(math.sqrt(target * ratio))
        if 0 < height <= FACE_SIZE_PX and 0 < width <= FACE_SIZE_PX:
            top = int(rng.integers(0, FACE_SIZE_PX - height + 1))
            left = int(rng.integers(0, FACE_SIZE_PX - width + 1))
            return top, left, height, width
    return 0, 0, FACE_SIZE_PX, FACE_SIZE_PX


def _jitter_colour(faces: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and tint, in one affine map of the colours."""
    contrast, saturation = 1 + strength * rng.uniform(-1, 1, 2)
    tint = (1 + strength * rng.uniform(-1, 1)) * (1 + 0.25 * strength * rng.uniform(-1, 1, 3))
    mix = saturation * np.eye(3) + (1 - saturation) / 3  # towards the grey of the same pixel
    matrix = np.concatenate((tint[:, None] * contrast * mix, (tint * 128 * (1 - contrast))[:, None]), axis=1)
    return np.asarray(cv2.transform(faces.reshape(-1, 1, 3), matrix), np.uint8).reshape(faces.shape)


def augment_samples(
    samples: NDArray[np.float32], settings: FinetuneSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Gain and a small shift in time of a clip's sound (n,) -> (n,)."""
    gain = 10 ** (rng.uniform(-1, 1) * settings.audio_gain_db / 20)
    shift = int(rng.uniform(-1, 1) * settings.audio_shift_s * SAMPLE_RATE_HZ)
    return (np.roll(samples, shift) * gain).astype(np.float32)


def mask_log_mel(
    mel: NDArray[np.float32], settings: FinetuneSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Blank a band of time and a band of frequency (SpecAugment, Park et al. 2019): (256, 128) -> same."""
    mel = mel.copy()
    for axis, widest in ((0, settings.mask_time_frames), (1, settings.mask_mel_bins)):
        width = int(rng.integers(0, widest + 1))
        start = int(rng.integers(0, mel.shape[axis] - width + 1))
        band = [slice(None), slice(None)]
        band[axis] = slice(start, start + width)
        mel[tuple(band)] = 0
    return mel
