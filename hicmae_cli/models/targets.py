"""What masked tokens are to be rebuilt as (HiCMAE, section 3.3).

Letters: B batch, M masked tokens, P values of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae_cli.models.config import PATCH_PX, TUBELET_FRAMES
from hicmae_cli.models.masking import cut_patches, keep_patches

_EPSILON = 1e-6


def video_targets(pixels: Tensor, masked: Tensor, *, frame_difference: bool = True) -> Tensor:
    """Targets of masked video tokens.

    Args:
        pixels: (B, 3, 16, 160, 160) in 0..1, not normalised.
        masked: (B, M) indices of the masked tokens; no other patch is looked at.
        frame_difference: whether the second frame of a tubelet is given as its difference from the first.

    Returns:
        (B, M, P) normalised per patch and channel; P counts (frame, row, column, channel).
    """
    patches = keep_patches(cut_patches(pixels, (TUBELET_FRAMES, PATCH_PX, PATCH_PX)), masked)
    values = _normalised(patches.view(*masked.shape, pixels.shape[1], -1))  # (B, M, 3, 2 * 16 * 16)
    if frame_difference:
        first, second = values.chunk(TUBELET_FRAMES, dim=3)
        values = torch.cat((first, second - first), dim=3)
    return values.transpose(2, 3).flatten(2)


def audio_targets(mel: Tensor, masked: Tensor) -> Tensor:
    """Targets of masked audio tokens: (B, 1, 256, 128) and (B, M) -> (B, M, P), normalised per patch."""
    return _normalised(keep_patches(cut_patches(mel, (PATCH_PX, PATCH_PX)), masked))


def _normalised(values: Tensor) -> Tensor:
    """Mean 0 and (unbiased) deviation 1 along the last axis."""
    deviation, mean = torch.std_mean(values, dim=-1, keepdim=True)
    return (values - mean) / (deviation + _EPSILON)
