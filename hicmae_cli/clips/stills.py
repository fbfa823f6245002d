"""A still as a clip: one picture of a face becomes frames that move a little, as a face in a video does.

A model that gets a frozen frame learns to tell stills from videos. Here each frame has its own small shift, size, turn,
sharpness and brightness: a slow part, as of a head that moves, and a fast part, as of landmarks that jitter.
"""

from __future__ import annotations

import zlib
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES

_SLOW_FRAMES: Final = 2.0
"""Deviation of the Gaussian that smooths the slow part: 0.32 s."""
# Deviations of the slow and the fast part. Shifts are in pixels of a face of 160 px, turns in degrees.
_SHIFT_PX: Final = (2.0, 0.5)
_SCALE: Final = (0.02, 0.004)
_TURN_DEGREES: Final = (1.2, 0.3)
_BRIGHTNESS: Final = (0.03, 0.005)
# Each frame is mixed with a blurred copy of the picture.
_BLUR_SIGMA_PX: Final = 1.5
_BLUR_SHARE: Final = 0.3
_MOST_BLUR: Final = 0.8
_CURVES: Final = 6  # right, down, scale, turn, brightness, blur

SWAYING: Final = tuple(frame % 2 for frame in range(CLIP_FRAMES))
"""Order of two frames of a still to make a clip: 0 1 0 1 …, so that each patch of two frames moves.

Training changes these two frames instead of 16, in an eighth of the time.
"""


def animate_still(
    face: NDArray[np.uint8], rng: np.random.Generator | None = None, num_frames: int = CLIP_FRAMES
) -> NDArray[np.uint8]:
    """Make the frames of a clip from one picture.

    On average over the frames, the face stays in place and keeps its size and brightness. Prepared pictures,
    photographs and crops all reach a model in this way.

    Args:
        face: (H, W, 3) aligned face.
        rng: draws the motion; by default `seed_by_picture`.
        num_frames: T, at least 2.

    Returns:
        (T, H, W, 3) uint8.
    """
    slow, fast = (rng or seed_by_picture(face)).standard_normal((2, num_frames, _CURVES))
    slow = _make_smoother(num_frames) @ slow
    slow, fast = slow - slow.mean(axis=0), fast - fast.mean(axis=0)
    deviations = np.array([_SHIFT_PX, _SHIFT_PX, _SCALE, _TURN_DEGREES, _BRIGHTNESS, (_BLUR_SHARE, 0.0)])
    curves = slow * deviations[:, 0] + fast * deviations[:, 1]
    height_px, width_px = face.shape[:2]
    centre = ((width_px - 1) / 2, (height_px - 1) / 2)
    blurred = cv2.GaussianBlur(face, (0, 0), _BLUR_SIGMA_PX)
    frames = np.empty((num_frames, *face.shape), np.uint8)
    for frame, (right, down, wider, turn, brighter, softer) in zip(frames, curves, strict=True):
        blur = min(abs(softer), _MOST_BLUR)
        gain = 1 + brighter
        lit = cv2.addWeighted(face, gain * (1 - blur), blurred, gain * blur, 0)
        matrix = cv2.getRotationMatrix2D(centre, turn, 1 + wider)
        matrix[:, 2] += right, down
        cv2.warpAffine(
            lit, matrix, (width_px, height_px), dst=frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return frames


def seed_by_picture(face: NDArray[np.uint8]) -> np.random.Generator:
    """Make a generator that follows from the pixels, so that a picture moves in the same way each time."""
    return np.random.default_rng(zlib.crc32(face.tobytes()))


def _make_smoother(num_frames: int) -> NDArray[np.float64]:
    """Make the matrix (T, T) that smooths white noise over time and keeps its variance."""
    steps = np.arange(num_frames)
    kernel = np.exp(-0.5 * ((steps[:, None] - steps) / _SLOW_FRAMES) ** 2)
    smoother: NDArray[np.float64] = kernel / np.sqrt((kernel**2).sum(axis=1, keepdims=True))
    return smoother
