"""Losses of pre-training (HiCMAE, sections 3.3 and 3.4).

Letters: B batch, N and M tokens, D width, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

TEMPERATURE = 0.07


def reconstruction_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of two tensors (B, M, P) -> ().

    By way of each token's norm, whose gradient takes a single pass over what is, for video, a step's largest tensor.
    """
    norms: Tensor = torch.linalg.vector_norm(predicted.float() - target, dim=-1)
    return norms.square().mean() / target.shape[-1]


def embed_layers(layers: Sequence[Tensor]) -> Tensor:
    """What the contrast is taken of: L layers of visible tokens (B, N, D) -> their means (L, B, D)."""
    return torch.stack([tokens.mean(dim=1) for tokens in layers]).float()


def contrastive_logits(
    video: Tensor, audio: Tensor, temperature: float = TEMPERATURE, *, centred: bool = False
) -> Tensor:
    """Cosine similarities of every clip's faces with every clip's voice, over the temperature.

    Args:
        video: embeddings (L, B, D) of ``embed_layers``.
        audio: the same.
        temperature: what cosines are divided by.
        centred: whether what all clips of the batch share is taken out first. Ours: the tokens of a fresh transformer
            are so alike that all cosines are 1, and stay so for thousands of steps.

    Returns:
        (L, B, B): row a clip's video, column a clip's audio.
    """
    if centred:
        video, audio = (embeddings - embeddings.mean(dim=1, keepdim=True) for embeddings in (video, audio))
    return F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).transpose(1, 2) / temperature


def contrastive_loss(logits: Tensor) -> Tensor:
    """Symmetric InfoNCE (L, B, B) -> (): half video to audio, half audio to video, summed over layers."""
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    forth, back = (
        F.cross_entropy(table.flatten(0, 1), own.flatten(), reduction="sum") / logits.shape[1]
        for table in (logits, logits.transpose(1, 2))
    )
    return (forth + back) / 2
