"""One input of the model: 16 faces and the log-mel spectrogram of the same 2.56 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, IMAGENET_MEAN, IMAGENET_STD, LOG_MEL_BINS, LOG_MEL_FRAMES

_LEVELS = np.arange(256, dtype=np.float32) / 255
# The value of each grey level, for each colour: ten times as fast as arithmetic on every pixel.
_NORMALISED = [
    (_LEVELS - np.float32(mean)) / np.float32(std) for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)
]
# Compression lifts the black of a frame without a face a little; every picture of a face has brighter pixels.
_BLACK = 16


@dataclass(frozen=True)
class Clip:
    """One input of the model; one of its two streams may be missing.

    Attributes:
        video: (16, 160, 160, 3) uint8 RGB aligned faces, black where no face was found; None without faces.
        audio: (256, 128) float32 normalised log-mel; None without sound.

    Raises:
        ValueError: a stream has the wrong shape or type, or both are missing.
    """

    video: NDArray[np.uint8] | None
    audio: NDArray[np.float32] | None

    def __post_init__(self) -> None:
        if self.video is None and self.audio is None:
            raise ValueError("clip: expected a video or an audio stream, got neither")
        faces_shape = (CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3)
        if self.video is not None and (self.video.shape != faces_shape or self.video.dtype != np.uint8):
            raise ValueError(f"clip: expected video {faces_shape} uint8, got {self.video.shape} {self.video.dtype}")
        mel_shape = (LOG_MEL_FRAMES, LOG_MEL_BINS)
        if self.audio is not None and (self.audio.shape != mel_shape or self.audio.dtype != np.float32):
            raise ValueError(f"clip: expected audio {mel_shape} float32, got {self.audio.shape} {self.audio.dtype}")
        if self.audio is not None and not np.isfinite(self.audio).all():
            raise ValueError("clip: the log-mel holds values that are not finite")

    @property
    def modality(self) -> str:
        """The streams that exist: ``"av"``, ``"video"`` or ``"audio"``."""
        if self.video is None:
            return "audio"
        return "video" if self.audio is None else "av"


def stack_clips(clips: Sequence[Clip]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stack clips into the input of both engines -> video (B, 3, 16, 160, 160), audio (B, 1, 256, 128) float32.

    Faces are scaled to 0..1 and normalised by ImageNet's mean and standard deviation. **A missing stream becomes
    zeros**, which after normalisation is the average picture or the average sound. Models trained with stream dropout
    (ours) know this input; to others it is a neutral grey.
    """
    video = np.zeros((len(clips), 3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX), np.float32)
    audio = np.zeros((len(clips), 1, LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)
    for index, clip in enumerate(clips):
        if clip.video is not None:
            column = clip.video.reshape(-1, FACE_SIZE_PX, 3)  # frame below frame
            for colour, values in enumerate(_NORMALISED):
                plane = video[index, colour].reshape(-1, FACE_SIZE_PX)
                cv2.LUT(cv2.extractChannel(column, colour), values, dst=plane)
        if clip.audio is not None:
            audio[index, 0] = clip.audio
    return video, audio


def find_black_frames(faces: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the frames without a face: black, except for compression noise.

    Args:
        faces: (T, H, W, 3) aligned faces.

    Returns:
        (T,) whether each frame is black.
    """
    return np.asarray(faces.max(axis=(1, 2, 3)) < _BLACK)
