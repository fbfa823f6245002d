"""What a fine-tuning run reports and keeps, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator

from hicmae_cli.metric_names import SMALLER_IS_BETTER


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    Attributes:
        step: steps made so far.
        epoch: counted from 1.
        loss: mean over the steps of the epoch.
        learning_rate: of the last of them, at the top of the network.
        clips_per_s: trained on, validation left out.
        judged_on: the clips that choose the epoch: ``validation``, or ``test``.
        scores: on those clips, where they were judged.
        metric: the one of the scores that chooses.
        best: the best of it so far.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    clips_per_s: float
    judged_on: str
    scores: dict[str, float]
    metric: str
    best: float | None

    def to_log(self) -> dict[str, Any]:
        """One line of the log: numbers by name."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": self.loss,
            "learning_rate": self.learning_rate,
            "clips_per_s": self.clips_per_s,
            self.judged_on: self.scores,
            "best": self.best,
        }


class RunState:
    """Where a run stands: what a checkpoint holds beside the models.

    Attributes:
        step: steps that were made.
        epoch_loss: sum over the steps of the epoch so far.
        best: best score of the metric that chooses; None before the first validation.
        since_best: validations since then.
    """

    def __init__(self, checkpoint: Mapping[str, Any] | None = None) -> None:
        known = checkpoint or {}
        self.step: int = known.get("step", 0)
        self.epoch_loss: float = known.get("epoch_loss", 0.0)
        self.best: float | None = known.get("best")
        self.since_best: int = known.get("since_best", 0)

    def after(self, step: int, loss: float) -> None:
        """A step was made."""
        self.step = step
        self.epoch_loss += loss

    def judge(self, score: float, metric: str) -> bool:
        """Whether an epoch's score is the best so far."""
        if self.best is None or (score < self.best if metric in SMALLER_IS_BETTER else score > self.best):
            self.best, self.since_best = score, 0
            return True
        self.since_best += 1
        return False

    def exhausted(self, patience: int | None) -> bool:
        """Whether so many validations in a row brought nothing better."""
        return patience is not None and self.since_best >= patience

    def to_checkpoint(
        self,
        model: torch.nn.Module,
        average: torch.nn.Module | None,
        optimiser: torch.optim.Optimizer,
        accelerator: Accelerator,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """All that a run needs to go on."""
        return {
            "model": model.state_dict(),
            "average": None if average is None else average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
            "step": self.step,
            "epoch_loss": self.epoch_loss,
            "best": self.best,
            "since_best": self.since_best,
            "facts": json.dumps(facts),
        }
