"""Initialise a model from some training clips, so that a small corpus can train it.

Mean-pooled tokens of an untrained transformer hardly differ between clips: their common part hides the differences, and
the model learns nothing for thousands of steps. Therefore patches are whitened, which gives shapes as much weight as
brightness, and the features before the head are standardised. Data-dependent initialisation: Krähenbühl et al. 2016,
Mishkin & Matas 2016.
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
"""About the deviation of the features of an untrained nano with whitened patches."""


@dataclass(frozen=True)
class TokenSample:
    """Some tokens of a batch of clips, the arguments of ``Classifier.features``.

    Attributes:
        video: patches (B, K, P) at ``keep_video`` (B, K); None if the stream is withheld.
        audio: patches (B, M, Q) at ``keep_audio`` (B, M); None likewise.
    """

    video: Tensor | None
    audio: Tensor | None
    keep_video: Tensor
    keep_audio: Tensor


@torch.no_grad()
def fit_start(
    model: Classifier, samples: Sequence[TokenSample], generator: torch.Generator, *, pretrained: bool = False
) -> None:
    """Whiten the patches of a new classifier and standardise its features, over some tokens of training clips.

    Args:
        model: the classifier.
        samples: tokens of the clips.
        generator: source of the random numbers.
        pretrained: keep the patches, which the encoders have learned to read, and standardise the features only up to
            the scale of an untrained model: features that hardly differ between clips would become noise.
    """
    if not pretrained:
        video, audio = [sample.video for sample in samples], [sample.audio for sample in samples]
        for encoder, patches in ((model.video_encoder, video), (model.audio_encoder, audio)):
            if found := [each for each in patches if each is not None]:
                whiten_patches(encoder, torch.cat(found), generator)
    features = [model.features(sample.video, sample.audio, sample.keep_video, sample.keep_audio) for sample in samples]
    least = _PRETRAINED_DEVIATION if pretrained else _LEAST_DEVIATION
    standardise(model.feature_norm, torch.cat(features), least)


@torch.no_grad()
def whiten_patches(encoder: Encoder, patches: Tensor, generator: torch.Generator) -> None:
    """Embed patches by their D / 2 principal components, each scaled to deviation 1, mixed at random.

    The other half of the D dimensions is left to the positions.

    Args:
        encoder: its patch embedding is overwritten, unless there are no patches to learn from.
        patches: (..., P); patches that are all zero do not count.
        generator: source of the random numbers.
    """
    flat = patches.flatten(0, -2).double()
    flat = flat[flat.any(dim=1)]  # a dropped stream is all zeros
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
    """Exclude the patch embeddings from training."""
    for encoder in encoders:
        encoder.patches.requires_grad_(False)


@torch.no_grad()
def standardise(norm: nn.LayerNorm, outputs: Tensor, least: float = _LEAST_DEVIATION) -> None:
    """Set scale and shift of a norm so that its outputs get mean 0 and deviation 1.

    Args:
        norm: the norm.
        outputs: its present outputs (B, D).
        least: smaller deviations are scaled as if they were this large.
    """
    deviation = outputs.std(dim=0).clamp(min=least)
    norm.bias.copy_((norm.bias - outputs.mean(dim=0)) / deviation)
    norm.weight.div_(deviation)
