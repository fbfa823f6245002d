"""One step of fine-tuning: what is looked at, what it should have said, and the step towards that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from hicmae_cli.errors import SettingsError
from hicmae_cli.models.config import AUDIO_GRID, PATCH_PX, VIDEO_GRID
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import cut_patches, keep_patches, spread_tokens
from hicmae_cli.training.finetuning.data import Batch
from hicmae_cli.training.finetuning.losses import REGRESSION_LOSSES, class_weights, cross_entropy, resolve_loss
from hicmae_cli.training.finetuning.mixing import Mix, draw_mix, mix_audio, mix_targets, mix_video, soft_targets
from hicmae_cli.training.optimiser import take_step
from hicmae_cli.training.settings import FinetuneSettings


class Learning(NamedTuple):
    """What a step minimises.

    Attributes:
        loss: name of the loss.
        weights: how much each class counts (C,), or None for all alike.
    """

    loss: str
    weights: Tensor | None

    def to(self, device: torch.device) -> Learning:
        """The same on a device."""
        return self if self.weights is None else self._replace(weights=self.weights.to(device))


def learning_of(
    clips: Sequence[str], labels: Sequence[str], settings: FinetuneSettings, *, regression: bool
) -> Learning:
    """What a recipe minimises on training clips of some labels.

    Raises:
        SettingsError: a loss or weights of the other task.
        ManifestError: a class to be weighed without clips.
    """
    loss = resolve_loss(settings.loss, regression=regression)
    if loss != "cross_entropy":
        if settings.class_weights != "none":
            raise SettingsError("class_weights: a regression has no classes to weigh; set it to none")
        return Learning(loss, None)
    return Learning(loss, class_weights(clips, labels, settings.class_weights))


def train_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    rounds: Sequence[Batch],
    settings: FinetuneSettings,
    learn: Learning,
) -> float:
    """One optimiser step over some rounds -> the loss, mean over all processes.

    Where that or a gradient is not finite, no step is made, and nan is returned.
    """
    model.train()
    rng = np.random.default_rng(torch.initial_seed())
    generator = torch.Generator(accelerator.device).manual_seed(int(rng.integers(2**63)))
    total = torch.zeros((), device=accelerator.device)
    for index, batch in enumerate(rounds):
        last = index + 1 == len(rounds)
        with nullcontext() if last else accelerator.no_sync(model):
            loss = _loss(accelerator, model, batch, settings, learn, rng, generator)
            accelerator.backward(loss / len(rounds))
        total += loss.detach() / len(rounds)
    value = (accelerator.reduce(total, "mean") if accelerator.num_processes > 1 else total).item()
    if not math.isfinite(value):
        return math.nan
    _, made = take_step(accelerator, model, optimiser, settings.clip_grad_norm)
    return float(value) if made else math.nan


def _loss(
    accelerator: Accelerator,
    model: torch.nn.Module,
    batch: Batch,
    settings: FinetuneSettings,
    learn: Learning,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """Loss of one forward pass."""
    keep_video = _kept_tokens(batch.faces, VIDEO_GRID, settings.drop_video_tokens, generator)
    keep_audio = _kept_tokens(batch.audio, AUDIO_GRID, settings.drop_audio_tokens, generator)
    video, audio, targets = to_video(batch.faces, batch.seen, keep_video), batch.audio, batch.targets
    classes = learn.loss == "cross_entropy"
    mixture = draw_mix(settings, rng) if classes else Mix(1.0)
    if mixture.share < 1:
        video = mix_video(video, mixture)
        audio = mix_audio(audio, mixture) if settings.mix_audio else audio
    if keep_audio is not None:
        audio = keep_patches(cut_patches(audio, (PATCH_PX, PATCH_PX)), keep_audio)
    with accelerator.autocast():
        outputs = model(video, audio, keep_video, keep_audio)
    if not classes:
        return REGRESSION_LOSSES[learn.loss](outputs, targets)
    own = soft_targets(targets, outputs.shape[1], settings.label_smoothing)
    targets = mix_targets(own, mixture)
    if not settings.mix_audio:  # where no face is seen in either clip of a pair, nothing of the other one is there
        targets = torch.where((batch.seen | batch.seen.flip(0))[:, None], targets, own)
    return cross_entropy(outputs, targets, weights=learn.weights)


def _kept_tokens(inputs: Tensor, grid: tuple[int, ...], dropped: float, generator: torch.Generator) -> Tensor | None:
    """Random tokens to look at in a step (B, K), or None for all of them; see ``spread_tokens``.

    Leaving a share of the tokens out (PatchDropout, Liu et al. 2022) buys many more clips for the same time.
    """
    count = math.ceil(math.prod(grid) * (1 - dropped))
    if count >= math.prod(grid):
        return None
    return spread_tokens(len(inputs), grid, count, generator=generator)
