"""AdamW with layer-wise learning rates, and the cosine schedule (HiCMAE, section 4.2)."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from hicmae_cli.models.config import ModelDims
from hicmae_cli.training.settings import Settings


def layer_index(name: str, dims: ModelDims) -> int:
    """Depth of a parameter: 0 patch embedding, 1..L encoders, then the fusion layers, then everything else."""
    if ".patches." in name:
        return 0
    match = re.match(r"(\w+)_encoder\.(?:\w+_)?blocks\.(\d+)\.", name)
    if match is None:
        return dims.depth + dims.fusion_depth + 1
    below = dims.depth if match[1] == "fusion" else 0
    return below + int(match[2]) + 1


def parameter_groups(
    model: nn.Module, dims: ModelDims, *, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """AdamW groups by depth and kind; each carries an ``lr_scale`` for the schedule to multiply.

    A layer learns ``layer_decay`` times as fast as the one above it; 1-D parameters (biases, norms, layer
    weights) are not decayed.
    """
    top = dims.depth + dims.fusion_depth + 1
    groups: dict[tuple[int, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        layer, decay = layer_index(name, dims), 0.0 if parameter.ndim <= 1 else weight_decay
        group = groups.setdefault(
            (layer, decay), {"params": [], "names": [], "weight_decay": decay, "lr_scale": layer_decay ** (top - layer)}
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def decay_groups(model: nn.Module, *, weight_decay: float) -> list[dict[str, Any]]:
    """Two AdamW groups that learn at one rate: 1-D parameters and mask tokens are not decayed, the others are."""
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
    """Learning rate at a step: straight from 0 to ``base_lr``, then half a cosine down to ``min_lr``."""
    if step < warmup_steps:
        return base_lr * step / max(1, warmup_steps - 1)
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return min_lr + 0.5 * (base_lr - min_lr) * (1 + math.cos(math.pi * progress))


def rate_of(settings: Settings, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step of a run by its recipe."""
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
    """Give every group its share of the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_scale"]


def take_step(
    accelerator: Accelerator, model: nn.Module, optimiser: torch.optim.Optimizer, clip_grad_norm: float | None
) -> tuple[float, bool]:
    """Make a step with the gradients that were gathered -> their norm before clipping, and whether it was made.

    It is not made where they are not finite. A scaler of float16 then skips its step itself, which counts as made, and
    tries a smaller scale; below 1 it is not the scale that is at fault.
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
