"""What fine-tuning returns: how each run ended, what it scored, and both over all folds and seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.metric_names import format_metric

SCHEMA = "hicmae.finetune/1"
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

    def __str__(self) -> str:
        """Its scores in one line."""
        name = f"fold {self.fold}: " if self.fold else ""
        if self.evaluation is None:
            return f"{name}no scores"
        return f"{name}{_format_scores(self.evaluation.metrics)} ({self.evaluation.clips} test clips)"

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
    """All folds of a task with one seed, and one draw of the folds.

    Attributes:
        seed: of all its runs.
        folds: the runs, in order; those after a stopped one are missing.
        document: the content of ``result.json`` for all folds; None as long as there are no scores.
        report: the tables for a reader, a file ``result.md``; None as well.
        repetition: which draw of the folds, from 1; None where there is only one.
    """

    seed: int
    folds: tuple[FoldResult, ...]
    document: dict[str, Any] | None = None
    report: Path | None = None
    repetition: int | None = None

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
            "repetition": self.repetition,
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
        seeds: the results of every seed and repetition, in order.
        protocol: how the clips were divided into folds, such as ``kfold:5``; ``official`` if the list decides.
        split_seed: of the recipe.
        label_share: of the recipe.
    """

    dataset: str
    seeds: tuple[SeedResult, ...]
    protocol: str = "official"
    split_seed: int = 0
    label_share: float = 1.0

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
        """Mean over the finished seeds and repetitions of every pooled metric; empty without scores."""
        return _average([row for _, row in self._pooled()])

    @property
    def sd(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) over the seeds of every pooled metric; None for a single seed.

        With repetitions, the mean over a seed's repetitions is that seed's value.
        """
        return self._spread(lambda result: result.seed)

    @property
    def sd_over_repetitions(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) over the draws of the folds; None for a single draw.

        With several seeds, the mean over the seeds of a draw is its value.
        """
        return self._spread(lambda result: result.repetition)

    @property
    def mean_over_folds(self) -> dict[str, float]:
        """Mean over all folds, seeds and repetitions of every metric; empty unless there are several folds."""
        return _average([found.mean for found in self._over_folds()])

    @property
    def sd_over_folds(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) over the folds, averaged over seeds and repetitions; None for a single fold."""
        return _average([found.sd for found in self._over_folds() if found.sd is not None]) or None

    @property
    def warnings(self) -> list[str]:
        """What a reader of the scores must know, such as that they are optimistic; once each."""
        documents = [seed.document for seed in self.seeds if seed.document is not None]
        return list(dict.fromkeys(warning for document in documents for warning in document["warnings"]))

    def _pooled(self) -> list[tuple[SeedResult, dict[str, float]]]:
        return [(result, result.pooled.metrics) for result in self.seeds if result.finished and result.pooled]

    def _over_folds(self) -> list[FoldsEvaluation]:
        found = [result.evaluation for result in self.seeds if result.finished]
        return [each for each in found if isinstance(each, FoldsEvaluation)]

    def _spread(self, key: Callable[[SeedResult], int | None]) -> dict[str, float] | None:
        groups: dict[int | None, list[dict[str, float]]] = {}
        for result, row in self._pooled():
            groups.setdefault(key(result), []).append(row)
        means = [_average(rows) for rows in groups.values()]
        return {name: statistics.stdev(row[name] for row in means) for name in means[0]} if len(means) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: every seed with its runs, and means and spreads over seeds, repetitions and folds."""
        return {
            "schema": SCHEMA,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "split_seed": self.split_seed,
            "label_share": self.label_share,
            "finished": self.finished,
            "stopped": self.stopped,
            "warnings": self.warnings,
            "seeds": [seed.to_dict() for seed in self.seeds],
            "mean": self.mean,
            "sd": self.sd,
            "sd_over_repetitions": self.sd_over_repetitions,
            "mean_over_folds": self.mean_over_folds,
            "sd_over_folds": self.sd_over_folds,
        }

    def __str__(self) -> str:
        """A line for every seed and one for their mean."""
        count = len(self.weights)
        finished = "" if self.finished else ", not finished"
        lines = [f"{self.dataset}: {count} weight{'' if count == 1 else 's'}{finished}"]
        for seed in self.seeds:
            scores = _format_scores(seed.pooled.metrics) if seed.pooled else "no scores"
            name = f"seed {seed.seed}" + (f", repetition {seed.repetition}" if seed.repetition else "")
            lines.append(f"{name}: {scores}" + (f" ({seed.report})" if seed.report else ""))
        if len(self._pooled()) > 1:
            spreads = {"seeds": self.sd, "repetitions": self.sd_over_repetitions}
            words = [f"sd over {name} {_format_scores(sd)}" for name, sd in spreads.items() if sd is not None]
            lines.append(", ".join([f"mean over runs: {_format_scores(self.mean)}", *words]))
        return "\n".join(lines)


def _average(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.mean(row[name] for row in rows) for name in rows[0]} if rows else {}


def _format_scores(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{format_metric(name)} {metrics[name]:.4f}" for name in _SHOWN if name in metrics)
