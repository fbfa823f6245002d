"""Losses of fine-tuning, in one table, and weights of the classes. Letters: B batch, C classes, D targets.

To add a loss, write its function here, add a row to ``LOSSES``, and set ``loss`` in a recipe to its name. Functions
import torch when they are called, so that a recipe can be checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.tasks import Kind

if TYPE_CHECKING:
    from torch import Tensor

AUTO: Final = "auto"
"""Value of a recipe's ``loss`` that means the default of the task."""

_LABELS: Final[Mapping[Kind, str]] = {
    "classification": "classes, not numbers",
    "multilabel": "sets of labels",
    "regression": "numbers, not classes",
}
_NEGLIGIBLE = 1e-8
"""Added to variances before a division; the variance of any target worth learning is much larger."""
_FORWARD_WEIGHT, _REVERSE_WEIGHT, _LEAST_TARGET = 0.1, 1.0, 1e-4
"""Of symmetric cross entropy: alpha and beta of its paper for ten classes, and its authors' substitute for 0."""
_BOOTSTRAP = 0.95
"""Share of the label in a soft bootstrapped target (Reed et al. 2015)."""


@dataclass(frozen=True)
class Loss:
    """A row of the table.

    Attributes:
        function: (outputs, targets) -> the loss (), or a dict of terms (): the one to minimise under ``loss``, the
            others for the log. Outputs are logits (B, C), or the values of a regression (B, D), in any float type.
        task: the task it is for.
        mixes: whether targets are probabilities of classes or labels (B, C), which mixup, cutmix and label smoothing
            need. Without it, targets are class indices (B,), or the values of a regression (B, D), and none of the
            three is applied.
        weighs: whether the function takes ``weights`` of the classes, (C,) or None.
    """

    function: Callable[..., Tensor | Mapping[str, Tensor]]
    task: Kind
    mixes: bool = False
    weighs: bool = False

    def terms(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Return the terms of the loss, () each; ``loss`` is the one to minimise.

        Args:
            outputs: logits (B, C), or values (B, D).
            targets: as ``mixes`` says.
            weights: of the classes (C,); ignored if the loss does not weigh them.
        """
        found = self.function(outputs, targets, **({"weights": weights} if self.weighs else {}))
        return dict(found) if isinstance(found, Mapping) else {"loss": found}


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy over clips, each class counted by its weight.

    The sum is divided by the number of clips, not by the sum of their weights. So the result is the same however a
    batch is split over accumulation rounds and processes.

    Args:
        logits: (B, C).
        targets: class indices (B,), or probabilities (B, C), which may be smoothed.
        weights: of the classes (C,), as from ``class_weights``.

    Returns:
        ().
    """
    from torch.nn import functional

    return functional.cross_entropy(logits.float(), targets, weight=weights, reduction="none").mean()


def symmetric_cross_entropy(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return 0.1 x cross entropy + reverse cross entropy, which wrong labels mislead less (Wang et al. 2019, eq. 7).

    The reverse cross entropy swaps the roles of output and target. Its gradient fades where the model is sure that a
    label is wrong. The logarithm of a target below 1e-4 counts as that of 1e-4.

    Args:
        logits: (B, C).
        targets: class indices (B,), or probabilities (B, C), which may be smoothed.

    Returns:
        The loss, and both of its parts without their weights, () each.
    """
    log_found, wanted = _log_probabilities(logits, targets)
    forward = -(wanted * log_found).sum(dim=1).mean()
    reverse = -(log_found.exp() * wanted.clamp(min=_LEAST_TARGET).log()).sum(dim=1).mean()
    loss = _FORWARD_WEIGHT * forward + _REVERSE_WEIGHT * reverse
    return {"loss": loss, "cross_entropy": forward, "reverse_cross_entropy": reverse}


def bootstrapped_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross entropy with 0.95 x target + 0.05 x the model's own probabilities (Reed et al. 2015, eq. 6).

    The gradient flows through both, so the model is rewarded for being sure, even where the label disagrees.

    Args:
        logits: (B, C).
        targets: class indices (B,), or probabilities (B, C), which may be smoothed.

    Returns:
        ().
    """
    log_found, wanted = _log_probabilities(logits, targets)
    mixed = _BOOTSTRAP * wanted + (1 - _BOOTSTRAP) * log_found.exp()
    return -(mixed * log_found).sum(dim=1).mean()


def _log_probabilities(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of the model's probabilities, and the targets as probabilities, (B, C) each."""
    from torch.nn import functional

    found = logits.float().log_softmax(dim=1)
    return found, functional.one_hot(targets, found.shape[1]).float() if targets.dim() == 1 else targets.float()


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross entropy over clips and labels: each label is a question of its own.

    Args:
        logits: (B, C).
        targets: probabilities of the labels (B, C), each 0 to 1; those of a clip need not sum to one.

    Returns:
        ().
    """
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(logits.float(), targets.float())


def ccc_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - concordance correlation (Lin 1989), biased moments over the batch, mean over targets: (B, D) twice -> ().

    It is 1, without a gradient worth following, where outputs or targets do not vary, as in a batch of one clip.
    """
    variance, target_variance, covariance, distance = _moments(outputs, targets)
    concordance = 2 * covariance / (variance + target_variance + distance.square() + _NEGLIGIBLE)
    return 1 - concordance.mean()


def pcc_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - Pearson correlation over the batch, mean over targets: (B, D) twice -> (); otherwise as ``ccc_loss``."""
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


def mse_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error: (B, D) twice -> ()."""
    from torch.nn import functional

    return functional.mse_loss(outputs.float(), targets.float())


def l1_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error: (B, D) twice -> ()."""
    from torch.nn import functional

    return functional.l1_loss(outputs.float(), targets.float())


def smooth_l1_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error halved below 1, absolute error less 0.5 above (Girshick 2015): (B, D) twice -> ()."""
    from torch.nn import functional

    return functional.smooth_l1_loss(outputs.float(), targets.float())


LOSSES: Final[Mapping[str, Loss]] = {
    "cross_entropy": Loss(cross_entropy, "classification", mixes=True, weighs=True),
    "symmetric_cross_entropy": Loss(symmetric_cross_entropy, "classification", mixes=True),
    "bootstrapped_cross_entropy": Loss(bootstrapped_cross_entropy, "classification", mixes=True),
    "binary_cross_entropy": Loss(binary_cross_entropy, "multilabel", mixes=True),
    "mse": Loss(mse_loss, "regression"),
    "l1": Loss(l1_loss, "regression"),
    "smooth_l1": Loss(smooth_l1_loss, "regression"),
    "ccc": Loss(ccc_loss, "regression"),
    "pcc": Loss(pcc_loss, "regression"),
}
"""Name in a recipe -> loss. ``ccc`` and ``pcc`` are taken over the clips that one process sees in one forward pass."""

DEFAULT_LOSS: Final[Mapping[Kind, str]] = {
    "classification": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "mse",
}
"""Task -> the loss that ``auto`` means."""


def resolve_loss(name: str, task: Kind) -> str:
    """Return the loss that a recipe's ``loss`` means for a task.

    Raises:
        SettingsError: a loss for another task.
    """
    if name == AUTO:
        return DEFAULT_LOSS[task]
    if LOSSES[name].task != task:
        usable = ", ".join(known for known, loss in LOSSES.items() if loss.task == task)
        raise SettingsError(f"loss={name!r}: the labels are {_LABELS[task]}; use {AUTO} or {usable}")
    return name


def class_weights(
    clips: Sequence[Hashable],
    labels: Sequence[str],
    how: Literal["none", "balanced"],
    draws: Sequence[float] | None = None,
) -> Tensor | None:
    """Return weights of the classes (C,) with a mean of 1 over the clips of an epoch, or None for ``none``.

    With ``balanced`` every class counts the same: its weight is n / (C x clips of the class).

    Args:
        clips: labels of the training clips.
        labels: names of the classes, in the order of the outputs.
        how: ``class_weights`` of the recipe.
        draws: how often an epoch takes each clip on average; None for once.

    Raises:
        ManifestError: a class without clips.
    """
    import torch

    if how == "none":
        return None
    times = [1.0] * len(clips) if draws is None else draws
    counts: dict[Hashable, float] = {}
    for label, count in zip(clips, times, strict=True):
        counts[label] = counts.get(label, 0.0) + count
    absent = [label for label in labels if not counts.get(label)]
    if absent:
        raise ManifestError(
            f"class_weights='balanced': no training clips of {', '.join(absent)}; add some, remove the label, or use "
            "class_weights='none'"
        )
    return torch.tensor([sum(times) / (len(labels) * counts[label]) for label in labels])
