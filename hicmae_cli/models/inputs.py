"""Normalise 8-bit faces for the network (paper 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae_cli.model_input import IMAGENET_MEAN, IMAGENET_STD
from hicmae_cli.models.masking import cut_kept_faces


def to_video(faces: Tensor, has_faces: Tensor, keep: Tensor | None = None) -> Tensor:
    """Normalise faces; a clip without faces becomes zeros, as at prediction.

    Args:
        faces: (B, 16, 160, 160, 3) uint8, or kept patches of them (B, K, P) uint8.
        has_faces: (B,) bool, whether a clip has faces.
        keep: indices (B, K) of the tokens to keep of whole faces, or None for all.

    Returns:
        (B, 3, 16, 160, 160), or only the kept patches (B, K, P).
    """
    if faces.ndim == 3:
        normalised = normalise_patches(faces)
    elif keep is None:
        # Copy into the new order once: arithmetic on a permuted view takes eight times as long on a CPU.
        levels = torch.empty((len(faces), 3, *faces.shape[1:4]), device=faces.device)
        normalised = _normalise_levels(levels.copy_(faces.permute(0, 4, 1, 2, 3)), (1, 3, 1, 1, 1))
    else:
        normalised = normalise_patches(cut_kept_faces(faces, keep))
    # On a GPU, the check would force a synchronisation that costs more than multiplying.
    if has_faces.device.type == "cpu" and bool(has_faces.all()):
        return normalised
    return normalised * has_faces.view(-1, *(1,) * (normalised.ndim - 1))


def normalise_patches(patches: Tensor) -> Tensor:
    """Normalise patches (B, K, P) uint8 -> (B, K, P) float32."""
    pixels = patches.to(torch.float32, copy=True).view(*patches.shape[:2], 3, -1)  # (B, K, 3, P / 3)
    return _normalise_levels(pixels, (1, 1, 3, 1)).flatten(2)


def _normalise_levels(levels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Scale levels 0..255 in place to ImageNet's mean 0 and deviation 1; ``shape`` broadcasts over the channels."""
    mean, std = (torch.tensor(v, device=levels.device).view(shape) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return levels.mul_(1 / (255 * std)).sub_(mean / std)
