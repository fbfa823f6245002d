"""A start from nothing that a small corpus can move: fitted to some training clips before the first step.

Mean-pooled tokens of a fresh transformer hardly differ from clip to clip: what they all share drowns what is said, and
nothing is learned for thousands of steps. So patches are whitened, that shapes weigh as much as brightness, and
the features that reach the head are standardised. Data-dependent starts: Krähenbühl et al. 2016, Mishkin & Matas 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.encoders import Encoder

_LEAST_DEVIATION = 1e-3
_PRETRAINED_DEVIATION = 0.3
"""That of the features of a fresh nano with whitened patches, about."""


@dataclass(frozen=True)
class Look:
    """Some tokens of a batch of clips, as ``Classifier.features`` takes them.

    Attributes:
        video: patches (B, K, P) at ``keep_video`` (B, K).
        audio: patches (B, M, Q) at ``keep_audio`` (B, M).
    """

    video: Tensor
    audio: Tensor
    keep_video: Tensor
    keep_audio: Tensor


@torch.no_grad()
def fit_start(
    model: Classifier, looks: Sequence[Look], generator: torch.Generator, *, pretrained: bool = False
) -> None:
    """Whiten the patches of a fresh classifier and standardise its features, over some looks at training clips.

    Of ``pretrained`` encoders only the features are, and only up to the scale that fresh ones need: their patches go
    with what they learned, and what hardly differs between clips would drown the first steps in its noise.
    """
    if not pretrained:
        whiten_patches(model.video_encoder, torch.cat([look.video for look in looks]), generator)
        whiten_patches(model.audio_encoder, torch.cat([look.audio for look in looks]), generator)
    features = [model.features(look.video, look.audio, look.keep_video, look.keep_audio) for look in looks]
    least = _PRETRAINED_DEVIATION if pretrained else _LEAST_DEVIATION
    standardise(model.feature_norm, torch.cat(features), least)


@torch.no_grad()
def whiten_patches(encoder: Encoder, patches: Tensor, generator: torch.Generator) -> None:
    """Embed patches (..., P) by their D / 2 principal components, each scaled to deviation 1, mixed at random.

    Half of the D channels' dimensions are left to the positions. Patches that are all zero do not count; without any
    others the encoder stays as it is.
    """
    flat = patches.flatten(0, -2).double()
    flat = flat[flat.any(dim=1)]  # a withheld stream is zeros
    if len(flat) < 2:
        return  # no clip has this stream
    mean = flat.mean(dim=0)
    variances, components = torch.linalg.eigh(torch.cov(flat.T))  # rising
    width = encoder.patches.weight.shape[0]
    count = min(width // 2, len(mean))
    whiten = components[:, -count:] / variances[-count:].clamp(min=1e-6 * float(variances[-1])).sqrt()
    mix, _ = torch.linalg.qr(torch.randn(width, count, generator=generator, dtype=torch.float64))
    weight = mix @ whiten.T  # (D, P)
    encoder.patches.weight.copy_(weight.view_as(encoder.patches.weight))
    assert encoder.patches.bias is not None
    encoder.patches.bias.copy_(-weight @ mean)


def freeze_patches(*encoders: Encoder) -> None:
    """Keep the patch filters as they are."""
    for encoder in encoders:
        encoder.patches.requires_grad_(False)


@torch.no_grad()
def standardise(norm: nn.LayerNorm, outputs: Tensor, least: float = _LEAST_DEVIATION) -> None:
    """Set scale and shift of a norm so that its outputs, as they were (B, D), get mean 0 and deviation 1.

    What deviates by less than ``least`` is scaled as if that were its deviation.
    """
    deviation = outputs.std(dim=0).clamp(min=least)
    norm.bias.copy_((norm.bias - outputs.mean(dim=0)) / deviation)
    norm.weight.div_(deviation)
