"""Bytes of face pictures -> what the network takes (paper 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae_cli.model_input import IMAGENET_MEAN, IMAGENET_STD
from hicmae_cli.models.masking import cut_faces, keep_patches


def to_video(faces: Tensor, seen: Tensor, keep: Tensor | None = None) -> Tensor:
    """Bytes to what the model takes; zeros where no faces were seen, as at prediction.

    Args:
        faces: (B, 16, 160, 160, 3) uint8.
        seen: (B,) bool.
        keep: (B, K) indices of the tokens to look at, or None for all.

    Returns:
        (B, 3, 16, 160, 160), or the kept patches (B, K, P); cut before they become floats, which is most of the work.
    """
    if keep is None:
        # Copied into its new order once: arithmetic on a view of another order takes eight times as long on a CPU.
        levels = torch.empty((len(faces), 3, *faces.shape[1:4]), device=faces.device)
        normalised = _normalise_levels(levels.copy_(faces.permute(0, 4, 1, 2, 3)), (1, 3, 1, 1, 1))
    else:
        normalised = normalise_patches(keep_patches(cut_faces(faces), keep))
    # On a GPU, the check would force a synchronisation that costs more than multiplying.
    if seen.device.type == "cpu" and bool(seen.all()):
        return normalised
    return normalised * seen.view(-1, *(1,) * (normalised.ndim - 1))


def normalise_patches(patches: Tensor) -> Tensor:
    """Bytes of patches (B, K, P) -> what the model takes, (B, K, P)."""
    pixels = patches.to(torch.float32, copy=True).view(*patches.shape[:2], 3, -1)  # (B, K, 3, P / 3)
    return _normalise_levels(pixels, (1, 1, 3, 1)).flatten(2)


def _normalise_levels(levels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """0..255 -> ImageNet's mean 0 and deviation 1, in place; ``shape`` has the channels where ``levels`` has them."""
    mean, std = (torch.tensor(v, device=levels.device).view(shape) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return levels.mul_(1 / (255 * std)).sub_(mean / std)
