"""Pictures of clips whose masked patches a pre-trained model has rebuilt.

Letters: B batch, C channels, N tokens, K visible and M masked tokens, P values of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hicmae_cli.models.config import (
    AUDIO_GRID,
    AUDIO_PATCH,
    AUDIO_PATCH_VALUES,
    VIDEO_GRID,
    VIDEO_PATCH,
    VIDEO_PATCH_VALUES,
)
from hicmae_cli.models.inputs import normalise_patches
from hicmae_cli.models.masking import Mask, cut_faces, cut_patches, keep_patches
from hicmae_cli.models.objectives import reconstruction_loss
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.targets import audio_targets, video_targets

_CHANNELS = 3
_GREY = 128  # masked patches of faces: uint8 has no NaN


class Pictures(NamedTuple):
    """One stream in three versions: faces (B, 16, 160, 160, 3) uint8, or log-mels (B, 256, 128) float32.

    Attributes:
        original: the input.
        masked: the input with masked patches grey (faces) or NaN (log-mels).
        rebuilt: the input with masked patches as predicted.
    """

    original: NDArray[Any]
    masked: NDArray[Any]
    rebuilt: NDArray[Any]


@dataclass(frozen=True)
class Reconstruction:
    """Pictures of some clips, and the errors of the model on the masked patches.

    Errors are mean squares over all masked values, in the normalised units of the targets. The error of predicting each
    patch's mean, which the pictures contain anyway, is the baseline.

    Attributes:
        faces: pictures of the faces.
        log_mels: pictures of the sound.
        face_error: error of the predicted faces.
        log_mel_error: error of the predicted sound.
        face_guess_error: baseline for the faces; below 1 in a still clip where targets are frame differences.
        log_mel_guess_error: baseline for the sound; 1, except for patches without any contrast.
    """

    faces: Pictures
    log_mels: Pictures
    face_error: float
    log_mel_error: float
    face_guess_error: float
    log_mel_guess_error: float


@torch.inference_mode()
def reconstruct(
    model: PretrainingModel,
    faces: Tensor | NDArray[np.uint8],
    log_mels: Tensor | NDArray[np.float32],
    video_mask: Mask,
    audio_mask: Mask,
    *,
    frame_difference: bool,
) -> Reconstruction:
    """Mask patches of some clips and let the model rebuild them.

    Args:
        model: in evaluation mode, on the device to use.
        faces: (B, 16, 160, 160, 3) uint8.
        log_mels: (B, 1, 256, 128) float32.
        video_mask: visible (B, K) and masked (B, M) tokens of the faces.
        audio_mask: visible and masked tokens of the sound.
        frame_difference: whether the model predicts a tubelet's second frame as its difference from the first.
    """
    device = next(model.parameters()).device
    faces, log_mels = torch.as_tensor(faces, device=device), torch.as_tensor(log_mels, device=device)
    video_mask, audio_mask = ((visible.to(device), masked.to(device)) for visible, masked in (video_mask, audio_mask))
    video, audio = cut_faces(faces), cut_patches(log_mels, AUDIO_PATCH)
    predicted = model(
        normalise_patches(keep_patches(video, video_mask[0])),
        keep_patches(audio, audio_mask[0]),
        video_mask,
        audio_mask,
    )
    targets = (
        video_targets(keep_patches(video, video_mask[1]), frame_difference=frame_difference),
        audio_targets(keep_patches(audio, audio_mask[1])),
    )
    return Reconstruction(
        faces=face_pictures(faces, predicted.video, video_mask[1], frame_difference=frame_difference),
        log_mels=log_mel_pictures(log_mels, predicted.audio, audio_mask[1]),
        face_error=float(reconstruction_loss(predicted.video, targets[0])),
        log_mel_error=float(reconstruction_loss(predicted.audio, targets[1])),
        face_guess_error=float(targets[0].square().mean()),
        log_mel_guess_error=float(targets[1].square().mean()),
    )


def face_pictures(faces: Tensor, predicted: Tensor, masked: Tensor, *, frame_difference: bool) -> Pictures:
    """Put predictions in the place of masked patches, at the mean colour and contrast of the true patches.

    The inverse of ``video_targets``, up to rounding.

    Args:
        faces: (B, 16, 160, 160, 3) uint8.
        predicted: (B, M, P); P counts (frame, row, column, channel).
        masked: indices (B, M).
        frame_difference: whether the second frame of a tubelet is predicted as its difference from the first.
    """
    patches = cut_faces(faces)
    values = predicted.float()
    if frame_difference:
        first, second = values.chunk(2, dim=-1)
        values = torch.cat((first, first + second), dim=-1)
    values = values.view(*masked.shape, -1, _CHANNELS).transpose(2, 3)  # (B, M, 3, P / 3)
    true = keep_patches(patches, masked).view(*masked.shape, _CHANNELS, -1)
    levels = _denormalise(values, true).round().clamp(0, 255).to(torch.uint8).flatten(2)
    hidden = levels.new_full((1, 1, VIDEO_PATCH_VALUES), _GREY).expand_as(levels)
    return Pictures(
        *(
            _join_patches(shown, VIDEO_GRID, VIDEO_PATCH).permute(0, 2, 3, 4, 1).cpu().numpy()
            for shown in (patches, _replace(patches, masked, hidden), _replace(patches, masked, levels))
        )
    )


def log_mel_pictures(log_mels: Tensor, predicted: Tensor, masked: Tensor) -> Pictures:
    """Put predictions in the place of masked patches, at the mean level and contrast of the true patches.

    The inverse of ``audio_targets``.

    Args:
        log_mels: (B, 1, 256, 128).
        predicted: (B, M, P).
        masked: indices (B, M).
    """
    patches = cut_patches(log_mels, AUDIO_PATCH)
    levels = _denormalise(predicted.float(), keep_patches(patches, masked))
    hidden = levels.new_full((1, 1, AUDIO_PATCH_VALUES), torch.nan).expand_as(levels)
    return Pictures(
        *(
            _join_patches(shown, AUDIO_GRID, AUDIO_PATCH)[:, 0].cpu().numpy()
            for shown in (patches, _replace(patches, masked, hidden), _replace(patches, masked, levels))
        )
    )


def _denormalise(values: Tensor, true: Tensor) -> Tensor:
    """Scale predicted values (..., n) to the mean and (unbiased) deviation of the true patch (..., n).

    Without the epsilon of the targets: it only matters for patches without deviation, which become their mean here.
    """
    deviation, mean = torch.std_mean(true.float(), dim=-1, keepdim=True)
    return values * deviation + mean


def _replace(patches: Tensor, masked: Tensor, by: Tensor) -> Tensor:
    """Replace patches (B, N, P) at the indices (B, M) by (B, M, P)."""
    return patches.scatter(1, masked[..., None].expand_as(by), by)


def _join_patches(patches: Tensor, grid: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """Join patches (B, N, P) -> (B, C, ...), the inverse of ``cut_patches``."""
    rank = len(grid)
    split = patches.view(len(patches), *grid, -1, *size)  # (B, places..., C, insides...)
    order = (index for axis in range(rank) for index in (1 + axis, rank + 2 + axis))
    whole = (place * inside for place, inside in zip(grid, size, strict=True))
    return split.permute(0, rank + 1, *order).reshape(len(patches), split.shape[rank + 1], *whole)
