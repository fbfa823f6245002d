"""Losses of pre-training (HiCMAE, sections 3.3 and 3.4).

Letters: B batch, N and M tokens, D width, L layers, S segments of time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hicmae_cli.models.config import TEMPERATURE


def reconstruction_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean squared error of two tensors (B, M, P) -> ().

    Through each token's norm: its gradient takes a single pass over the predictions, the largest tensor of a step.
    """
    norms: Tensor = torch.linalg.vector_norm(predicted.float() - target, dim=-1)
    return norms.square().mean() / target.shape[-1]


def embed_layers(
    layers: Sequence[Tensor], segments: int = 1, visible: Tensor | None = None, num_tokens: int | None = None
) -> Tensor:
    """Pool L layers of tokens (B, N, D) into embeddings (L, B, S * D) for the contrastive loss.

    Args:
        layers: outputs of an encoder, (B, N, D) each.
        segments: S. Ours: with more than the paper's one, the clip is split into S equal parts in time, the tokens of
            each part are averaged separately, and the means are concatenated. Cosines then compare both streams at the
            same moment, for example whether lips move. A part without visible tokens gets the mean of all tokens.
        visible: flat indices (B, N) of the tokens, time first; None where all tokens are visible.
        num_tokens: tokens of the whole input; needed with ``visible``.
    """
    if segments == 1:
        return torch.stack([tokens.mean(dim=1) for tokens in layers]).float()
    if visible is None:
        num_tokens = layers[0].shape[1]
        visible = torch.arange(num_tokens, device=layers[0].device).expand(len(layers[0]), -1)
    assert num_tokens is not None
    part = F.one_hot(visible * segments // num_tokens, segments).float()  # (B, N, S)
    part = torch.where(part.any(dim=1, keepdim=True), part, 1.0)
    weights = (part / part.sum(dim=1, keepdim=True)).transpose(1, 2)
    return torch.stack([(weights @ tokens.float()).flatten(1) for tokens in layers])


def contrastive_logits(
    video: Tensor, audio: Tensor, temperature: float = TEMPERATURE, *, centred: bool = False
) -> Tensor:
    """Compare every clip's faces with every clip's voice: cosine similarities over the temperature.

    Args:
        video: embeddings (L, B, S * D) of ``embed_layers``.
        audio: embeddings of the same shape.
        temperature: divisor of the cosines.
        centred: subtract the mean of the batch first. Ours: tokens of an untrained transformer are so alike that all
            cosines are near 1, and remain so for thousands of steps.

    Returns:
        (L, B, B): one row per clip's video, one column per clip's audio.
    """
    if centred:
        video, audio = (embeddings - embeddings.mean(dim=1, keepdim=True) for embeddings in (video, audio))
    return F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).transpose(1, 2) / temperature


def contrastive_loss(logits: Tensor) -> Tensor:
    """Compute the symmetric InfoNCE (L, B, B) -> (): mean of video to audio and audio to video, sum over layers."""
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    forth, back = (
        F.cross_entropy(table.flatten(0, 1), own.flatten(), reduction="sum") / logits.shape[1]
        for table in (logits, logits.transpose(1, 2))
    )
    return (forth + back) / 2
