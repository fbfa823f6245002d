"""The result of a pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.training.pretraining.state import SKIPPED


@dataclass(frozen=True)
class PretrainingOutcome:
    """How a run ended.

    Attributes:
        run: folder of the run.
        weight: weight of the last epoch; None if no epoch is finished.
        step: steps made so far.
        total_steps: steps of the whole run.
        skipped: reason by id of the recordings that cannot be used.
    """

    run: Path
    weight: Path | None
    step: int
    total_steps: int
    skipped: Mapping[str, str]

    @property
    def finished(self) -> bool:
        """Whether all steps are made."""
        return self.step == self.total_steps

    def __str__(self) -> str:
        if self.finished:
            lines = [f"pre-trained for {self.step} steps, weight {self.weight}"]
        else:
            lines = [f"stopped after step {self.step} of {self.total_steps} in {self.run}; start again to resume"]
        if self.skipped:
            lines.append(f"{len(self.skipped)} broken recordings were skipped, listed in {self.run / SKIPPED}")
        return "\n".join(lines)
