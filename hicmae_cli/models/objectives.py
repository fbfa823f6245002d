"""Losses of pre-training (HiCMAE, sections 3.3 and 3.4).

Letters: B batch, N and M tokens, D width, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

TEMPERATURE = 0.07


def contrastive_logits(
    video_layers: Sequence[Tensor], audio_layers: Sequence[Tensor], temperature: float = TEMPERATURE
) -> Tensor:
    """Cosine similarities of every clip's faces with every clip's voice, over the temperature.

    Args:
        video_layers: L tensors (B, N, D) of visible tokens.
        audio_layers: L tensors (B, M, D).
        temperature: what cosines are divided by.

    Returns:
        (L, B, B): row a clip's video, column a clip's audio.
    """
    video, audio = (
        F.normalize(torch.stack([tokens.mean(dim=1) for tokens in layers]).float(), dim=-1)
        for layers in (video_layers, audio_layers)
    )
    return video @ audio.transpose(1, 2) / temperature


def contrastive_loss(logits: Tensor) -> Tensor:
    """Symmetric InfoNCE (L, B, B) -> (): half video to audio, half audio to video, summed over layers."""
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    forth, back = (
        F.cross_entropy(table.flatten(0, 1), own.flatten(), reduction="sum") / logits.shape[1]
        for table in (logits, logits.transpose(1, 2))
    )
    return (forth + back) / 2
