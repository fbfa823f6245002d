"""The files and the state of a pre-training run."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from hicmae_cli.files import write_text_atomically
from hicmae_cli.models.config import find_variant
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.records.facts import RunFacts
from hicmae_cli.records.seen import SeenData
from hicmae_cli.training.pretraining.data import Fault
from hicmae_cli.weights.checkpoint import save_pretrained
from hicmae_cli.weights.info import PretrainingFacts, WeightInfo
from hicmae_cli.weights.run_folder import BEST, LAST

SKIPPED = "skipped.csv"
_SAMPLING_RATE = 4
"""Every 4th frame at 25 frames/s: the 0.16 s between the frames of a clip. Pre-training samples by time, at any frame
rate, but a weight's metadata give the step in frames."""


@dataclass(frozen=True)
class StepReport:
    """Numbers of one step, for the log and the screen.

    Attributes:
        step: steps made so far.
        epoch: counted from 1.
        loss: weighted sum of the losses, mean over the clips of the step.
        losses: unweighted loss of every objective by its name.
        learning_rate: learning rate of the step.
        grad_norm: norm of the gradient before clipping.
        clips_per_s: training speed, reading included.
    """

    step: int
    epoch: int
    loss: float
    losses: Mapping[str, float]
    learning_rate: float
    grad_norm: float
    clips_per_s: float

    def to_log(self) -> dict[str, float]:
        """One line of the log: numbers by name, the loss of an objective as ``<name>_loss``."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": self.loss,
            **{f"{name}_loss": value for name, value in self.losses.items()},
            "learning_rate": self.learning_rate,
            "grad_norm": self.grad_norm,
            "clips_per_s": self.clips_per_s,
        }


class PretrainingState:
    """Progress of a run: everything that a checkpoint holds besides the model.

    Attributes:
        step: steps made so far.
        epoch_losses: loss of every step of the current epoch.
        best_loss: lowest mean loss of an epoch.
        skipped: reason by id of the recordings that cannot be used.
    """

    def __init__(self, checkpoint: Mapping[str, Any] | None = None) -> None:
        known = checkpoint or {}
        self.step: int = known.get("step", 0)
        self.epoch_losses: list[float] = known.get("epoch_losses", [])
        self.best_loss: float = known.get("best_loss", math.inf)
        self.skipped: dict[str, str] = known.get("skipped", {})

    def add_step(self, step: int, loss: float, faults: Sequence[Fault]) -> None:
        """Record a step."""
        self.step = step
        self.epoch_losses.append(loss)
        self.skipped.update(faults)

    def end_epoch(self) -> float:
        """Begin the next epoch, and return the mean loss of this one."""
        mean = sum(self.epoch_losses) / len(self.epoch_losses)
        self.epoch_losses = []
        self.best_loss = min(self.best_loss, mean)
        return mean

    def to_checkpoint(
        self,
        model: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        accelerator: Accelerator,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Collect everything that a run needs to resume."""
        return {
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "scaler": accelerator.scaler.state_dict() if accelerator.scaler is not None else None,
            "step": self.step,
            "epoch_losses": self.epoch_losses,
            "best_loss": self.best_loss,
            "skipped": self.skipped,
            "facts": json.dumps(facts),
        }


def write_skipped(run: Path, skipped: Mapping[str, str]) -> None:
    """Write a list of the recordings that cannot be used, if there are any."""
    if not skipped:
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("id", "reason"), *sorted(skipped.items())])
    write_text_atomically(run / SKIPPED, out.getvalue())


def write_weights(run: Path, model: PretrainingModel, info: WeightInfo, epoch: int, loss: float, *, best: bool) -> None:
    """Write the weight of an epoch as the last one and, if it is, as the best one."""
    metrics = {"pretraining": {"epoch": epoch, "loss": loss}}
    for name in (LAST, BEST) if best else (LAST,):
        save_pretrained(run / name, model, info.with_metrics(metrics))


def make_weight_info(
    settings: PretrainSettings,
    dataset: str,
    licence: str,
    front_end: str,
    source: str,
    *,
    fold: str = "",
    run: RunFacts | None = None,
    seen: tuple[SeenData, ...] = (),
) -> WeightInfo:
    """Collect the metadata of the weights of a run."""
    decoder = settings.decoder
    facts = PretrainingFacts(
        decoder_width=decoder.width,
        decoder_heads=decoder.heads,
        skip_layers=decoder.skip_layers,
        skips=settings.skip_connections,
        frame_difference=settings.frame_difference,
        video_mask=settings.video_mask,
        audio_mask=settings.audio_mask,
        video_mask_ratio=settings.video_mask_ratio,
        audio_mask_ratio=settings.audio_mask_ratio,
        contrast_layers=settings.contrasted,
        contrast_centred=settings.contrast_centred,
        contrast_segments=settings.contrast_segments,
    )
    return WeightInfo(
        variant=find_variant(settings.dims),
        dims=settings.dims.to_dict(),
        labels=(),
        task="pretraining",
        dataset=dataset,
        sampling_rate=_SAMPLING_RATE,
        front_end=front_end,
        licence=licence,
        source=source,
        fold=fold,
        pretraining=facts,
        run=run,
        seen=seen,
    )
