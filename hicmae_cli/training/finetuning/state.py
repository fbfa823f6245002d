"""What a fine-tuning run counts: its steps, the losses of the epoch, the best score; and its report of an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hicmae_cli.metric_names import SMALLER_IS_BETTER, format_metric


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    Attributes:
        step: steps done so far.
        epoch: counted from 1.
        losses: mean of every term over the steps of the epoch; ``loss`` is the minimised one.
        learning_rate: of the last step, at the top of the network.
        grad_norm: mean over the steps of the epoch of the gradient's norm before clipping; None if it is nowhere
            finite.
        clips_per_s: training speed, without the validation.
        judged_on: the clips that choose the epoch: ``validation``, or ``test``.
        scores: on those clips; empty if the epoch was not validated.
        judged_loss: the loss on those clips, without label smoothing; None if the epoch was not validated.
        metric: the one of the scores that chooses.
        best: the best value of it so far.
    """

    step: int
    epoch: int
    losses: Mapping[str, float]
    learning_rate: float
    grad_norm: float | None
    clips_per_s: float
    judged_on: str
    scores: Mapping[str, float]
    judged_loss: float | None
    metric: str
    best: float | None

    def to_log(self) -> dict[str, Any]:
        """Return one line of the log: numbers by name."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            **self.losses,
            "learning_rate": self.learning_rate,
            "grad_norm": self.grad_norm,
            "clips_per_s": self.clips_per_s,
            self.judged_on: {"loss": self.judged_loss, **self.scores} if self.scores else {},
            "best": self.best,
        }

    def __str__(self) -> str:
        """One line for a screen."""
        text = f"epoch {self.epoch:3d}  " + "  ".join(f"{name} {value:.4f}" for name, value in self.losses.items())
        text += f"  lr {self.learning_rate:.2e}  {self.clips_per_s:.1f} clips/s"
        if not self.scores:
            return text
        judged = self.judged_on if self.judged_loss is None else f"{self.judged_on} loss {self.judged_loss:.4f}"
        usual = ("uar", "war", "ccc", "mae", "exact_match")
        shown = dict.fromkeys((self.metric, *(name for name in usual if name in self.scores)))
        scores = "  ".join(f"{format_metric(name)} {self.scores[name]:.4f}" for name in shown)
        return f"{text}  {judged}  {scores}  best {self.best:.4f}"


class FinetuningState:
    """Where a run is: what a checkpoint holds beside the model and the optimiser.

    Attributes:
        step: steps done.
        loss_sums: sum of every term over the steps of the epoch so far.
        grad_norms: norm of the gradient in every step of the epoch so far.
        best: best score of the metric that chooses; None before the first validation.
        since_best: validations since then.
    """

    def __init__(self, checkpoint: Mapping[str, Any] | None = None) -> None:
        known = checkpoint or {}
        self.step: int = known.get("step", 0)
        self.loss_sums: dict[str, float] = dict(known.get("loss_sums", {}))
        self.grad_norms: list[float] = list(known.get("grad_norms", []))
        self.best: float | None = known.get("best")
        self.since_best: int = known.get("since_best", 0)

    def add_step(self, losses: Mapping[str, float], grad_norm: float) -> None:
        """Count a step, its losses and the norm of its gradient."""
        self.step += 1
        self.grad_norms.append(grad_norm)
        for name, value in losses.items():
            self.loss_sums[name] = self.loss_sums.get(name, 0.0) + value

    def mean_losses(self, steps: int) -> dict[str, float]:
        """Return the mean of every term over so many steps of the epoch."""
        return {name: total / steps for name, total in self.loss_sums.items()}

    def mean_grad_norm(self) -> float | None:
        """Return the mean of the finite norms of the epoch so far; None if there are none."""
        finite = [norm for norm in self.grad_norms if math.isfinite(norm)]
        return sum(finite) / len(finite) if finite else None

    def end_epoch(self) -> None:
        """Begin the next epoch."""
        self.loss_sums, self.grad_norms = {}, []

    def judge(self, score: float, metric: str) -> bool:
        """Return whether a score is the best so far, and remember it."""
        if self.best is None or (score < self.best if metric in SMALLER_IS_BETTER else score > self.best):
            self.best, self.since_best = score, 0
            return True
        self.since_best += 1
        return False

    def exhausts(self, patience: int | None) -> bool:
        """Return whether so many validations in a row brought nothing better."""
        return patience is not None and self.since_best >= patience

    def to_dict(self) -> dict[str, Any]:
        """Return its part of a checkpoint."""
        return {
            "step": self.step,
            "loss_sums": dict(self.loss_sums),
            "grad_norms": list(self.grad_norms),
            "best": self.best,
            "since_best": self.since_best,
        }
