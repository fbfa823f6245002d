"""What both training loops share: the steps of a run, agreement between processes, and fatal errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from accelerate import Accelerator

from hicmae_cli.errors import TrainingError
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.training.machine import gather_objects

Fault = TypeVar("Fault")


@dataclass(frozen=True)
class Schedule:
    """Steps and epochs of a run; steps and epochs count from 0.

    Attributes:
        steps_per_epoch: optimiser steps of an epoch; clips that do not fill the last step wait for another epoch.
        epochs: epochs of the whole run.
    """

    steps_per_epoch: int
    epochs: int

    @classmethod
    def plan(cls, settings: Settings, clips: int) -> Schedule:
        """Plan a run over some training clips."""
        return cls(clips // settings.batch_size, settings.epochs)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def locate(self, step: int) -> tuple[int, int]:
        """Find the epoch of a step, and the step's place in it."""
        return divmod(step, self.steps_per_epoch)

    def rest_of_epoch(self, step: int) -> range:
        """List the steps from this one to the end of its epoch."""
        return range(step, (step // self.steps_per_epoch + 1) * self.steps_per_epoch)

    def ends_epoch(self, step: int) -> bool:
        """Whether a step is the last one of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0


def is_checkpoint_due(step: int, every: int, *, epoch_ends: bool, stopping: bool) -> bool:
    """Whether to write a checkpoint after a step (from 0): every so many steps, after each epoch, and before a stop."""
    return stopping or epoch_ends or (step + 1) % every == 0


def agree(accelerator: Accelerator, stop: bool, faults: Sequence[Fault]) -> tuple[bool, list[Fault]]:
    """Share between processes whether one must stop, and the faults that each has found."""
    shared = gather_objects(accelerator, (stop, list(faults)))
    return any(stop for stop, _ in shared), [fault for _, faults in shared for fault in faults]


def raise_together(accelerator: Accelerator, faults: Sequence[str]) -> None:
    """Stop all processes if one of them has found faults; if one stopped alone, the others would wait forever.

    Raises:
        TrainingError: names the faults of all processes.
    """
    _, found = agree(accelerator, False, faults)
    if found:
        raise TrainingError("; ".join(found))


def explain_not_finite(fault: str, step: int, ids: Sequence[str], process: int | None = None) -> TrainingError:
    """Make the error that stops a run when a number of a step is not finite.

    Args:
        fault: which number, such as ``the loss became nan``.
        step: counted from 0.
        ids: clips of the step.
        process: the process that had these clips; None for the clips of all processes.
    """
    where = "" if process is None else f" in process {process}"
    return TrainingError(
        f"{fault} in step {step + 1}; earlier checkpoints, if any, are kept. Lower base_lr or set "
        f"clip_grad_norm, in another output folder. Clips of the step{where}: {', '.join(ids)}"
    )
