"""Losses of pre-training (HiCMAE, sections 3.3 and 3.4).

Letters: B batch, N and M tokens, D width, L layers, S segments of time, K clusters.
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
    video, audio = _to_units(video, audio, centred=centred)
    return video @ audio.transpose(1, 2) / temperature


def contrastive_loss(logits: Tensor) -> Tensor:
    """Compute the symmetric InfoNCE (L, B, B) -> (): mean of video to audio and audio to video, sum over layers."""
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    forth, back = (
        F.cross_entropy(table.flatten(0, 1), own.flatten(), reduction="sum") / logits.shape[1]
        for table in (logits, logits.transpose(1, 2))
    )
    return (forth + back) / 2


def cycle_loss(video: Tensor, audio: Tensor, temperature: float = TEMPERATURE, *, centred: bool = False) -> Tensor:
    """Compute the cycle consistency of two streams -> (), sum over layers.

    A face finds its voice as a soft nearest neighbour, and that voice must find the same face back; and the other way
    round (Dwibedi et al. 2019, "Temporal Cycle-Consistency Learning", between clips in place of frames). It never uses
    which face and voice belong together.

    Args:
        video: embeddings (L, B, S * D) of ``embed_layers``.
        audio: embeddings of the same shape.
        temperature: divisor of the cosines, in both directions.
        centred: as for ``contrastive_logits``.
    """
    video, audio = _to_units(video, audio, centred=centred)
    own = torch.arange(video.shape[1], device=video.device).expand(len(video), -1).flatten()
    losses = []
    for start, other in ((video, audio), (audio, video)):
        neighbour = (start @ other.transpose(1, 2) / temperature).softmax(dim=-1) @ other  # (L, B, S * D)
        back = F.normalize(neighbour, dim=-1) @ start.transpose(1, 2) / temperature
        losses.append(F.cross_entropy(back.flatten(0, 1), own, reduction="sum") / video.shape[1])
    return (losses[0] + losses[1]) / 2


def swapped_prediction_loss(
    video: Tensor,
    audio: Tensor,
    prototypes: Tensor,
    temperature: float = TEMPERATURE,
    *,
    centred: bool = False,
    sharpness: float = 0.05,
) -> Tensor:
    """Compute the loss of deep clustering -> (), sum over layers.

    Each stream predicts the cluster of the other one (Caron et al. 2020, SwAV). Clusters are assigned in equal shares
    by ``assign_equally``. Ours: the prototypes are fixed directions and not learned, so that the objective adds no
    parameters to a weight.

    Args:
        video: embeddings (L, B, S * D) of ``embed_layers``.
        audio: embeddings of the same shape.
        prototypes: unit vectors (K, S * D).
        temperature: divisor of the predicted cosines.
        centred: as for ``contrastive_logits``.
        sharpness: divisor of the cosines that are assigned.
    """
    scores = [stream @ prototypes.T for stream in _to_units(video, audio, centred=centred)]  # (L, B, K)
    targets = [assign_equally(score.detach() / sharpness) for score in scores]
    guesses = [(score / temperature).log_softmax(dim=-1) for score in scores]
    losses = [-(targets[1 - side] * guesses[side]).sum(dim=-1).mean(dim=-1).sum() for side in (0, 1)]
    return (losses[0] + losses[1]) / 2


def assign_equally(scores: Tensor, rounds: int = 3) -> Tensor:
    """Assign clips to clusters so that every cluster gets the same share of the batch (Cuturi 2013, Sinkhorn-Knopp).

    Args:
        scores: (L, B, K).
        rounds: of scaling columns and rows.

    Returns:
        Shares (L, B, K) of each clip, which sum to 1 over K; over B they sum to about B / K.
    """
    logs = scores
    for _ in range(rounds):
        logs = logs - logs.logsumexp(dim=1, keepdim=True)
        logs = logs - logs.logsumexp(dim=2, keepdim=True)
    return logs.exp()


def draw_prototypes(clusters: int, width: int) -> Tensor:
    """Draw fixed unit vectors (K, width), always the same ones."""
    return F.normalize(torch.randn(clusters, width, generator=torch.Generator().manual_seed(clusters)), dim=-1)


def _to_units(video: Tensor, audio: Tensor, *, centred: bool) -> tuple[Tensor, Tensor]:
    if centred:
        video, audio = (embeddings - embeddings.mean(dim=1, keepdim=True) for embeddings in (video, audio))
    return F.normalize(video, dim=-1), F.normalize(audio, dim=-1)
