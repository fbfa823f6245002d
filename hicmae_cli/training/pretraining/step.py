"""One optimiser step of pre-training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from hicmae_cli.models.config import AUDIO_PATCH
from hicmae_cli.models.inputs import normalise_patches
from hicmae_cli.models.masking import cut_faces, cut_patches, keep_patches
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.training.loop import explain_not_finite
from hicmae_cli.training.optimiser import take_step
from hicmae_cli.training.pretraining.data import MaskedBatch
from hicmae_cli.training.pretraining.objectives import OBJECTIVES, ForwardPass, add_losses, compute_losses


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step, means over all processes and rounds.

    Attributes:
        total: weighted sum of the losses.
        losses: unweighted loss of every objective by its name.
        grad_norm: norm of the gradient before clipping.
    """

    total: float
    losses: dict[str, float]
    grad_norm: float


def pretrain_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    rounds: Sequence[MaskedBatch],
    settings: PretrainSettings,
    step: int,
) -> StepLosses:
    """Make one optimiser step over the batches of its accumulation rounds.

    Args:
        accelerator: the processes of the run.
        model: a ``PretrainingModel``, prepared by the accelerator.
        optimiser: prepared by the accelerator.
        rounds: batches of this process, on its device.
        settings: the recipe.
        step: counted from 0, for errors.

    Raises:
        TrainingError: a loss or the gradient is not finite; the parameters are unchanged.
    """
    model.train()
    sums = torch.zeros(1 + len(OBJECTIVES), device=accelerator.device)
    for index, batch in enumerate(rounds):
        last = index + 1 == len(rounds)
        with nullcontext() if last else accelerator.no_sync(model):
            losses = _forward(accelerator, model, batch, settings)
            total = add_losses(losses, settings)
            accelerator.backward(total / len(rounds))
        sums += torch.stack((total, *losses.values())).detach() / len(rounds)
    ids = [id_ for batch in rounds for id_ in batch.ids]
    process = accelerator.process_index if accelerator.num_processes > 1 else None
    loss, *values = (accelerator.reduce(sums, "mean") if accelerator.num_processes > 1 else sums).tolist()
    if not math.isfinite(loss):
        raise explain_not_finite(f"the loss became {loss}", step, ids, process)
    norm, made = take_step(accelerator, model, optimiser, settings.clip_grad_norm)
    if not made:
        raise explain_not_finite(f"the gradient became {norm}", step, ids, process)
    return StepLosses(loss, dict(zip(OBJECTIVES, values, strict=True)), norm)


def _forward(
    accelerator: Accelerator, model: torch.nn.Module, batch: MaskedBatch, settings: PretrainSettings
) -> dict[str, Tensor]:
    """Compute the unweighted losses of one forward pass."""
    faces = cut_faces(batch.faces)  # (B, 800, P) uint8
    log_mels = cut_patches(batch.audio, AUDIO_PATCH)  # (B, 128, P)
    rebuilt = math.ceil(settings.rebuilt_share * len(faces))
    with accelerator.autocast():
        outputs = model(
            normalise_patches(keep_patches(faces, batch.video_mask[0])),
            keep_patches(log_mels, batch.audio_mask[0]),
            batch.video_mask,
            batch.audio_mask,
            rebuilt,
        )
    forward = ForwardPass(outputs, faces, log_mels, batch.video_mask, batch.audio_mask, rebuilt, accelerator)
    return compute_losses(forward, settings)
