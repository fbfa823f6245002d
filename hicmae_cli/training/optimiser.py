"""AdamW with layer-wise learning rates, and the cosine schedule (HiCMAE, section 4.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from hicmae_cli.recipes.shared_settings import Settings


def parameter_groups(
    model: nn.Module, depths: Mapping[str, int], *, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Group parameters by depth and kind for AdamW; the schedule multiplies the ``lr_scale`` of each group.

    Args:
        model: parameters that are frozen are skipped.
        depths: depth of every parameter by its name, such as ``Classifier.list_depths``.
        layer_decay: a layer learns this many times as fast as the one above it.
        weight_decay: of all parameters but 1-D ones (biases, norms, layer weights).
    """
    top = max(depths.values())
    groups: dict[tuple[int, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer, decay = depths[name], 0.0 if parameter.ndim <= 1 else weight_decay
        group = groups.setdefault(
            (layer, decay), {"params": [], "names": [], "weight_decay": decay, "lr_scale": layer_decay ** (top - layer)}
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def decay_groups(model: nn.Module, *, weight_decay: float) -> list[dict[str, Any]]:
    """Group parameters for AdamW at one learning rate: 1-D parameters and mask tokens have no weight decay."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        (free if parameter.ndim <= 1 or name.endswith("mask_token") else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": free, "weight_decay": 0.0, "lr_scale": 1.0},
    ]


def cosine_schedule(step: int, *, base_lr: float, min_lr: float, total_steps: int, warmup_steps: int) -> float:
    """Compute the learning rate at a step: linear from 0 to ``base_lr``, then half a cosine down to ``min_lr``."""
    if step < warmup_steps:
        return base_lr * step / max(1, warmup_steps - 1)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return min_lr + 0.5 * (base_lr - min_lr) * (1 + math.cos(math.pi * progress))


def learning_rate_at(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """Compute the learning rate of a step (from 0) by the recipe."""
    return cosine_schedule(
        step,
        base_lr=settings.peak_lr,
        min_lr=settings.final_lr,
        total_steps=settings.epochs * steps_per_epoch,
        warmup_steps=round(settings.warmup_epochs * steps_per_epoch),
    )


def warmup_warning(settings: Settings) -> str | None:
    """Return a warning if training ends during warm-up, so that the learning rate only rises; None otherwise."""
    if settings.epochs > settings.warmup_epochs:
        return None
    share = settings.epochs / settings.warmup_epochs
    return (
        f"epochs {settings.epochs} with warmup_epochs {settings.warmup_epochs:g}: training ends during warm-up, at "
        f"about {share:.0%} of the peak learning rate {settings.peak_lr:.2g}; raise epochs or lower warmup_epochs"
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its ``lr_scale`` times the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_scale"]


def take_step(
    accelerator: Accelerator, model: nn.Module, optimiser: torch.optim.Optimizer, clip_grad_norm: float | None
) -> tuple[float, bool]:
    """Update the parameters with the gradients that have been accumulated.

    Gradients that are not finite make no step. With the scaler of float16 they do: it skips the step itself and tries a
    smaller scale. But if its scale is below 1 already, the scale is not the cause.

    Returns:
        The norm of the gradients before clipping, and whether the step was made.
    """
    accelerator.unscale_gradients()
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    scaled = accelerator.scaler is not None and accelerator.scaler.get_scale() >= 1
    if not (torch.isfinite(norm) or scaled):
        return norm.item(), False
    if clip_grad_norm:
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), clip_grad_norm, norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return norm.item(), True
