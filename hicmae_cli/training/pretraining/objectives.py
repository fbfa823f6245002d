"""The losses of pre-training as one table: log, plot, screen and checkpoint follow its names.

A new objective is a function of a forward pass and the recipe with an entry in ``OBJECTIVES``; its weight is a setting.
Letters: B batch, K visible and M masked tokens, P values of a patch, L layers, D width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from hicmae_cli.errors import SettingsError
from hicmae_cli.models.config import AUDIO_TOKENS, VIDEO_TOKENS
from hicmae_cli.models.masking import Mask, keep_patches
from hicmae_cli.models.objectives import (
    contrastive_logits,
    contrastive_loss,
    cycle_loss,
    draw_prototypes,
    embed_layers,
    reconstruction_loss,
    swapped_prediction_loss,
)
from hicmae_cli.models.pretraining import Pretrained
from hicmae_cli.models.targets import audio_targets, video_targets
from hicmae_cli.recipes.settings import PretrainSettings


@dataclass(frozen=True)
class ForwardPass:
    """Inputs and outputs of one forward pass, from which objectives compute their losses.

    Attributes:
        outputs: outputs of the model.
        faces: all patches of the faces (B, 800, P) uint8.
        log_mels: all patches of the log-mels (B, 128, P).
        video_mask: visible (B, K) and masked (B, M) tokens of the faces.
        audio_mask: visible and masked tokens of the log-mels.
        rebuilt: number of clips, from the first on, whose masked tokens the model has predicted.
        accelerator: the processes of the run.
    """

    outputs: Pretrained
    faces: Tensor
    log_mels: Tensor
    video_mask: Mask
    audio_mask: Mask
    rebuilt: int
    accelerator: Accelerator


@dataclass(frozen=True)
class Objective:
    """One term of the loss.

    Attributes:
        compute: forward pass and recipe -> unweighted loss ().
        weigh: recipe -> weight in the sum; with weight 0 the loss is not computed, and logged as 0.
        check: recipe and number of processes; raises ``SettingsError`` where the objective cannot work.
    """

    compute: Callable[[ForwardPass, PretrainSettings], Tensor]
    weigh: Callable[[PretrainSettings], float]
    check: Callable[[PretrainSettings, int], None] = lambda *_: None


def compute_video_loss(forward: ForwardPass, settings: PretrainSettings) -> Tensor:
    """Compute the error of the predicted face patches (HiCMAE, section 3.3)."""
    masked = keep_patches(forward.faces[: forward.rebuilt], forward.video_mask[1][: forward.rebuilt])
    return reconstruction_loss(forward.outputs.video, video_targets(masked, frame_difference=settings.frame_difference))


def compute_audio_loss(forward: ForwardPass, settings: PretrainSettings) -> Tensor:
    """Compute the error of the predicted log-mel patches (HiCMAE, section 3.3)."""
    masked = keep_patches(forward.log_mels[: forward.rebuilt], forward.audio_mask[1][: forward.rebuilt])
    return reconstruction_loss(forward.outputs.audio, audio_targets(masked))


def compute_contrast_loss(forward: ForwardPass, settings: PretrainSettings) -> Tensor:
    """Compute the loss that aligns faces and voices of the batch: the contrast of HiCMAE, section 3.4, or another."""
    layers, segments = forward.outputs, settings.contrast_segments
    video = embed_layers(layers.video_layers, segments, forward.video_mask[0], VIDEO_TOKENS)
    audio = embed_layers(layers.audio_layers, segments, forward.audio_mask[0], AUDIO_TOKENS)
    if settings.negatives == "all":
        video, audio = (_gather_clips(own, forward.accelerator) for own in (video, audio))
    temperature, centred = settings.temperature, settings.contrast_centred
    if settings.contrast_loss == "cycle":
        return cycle_loss(video, audio, temperature, centred=centred)
    if settings.contrast_loss == "clusters":
        prototypes = draw_prototypes(settings.clusters, video.shape[-1]).to(video.device)
        return swapped_prediction_loss(video, audio, prototypes, temperature, centred=centred)
    return contrastive_loss(contrastive_logits(video, audio, temperature, centred=centred))


def _gather_clips(own: Tensor, accelerator: Accelerator) -> Tensor:
    """Gather embeddings (L, B, D) of all processes -> (L, processes * B, D).

    Gradients reach the own clips only. They are multiplied by the number of processes, because training averages
    gradients over processes, while every process computes the loss of all clips.
    """
    processes = accelerator.num_processes
    if processes == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(processes)]
    dist.all_gather(parts, own.detach().contiguous())
    scaled = own.view_as(own)
    scaled.register_hook(lambda gradient: gradient * processes)  # type: ignore[no-untyped-call]
    parts[accelerator.process_index] = scaled
    return torch.cat(parts, dim=1)


def _check_contrast(settings: PretrainSettings, processes: int) -> None:
    at_once = settings.batch_size // (processes * settings.accumulation)
    if at_once * (processes if settings.negatives == "all" else 1) < 2:
        raise SettingsError(
            "the contrastive loss needs at least two clips per process: raise batch_size, set negatives to all, or set "
            "contrast_weight to 0"
        )


OBJECTIVES: Final[dict[str, Objective]] = {
    "video": Objective(compute_video_loss, weigh=lambda settings: 1.0),
    "audio": Objective(compute_audio_loss, weigh=lambda settings: 1.0),
    "contrastive": Objective(
        compute_contrast_loss,
        weigh=lambda settings: settings.contrast_weight if settings.contrasted else 0.0,
        check=_check_contrast,
    ),
}
"""Name -> objective, in the order in which losses are added up and shown."""


def objective_weights(settings: PretrainSettings) -> dict[str, float]:
    """List the weights of the objectives that a recipe uses."""
    weights = {name: objective.weigh(settings) for name, objective in OBJECTIVES.items()}
    return {name: weight for name, weight in weights.items() if weight}


def check_objectives(settings: PretrainSettings, processes: int) -> None:
    """Check that the objectives of a recipe can work.

    Raises:
        SettingsError: one of them cannot; says what to change.
    """
    for name in objective_weights(settings):
        OBJECTIVES[name].check(settings, processes)


def compute_losses(forward: ForwardPass, settings: PretrainSettings) -> dict[str, Tensor]:
    """Compute the unweighted loss () of every objective; 0 for those that the recipe does not use."""
    used = objective_weights(settings)
    return {
        name: objective.compute(forward, settings) if name in used else torch.zeros((), device=forward.faces.device)
        for name, objective in OBJECTIVES.items()
    }


def add_losses(losses: Mapping[str, Tensor], settings: PretrainSettings) -> Tensor:
    """Add up the losses by their weights -> ()."""
    first, *others = (weight * losses[name] for name, weight in objective_weights(settings).items())
    return sum(others, first)
