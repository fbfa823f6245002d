"""Losses of fine-tuning by name, and the weights of classes. Letters: B batch, C classes, D targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hicmae_cli.errors import ManifestError, SettingsError

Loss = Callable[[Tensor, Tensor], Tensor]

_NEGLIGIBLE = 1e-8
"""Added to variances that are divided by; those of targets worth learning are many times as large."""


def resolve_loss(name: str, *, regression: bool) -> str:
    """The loss that a recipe's ``loss`` means for a task: ``auto`` is cross entropy, or the mean squared error.

    Raises:
        SettingsError: a loss of the other task.
    """
    if name == "auto":
        return "mse" if regression else "cross_entropy"
    if (name in REGRESSION_LOSSES) != regression:
        usable = ", ".join(REGRESSION_LOSSES) if regression else "cross_entropy"
        task = "numbers, not classes" if regression else "classes, not numbers"
        raise SettingsError(f"loss {name}: this dataset's labels are {task}; use auto or {usable}")
    return name


def cross_entropy(logits: Tensor, targets: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of clips, each class counted by its weight.

    Divided by the number of clips, not by the sum of their weights: so it is the same however a batch is split over
    accumulation rounds and processes.

    Args:
        logits: (B, C).
        targets: class numbers (B,), or probabilities (B, C), which carry their smoothing already.
        weights: of the classes (C,), as of ``class_weights``.
        smoothing: share of class numbers that is spread evenly over all classes.

    Returns:
        ().
    """
    smoothing = 0.0 if targets.ndim == 2 else smoothing
    losses = F.cross_entropy(logits.float(), targets, weight=weights, label_smoothing=smoothing, reduction="none")
    return losses.mean()


def ccc_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - concordance correlation (Lin 1989), biased moments over the batch, mean over targets: (B, D) twice -> ().

    1 where outputs or targets do not vary, as for a single clip: nothing is learned from those.
    """
    variance, target_variance, covariance, distance = _moments(outputs, targets)
    concordance = 2 * covariance / (variance + target_variance + distance.square() + _NEGLIGIBLE)
    return 1 - concordance.mean()


def pcc_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - Pearson's correlation over the batch, mean over targets: (B, D) twice -> (); else as ``ccc_loss``."""
    variance, target_variance, covariance, _ = _moments(outputs, targets)
    spread = ((variance + _NEGLIGIBLE) * (target_variance + _NEGLIGIBLE)).sqrt()
    return 1 - (covariance / spread).mean()


def _moments(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Biased variances, covariance and distance of the means over the batch, (D,) each."""
    outputs, targets = outputs.float(), targets.float()
    mean, target_mean = outputs.mean(dim=0), targets.mean(dim=0)
    centred, target_centred = outputs - mean, targets - target_mean
    return (
        centred.square().mean(dim=0),
        target_centred.square().mean(dim=0),
        (centred * target_centred).mean(dim=0),
        mean - target_mean,
    )


REGRESSION_LOSSES: dict[str, Loss] = {
    "mse": lambda outputs, targets: F.mse_loss(outputs.float(), targets.float()),
    "l1": lambda outputs, targets: F.l1_loss(outputs.float(), targets.float()),
    "smooth_l1": lambda outputs, targets: F.smooth_l1_loss(outputs.float(), targets.float()),
    "ccc": ccc_loss,
    "pcc": pcc_loss,
}
"""Losses of outputs (B, D) and targets (B, D) -> (). ``ccc`` and ``pcc`` look at the batch as a whole: what they see is
the part of it that one process takes at a time."""


def class_weights(clips: Sequence[str], labels: Sequence[str], how: Literal["none", "balanced"]) -> Tensor | None:
    """Weights of the classes (C,) whose mean over the training clips is 1, or None for ``none``.

    ``balanced`` makes every class count as much as every other: n / (C x clips of the class).

    Args:
        clips: labels of the training clips.
        labels: names of the classes, in the order of the outputs.
        how: ``class_weights`` of the recipe.

    Raises:
        ManifestError: a class without clips.
    """
    if how == "none":
        return None
    counts = Counter(clips)
    absent = [label for label in labels if not counts[label]]
    if absent:
        raise ManifestError(
            f"class_weights balanced: no training clips of {', '.join(absent)}; add some, leave the label out, or set "
            "class_weights=none"
        )
    return torch.tensor([len(clips) / (len(labels) * counts[label]) for label in labels])
