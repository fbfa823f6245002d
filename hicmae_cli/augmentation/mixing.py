"""Mixup and cutmix: mix the clips of a batch in pairs, and their targets with them (HiCMAE, section 4.2).

All clips of a batch are mixed the same way (timm's batch mode): the first with the last, the second with the second to
last, and so on.
Letters: B batch, T frames, H W pixels, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.recipes.settings import FinetuneSettings


@dataclass(frozen=True)
class Mix:
    """How to mix a batch.

    Attributes:
        share: of the own clip in each mixture; 1 mixes nothing.
        box: top, bottom, left, right (px) of the part of every frame that comes from the other clip (cutmix, Yun et al.
            2019); None for a weighted mean of all pixels (mixup, Zhang et al. 2018).
    """

    share: float
    box: tuple[int, int, int, int] | None = None


UNMIXED = Mix(1.0)


def draw_mix(settings: FinetuneSettings, rng: np.random.Generator) -> Mix:
    """Draw how to mix one batch.

    The share of cutmix is that of the pixels that stay. It is larger than the drawn one if the box reaches beyond the
    picture.
    """
    if not settings.mixes or rng.random() >= settings.mix_probability:
        return UNMIXED
    cut = settings.cutmix > 0 and (settings.mixup == 0 or rng.random() < settings.mix_switch)
    concentration = settings.cutmix if cut else settings.mixup
    share = float(rng.beta(concentration, concentration))
    return _cut(share, rng) if cut else Mix(share)


def _cut(share: float, rng: np.random.Generator) -> Mix:
    """Draw a box of the picture's shape around a random pixel, as large as the share asks."""
    side = int(FACE_SIZE_PX * np.sqrt(1 - share))
    edges: list[int] = []
    for middle in rng.integers(FACE_SIZE_PX, size=2):
        edges += [max(0, int(middle) - side // 2), min(FACE_SIZE_PX, int(middle) + (side + 1) // 2)]
    top, bottom, left, right = edges
    return Mix(1 - (bottom - top) * (right - left) / FACE_SIZE_PX**2, (top, bottom, left, right))


def mix_video(video: Tensor, mix: Mix) -> Tensor:
    """Mix clips (B, 3, T, H, W) -> the same shape."""
    if mix.share == 1:
        return video
    if mix.box is None:
        return _mixed(video, mix.share)
    top, bottom, left, right = mix.box
    video = video.clone()
    video[..., top:bottom, left:right] = video[..., top:bottom, left:right].flip(0)
    return video


def mix_audio(audio: Tensor, mix: Mix) -> Tensor:
    """Mix log-mels (B, 1, 256, 128) by the same shares -> the same shape.

    The authors do not mix the sound (``mix_audio`` of the recipe is off). With cutmix, too, it is a weighted mean: a
    box of the picture has no counterpart in time and frequency.
    """
    return audio if mix.share == 1 else _mixed(audio, mix.share)


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Turn labels into probabilities (B, C) to learn.

    Args:
        labels: class indices (B,), or sets of labels as zeros and ones (B, C).
        classes: C.
        smoothing: share that is spread evenly over all classes. In a set each label is a question with two answers,
            yes and no, and half of the share goes to either.
    """
    if labels.dim() == 2:
        return labels * (1 - smoothing) + smoothing / 2
    even = torch.full((len(labels), classes), smoothing / classes, device=labels.device)
    return even.scatter_add_(1, labels[:, None], torch.full_like(even[:, :1], 1 - smoothing))


def mix_targets(targets: Tensor, mix: Mix) -> Tensor:
    """Mix probabilities (B, C) of classes or labels by the same shares -> the same shape."""
    return targets if mix.share == 1 else _mixed(targets, mix.share)


def _mixed(values: Tensor, share: float) -> Tensor:
    return values * share + values.flip(0) * (1 - share)
