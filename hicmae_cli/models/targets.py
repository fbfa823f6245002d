"""Targets of the masked tokens (HiCMAE, section 3.3).

Letters: B batch, M masked tokens, P values of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-6
_CHANNELS = 3


@torch.no_grad()
def video_targets(patches: Tensor, *, frame_difference: bool = True) -> Tensor:
    """Compute the targets of masked video tokens.

    Args:
        patches: masked patches (B, M, P) of ``cut_patches``, from frames that are not normalised: float in 0..1, or
            uint8.
        frame_difference: whether the target of a tubelet's second frame is its difference from the first.

    Returns:
        (B, M, P) float, normalised per patch and channel; P counts (frame, row, column, channel).
    """
    # Bytes stay in 0..255, which saves a pass over the values; only the epsilon depends on the scale.
    epsilon = _EPSILON * (255 if patches.dtype == torch.uint8 else 1)
    values = patches.float().view(*patches.shape[:2], _CHANNELS, -1)  # (B, M, 3, P / 3)
    targets = values.new_empty(*patches.shape[:2], values.shape[-1], _CHANNELS)
    _normalise(values, epsilon, targets.transpose(2, 3))
    targets = targets.flatten(2)
    if frame_difference:
        first, second = targets.chunk(2, dim=-1)
        second -= first
    return targets


@torch.no_grad()
def audio_targets(patches: Tensor) -> Tensor:
    """Compute the targets of masked audio tokens: patches of the log-mel (B, M, P), normalised per patch."""
    return _normalise(patches, _EPSILON, torch.empty_like(patches))


def _normalise(values: Tensor, epsilon: float, out: Tensor) -> Tensor:
    """Normalise the last axis to mean 0 and (unbiased) deviation 1, written into ``out``."""
    centred = values - values.mean(dim=-1, keepdim=True)
    squares = torch.linalg.vecdot(centred, centred)[..., None]
    deviation = (squares / (values.shape[-1] - 1)).sqrt()
    return torch.mul(centred, 1 / (deviation + epsilon), out=out)
