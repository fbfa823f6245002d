"""Mixup and cutmix: clips of a batch are mixed in pairs, and what they show with them (HiCMAE, section 4.2).

All clips of a batch are mixed alike (timm's batch mode): the first with the last, the second with the last but one.
Letters: B batch, T frames, H W pixels, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.training.settings import FinetuneSettings


@dataclass(frozen=True)
class Mix:
    """How a batch is mixed.

    Attributes:
        share: of its own clip in each mixture; 1 leaves the batch as it is.
        box: top, bottom, left, right (px) of what comes from the other clip in every frame (cutmix, Yun et al. 2019);
            None where every pixel is a weighted mean (mixup, Zhang et al. 2018).
    """

    share: float
    box: tuple[int, int, int, int] | None = None


def draw_mix(settings: FinetuneSettings, rng: np.random.Generator) -> Mix:
    """How to mix one batch.

    The share of cutmix is that of the pixels that stay, which is more than what was drawn where the box reaches beyond
    the picture.
    """
    if not settings.mixes or rng.random() >= settings.mix_probability:
        return Mix(1.0)
    cut = settings.cutmix > 0 and (settings.mixup == 0 or rng.random() < settings.mix_switch)
    concentration = settings.cutmix if cut else settings.mixup
    share = float(rng.beta(concentration, concentration))
    return _cut(share, rng) if cut else Mix(share)


def _cut(share: float, rng: np.random.Generator) -> Mix:
    """A box of the picture's shape that would leave the share, around a random pixel."""
    side = int(FACE_SIZE_PX * np.sqrt(1 - share))
    edges: list[int] = []
    for middle in rng.integers(FACE_SIZE_PX, size=2):
        edges += [max(0, int(middle) - side // 2), min(FACE_SIZE_PX, int(middle) + (side + 1) // 2)]
    top, bottom, left, right = edges
    return Mix(1 - (bottom - top) * (right - left) / FACE_SIZE_PX**2, (top, bottom, left, right))


def mix_video(video: Tensor, mix: Mix) -> Tensor:
    """Clips (B, 3, T, H, W) on any device -> mixtures, the same shape."""
    if mix.share == 1:
        return video
    if mix.box is None:
        return _mixed(video, mix.share)
    top, bottom, left, right = mix.box
    video = video.clone()
    video[..., top:bottom, left:right] = video[..., top:bottom, left:right].flip(0)
    return video


def mix_audio(audio: Tensor, mix: Mix) -> Tensor:
    """Log-mels (B, 1, 256, 128) -> mixtures by the same shares.

    The authors leave the sound as it is (``mix_audio`` of the recipe is off). Both kinds mix it linearly: a box of the
    picture has no counterpart in time and frequency, and both sounds stay audible in the shares of the faces.
    """
    return audio if mix.share == 1 else _mixed(audio, mix.share)


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Class numbers (B,) -> probabilities (B, C): ``smoothing`` is spread evenly over all classes."""
    even = torch.full((len(labels), classes), smoothing / classes, device=labels.device)
    return even.scatter_add_(1, labels[:, None], torch.full_like(even[:, :1], 1 - smoothing))


def mix_targets(targets: Tensor, mix: Mix) -> Tensor:
    """Probabilities (B, C) -> those of the mixtures."""
    return targets if mix.share == 1 else _mixed(targets, mix.share)


def _mixed(values: Tensor, share: float) -> Tensor:
    return values * share + values.flip(0) * (1 - share)
