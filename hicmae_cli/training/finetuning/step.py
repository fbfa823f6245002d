"""One step of fine-tuning: mix the clips, drop tokens, compute the loss, step the optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from hicmae_cli.augmentation.mixing import UNMIXED, Mix, draw_mix, mix_audio, mix_targets, mix_video, soft_targets
from hicmae_cli.models.config import AUDIO_GRID, PATCH_PX
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import count_kept, cut_patches, keep_patches, spread_tokens
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.adaptation import set_training_mode
from hicmae_cli.training.finetuning.auxiliary import AuxiliaryHead
from hicmae_cli.training.finetuning.data import LabelledBatch
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.machine import seeded
from hicmae_cli.training.optimiser import take_step


class StepTerms(NamedTuple):
    """What a step came to, in all processes.

    Attributes:
        losses: the terms of the loss, means over all rounds and processes.
        grad_norm: norm of the gradient before clipping; infinite in a step that the scaler of fp16 skips.
    """

    losses: dict[str, float]
    grad_norm: float


def finetune_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    rounds: Sequence[LabelledBatch],
    settings: FinetuneSettings,
    task_loss: TaskLoss,
    *,
    auxiliary: AuxiliaryHead | None = None,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> StepTerms | None:
    """Make one optimiser step over some accumulation rounds.

    Args:
        accelerator: the devices.
        model: as the accelerator prepared it.
        optimiser: as well.
        rounds: the batches, one for each forward pass.
        settings: the recipe.
        task_loss: what to minimise.
        auxiliary: the head of a model that is an ``AuxiliaryLearner``, for batches with cues.
        rng: draws how clips are mixed, and seeds the model's stochastic depth.
        generator: draws which tokens to drop; on the accelerator's device.

    Returns:
        The terms of the loss and the norm of the gradient; None, and no step was made, if one of them is not finite.
    """
    set_training_mode(model)
    sums: dict[str, Tensor] = {}
    cue_loss = None if auxiliary is None else _CueLoss.plan(accelerator, auxiliary, rounds)
    # Stochastic depth takes no generator of its own.
    with seeded(int(rng.integers(2**63)), accelerator.device):
        for index, batch in enumerate(rounds):
            last = index + 1 == len(rounds)
            with nullcontext() if last else accelerator.no_sync(model):
                terms = _loss_terms(accelerator, model, batch, settings, task_loss, cue_loss, rng, generator)
                accelerator.backward(terms["loss"] / len(rounds))
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.detach().float() / len(rounds)
    stacked = torch.stack(list(sums.values()))
    values = (accelerator.reduce(stacked, "mean") if accelerator.num_processes > 1 else stacked).tolist()
    if not all(map(math.isfinite, values)):
        return None
    norm, made = take_step(accelerator, model, optimiser, settings.clip_grad_norm)
    return StepTerms(dict(zip(sums, values, strict=True)), norm) if made else None


class _CueLoss(NamedTuple):
    """The auxiliary term of the rounds of a step.

    Attributes:
        head: the auxiliary head.
        known: known targets of a round () on average over all rounds and processes of the step, at least 1 in all.
    """

    head: AuxiliaryHead
    known: Tensor

    @classmethod
    def plan(cls, accelerator: Accelerator, head: AuxiliaryHead, rounds: Sequence[LabelledBatch]) -> _CueLoss:
        """Count the known targets of a step, before clips are mixed."""
        known = torch.stack([(~batch.cues.isnan()).sum() for batch in rounds if batch.cues is not None]).sum().float()
        if accelerator.num_processes > 1:
            known = accelerator.reduce(known, "sum")
        return cls(head, known.clamp(min=1) / (len(rounds) * accelerator.num_processes))

    def compute(self, outputs: Tensor, cues: Tensor, mix: Mix, settings: FinetuneSettings) -> Tensor:
        """Compute the term of a round (); its mean over rounds and processes is the mean over all known targets."""
        mixed = mix_targets(cues, mix)
        if not settings.mix_audio:
            mixed = torch.cat([mixed[:, : self.head.of_faces], cues[:, self.head.of_faces :]], dim=1)
        return self.head.sum_losses(outputs, mixed) / self.known


def _loss_terms(
    accelerator: Accelerator,
    model: torch.nn.Module,
    batch: LabelledBatch,
    settings: FinetuneSettings,
    task_loss: TaskLoss,
    cue_loss: _CueLoss | None,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Terms of the loss of one forward pass, () each."""
    keep_audio = _draw_tokens(batch.audio, AUDIO_GRID, settings.drop_audio_tokens, generator)
    # A stream that the recipe withholds is not computed; see ``Classifier.features``.
    video = None if settings.modality == "audio" else to_video(batch.faces, batch.has_faces)
    audio = None if settings.modality == "video" else batch.audio
    mix = draw_mix(settings, rng) if task_loss.mixes else UNMIXED
    if video is not None and mix.share < 1:
        video = mix_video(video, mix)
    if audio is not None and mix.share < 1 and settings.mix_audio:
        audio = mix_audio(audio, mix)
    if audio is not None and keep_audio is not None:
        audio = keep_patches(cut_patches(audio, (PATCH_PX, PATCH_PX)), keep_audio)
    with accelerator.autocast():
        made = model(video, audio, batch.kept, keep_audio)
    outputs = made if cue_loss is None else made[0]
    targets = batch.targets
    if task_loss.mixes:
        targets = _mixed_probabilities(batch, mix, outputs.shape[1], settings)
    terms = task_loss.terms(outputs, targets)
    if cue_loss is None or batch.cues is None:
        return terms
    found = cue_loss.compute(made[1], batch.cues, mix, settings)
    return {**terms, "loss": terms["loss"] + settings.auxiliary_weight * found, "auxiliary": found}


def _mixed_probabilities(batch: LabelledBatch, mix: Mix, classes: int, settings: FinetuneSettings) -> Tensor:
    """Class probabilities (B, C) of mixed clips.

    If the sound is not mixed, a pair of clips without any face is not mixed at all: neither are its targets.
    """
    soft = settings.softens_targets
    own = batch.targets if soft else soft_targets(batch.targets, classes, settings.label_smoothing)
    mixed = mix_targets(own, mix)
    if settings.mix_audio:
        return mixed
    return torch.where((batch.has_faces | batch.has_faces.flip(0))[:, None], mixed, own)


def _draw_tokens(inputs: Tensor, grid: tuple[int, ...], dropped: float, generator: torch.Generator) -> Tensor | None:
    """Draw the tokens of a step to keep (B, K), or None to keep all; see ``spread_tokens``.

    Video tokens are dropped where clips are read.
    """
    count = count_kept(grid, dropped)
    if count >= math.prod(grid):
        return None
    return spread_tokens(len(inputs), grid, count, generator=generator)
