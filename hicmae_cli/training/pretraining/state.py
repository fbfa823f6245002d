"""What lies in the folder of a pre-training run, and where the run stands."""

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

from hicmae_cli.files import write_atomically
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.training.pretraining.data import Fault
from hicmae_cli.training.settings import PretrainSettings
from hicmae_cli.weights.checkpoint import save_pretrained
from hicmae_cli.weights.info import PretrainingFacts, WeightInfo
from hicmae_cli.weights.run_folder import BEST, LAST

SKIPPED = "skipped.csv"


@dataclass(frozen=True)
class StepReport:
    """One line of the log: losses are means over the clips of the step, ``loss`` the weighted sum."""

    step: int
    epoch: int
    loss: float
    video_loss: float
    audio_loss: float
    contrastive_loss: float
    learning_rate: float
    grad_norm: float
    clips_per_s: float


class RunState:
    """Where a run stands: what a checkpoint holds beside the model.

    Attributes:
        step: steps that were made.
        epoch_losses: of the steps of the epoch so far.
        best_loss: lowest mean of an epoch.
        skipped: recordings that could not be used, and why.
    """

    def __init__(self, checkpoint: Mapping[str, Any] | None = None) -> None:
        known = checkpoint or {}
        self.step: int = known.get("step", 0)
        self.epoch_losses: list[float] = known.get("epoch_losses", [])
        self.best_loss: float = known.get("best_loss", math.inf)
        self.skipped: dict[str, str] = known.get("skipped", {})

    def after(self, step: int, loss: float, faults: Sequence[Fault]) -> None:
        """A step was made."""
        self.step = step
        self.epoch_losses.append(loss)
        self.skipped.update(faults)

    def end_epoch(self) -> float:
        """Mean loss of the epoch; the next one begins."""
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
        """All that a run needs to go on."""
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
    """List the recordings that could not be used, where there are any."""
    if not skipped:
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("id", "reason"), *sorted(skipped.items())])
    with write_atomically(run / SKIPPED) as temporary:
        temporary.write_text(out.getvalue(), "utf-8", "surrogateescape")


def write_weights(run: Path, model: PretrainingModel, info: WeightInfo, epoch: int, loss: float, *, best: bool) -> None:
    """The weight of an epoch as the last and, perhaps, the best one."""
    metrics = {"pretraining": {"epoch": epoch, "loss": loss}}
    for name in (LAST, BEST) if best else (LAST,):
        save_pretrained(run / name, model, info.model_copy(update={"metrics": metrics}))


def describe_weight(settings: PretrainSettings, dataset: str, licence: str, front_end: str, source: str) -> WeightInfo:
    """Metadata of the weights of a run."""
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
        variant=settings.variant,
        dims=VARIANTS[settings.variant].to_dict(),
        labels=(),
        task="pretraining",
        dataset=dataset,
        sampling_rate=4,
        front_end=front_end,
        licence=licence,
        source=source,
        pretraining=facts,
    )
