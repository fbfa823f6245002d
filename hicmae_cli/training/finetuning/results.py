"""What fine-tuning returns: how each run ended, what it scored, and both over all folds and seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.metric_names import format_metric

_SHOWN = ("uar", "war", "ccc", "mae")


@dataclass(frozen=True)
class FinetuningOutcome:
    """How a run ended.

    Attributes:
        weight: the chosen weight; None as long as there is none.
        step: steps done.
        total_steps: steps of the whole run.
        early: whether early stopping ended it.
        stopped: whether a signal (Ctrl-C) stopped it.
    """

    weight: Path | None
    step: int
    total_steps: int
    early: bool = False
    stopped: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.early or self.step == self.total_steps


@dataclass(frozen=True)
class FoldResult:
    """One run: a model trained on all clips but those of a fold, and tested on these.

    Attributes:
        fold: the test fold; empty for a dataset without folds.
        seed: of the run.
        folder: of the run.
        outcome: how the training ended.
        evaluation: the scores on the test clips; None if the training was stopped, if there are no test clips, and in
            every process but the main one.
    """

    fold: str
    seed: int
    folder: Path
    outcome: FinetuningOutcome
    evaluation: Evaluation | None = None

    @property
    def weight(self) -> Path | None:
        """The chosen weight; None as long as there is none."""
        return self.outcome.weight

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.outcome.finished and not self.outcome.stopped

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: where it is, how it ended, what it scored."""
        return {
            "fold": self.fold,
            "seed": self.seed,
            "folder": str(self.folder),
            "weight": str(self.weight) if self.weight else None,
            "step": self.outcome.step,
            "total_steps": self.outcome.total_steps,
            "finished": self.finished,
            "early": self.outcome.early,
            "stopped": self.outcome.stopped,
            "metrics": self.evaluation.metrics if self.evaluation else None,
        }


@dataclass(frozen=True)
class SeedResult:
    """All folds of a task with one seed.

    Attributes:
        seed: of all its runs.
        folds: the runs, in order; those after a stopped one are missing.
        document: the content of ``result.json`` for all folds; None as long as there are no scores.
        report: the tables for a reader, a file ``result.md``; None as well.
    """

    seed: int
    folds: tuple[FoldResult, ...]
    document: dict[str, Any] | None = None
    report: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train; after a stopped run there is."""
        return all(run.finished for run in self.folds)

    @property
    def evaluation(self) -> Evaluation | FoldsEvaluation | None:
        """The scores of the only run, or of several folds; None without any."""
        return combine_folds(self.folds)

    @property
    def pooled(self) -> Evaluation | None:
        """All decisions as if they were of one test set, as the paper computes a total; None without any."""
        found = self.evaluation
        return found.pooled if found else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: every run, and the metrics over all of them."""
        return {
            "seed": self.seed,
            "finished": self.finished,
            "report": str(self.report) if self.report else None,
            "folds": [run.to_dict() for run in self.folds],
            "metrics": self.pooled.metrics if self.pooled else None,
        }


def combine_folds(runs: Sequence[FoldResult]) -> Evaluation | FoldsEvaluation | None:
    """Return the scores of the only run, or those of several folds together; None without any."""
    found = {run.fold: run.evaluation for run in runs if run.evaluation is not None}
    if len(found) > 1:
        return FoldsEvaluation(found)
    return next(iter(found.values()), None)


@dataclass(frozen=True)
class FinetuningResult:
    """Result of ``finetune_folds``; prints and dumps itself.

    Attributes:
        dataset: its name in the weights.
        seeds: the results of every seed, in order.
    """

    dataset: str
    seeds: tuple[SeedResult, ...]

    @property
    def runs(self) -> tuple[FoldResult, ...]:
        """Every run of every seed."""
        return tuple(run for seed in self.seeds for run in seed.folds)

    @property
    def weights(self) -> tuple[Path, ...]:
        """The chosen weights, in order of the runs."""
        return tuple(run.weight for run in self.runs if run.weight is not None)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return all(run.finished for run in self.runs)

    @property
    def stopped(self) -> bool:
        """Whether a signal (Ctrl-C) stopped a run; the same call resumes it."""
        return any(run.outcome.stopped for run in self.runs)

    @property
    def pooled(self) -> Evaluation | None:
        """All decisions of the first seed as if they were of one test set; ``seeds`` has those of the others."""
        return self.seeds[0].pooled

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the finished seeds of every pooled metric; empty without scores."""
        return {name: statistics.mean(values) for name, values in self._columns().items()}

    @property
    def sd(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) over the finished seeds of every pooled metric; None for a single seed."""
        columns = self._columns()
        if not columns or len(next(iter(columns.values()))) < 2:
            return None
        return {name: statistics.stdev(values) for name, values in columns.items()}

    def _columns(self) -> dict[str, list[float]]:
        rows = [seed.pooled.metrics for seed in self.seeds if seed.finished and seed.pooled]
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: every seed with its runs, and mean and spread over the seeds."""
        return {
            "dataset": self.dataset,
            "finished": self.finished,
            "stopped": self.stopped,
            "seeds": [seed.to_dict() for seed in self.seeds],
            "mean": self.mean,
            "sd": self.sd,
        }

    def __str__(self) -> str:
        """A line for every seed and one for their mean."""
        count = len(self.weights)
        finished = "" if self.finished else ", not finished"
        lines = [f"{self.dataset}: {count} weight{'' if count == 1 else 's'}{finished}"]
        for seed in self.seeds:
            scores = _format_scores(seed.pooled.metrics) if seed.pooled else "no scores"
            lines.append(f"seed {seed.seed}: {scores}" + (f" ({seed.report})" if seed.report else ""))
        if (sd := self.sd) is not None:
            lines.append(f"mean: {_format_scores(self.mean)}, sd {_format_scores(sd)}")
        return "\n".join(lines)


def _format_scores(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{format_metric(name)} {metrics[name]:.4f}" for name in _SHOWN if name in metrics)
