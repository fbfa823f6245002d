"""What a fine-tuning run minimises: a loss of the table, with the weights of the classes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from hicmae_cli.errors import SettingsError
from hicmae_cli.models.losses import LOSSES, Loss, class_weights, resolve_loss
from hicmae_cli.training.finetuning.task import Task


@dataclass(frozen=True)
class TaskLoss:
    """A loss and what it needs beside outputs and targets.

    Attributes:
        loss: a row of ``LOSSES``.
        weights: how much each class counts (C,), or None for all the same.
    """

    loss: Loss
    weights: Tensor | None = None

    @property
    def mixes(self) -> bool:
        """Whether targets are class probabilities, so that clips can be mixed and labels smoothed."""
        return self.loss.mixes

    def to(self, device: torch.device) -> TaskLoss:
        """Return the same loss on a device."""
        return self if self.weights is None else replace(self, weights=self.weights.to(device))

    def terms(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the terms of the loss; see ``Loss.terms``."""
        return self.loss.terms(outputs, targets, self.weights)


def build_task_loss(
    task: Task,
    clips: Sequence[Hashable],
    *,
    loss: str = "auto",
    weighting: Literal["none", "balanced"] = "none",
    draws: Sequence[float] | None = None,
) -> TaskLoss:
    """Build what a recipe minimises.

    Args:
        task: what the model learns.
        clips: labels of the training clips.
        loss: the recipe's ``loss``.
        weighting: the recipe's ``class_weights``.
        draws: how often an epoch takes each clip on average; None for once.

    Raises:
        SettingsError: a loss of another task, or weights for a loss that has no classes to weigh.
        ManifestError: a class to weigh without clips.
    """
    name = resolve_loss(loss, task.kind)
    chosen = LOSSES[name]
    if chosen.weighs:
        return TaskLoss(chosen, class_weights(clips, task.labels, weighting, draws))
    if weighting != "none":
        raise SettingsError(f"class_weights={weighting!r}: the loss {name} weighs no classes; use class_weights='none'")
    return TaskLoss(chosen)
