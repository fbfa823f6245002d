"""Scores over the folds of a dataset; each fold is tested by a weight that was not trained on it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import check_values
from hicmae_cli.errors import WeightsError
from hicmae_cli.evaluation.degradations import Degrade
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.runtime.engine import Engine

FoldRun = tuple[Sequence[Sample], Callable[[], Engine]]
"""The clips that test a fold, and a function that opens its model: only one model is in memory at a time."""


@dataclass(frozen=True)
class FoldsEvaluation:
    """Results of the folds of one dataset.

    Attributes:
        folds: fold -> result, in order.

    Raises:
        WeightsError: the weights of the folds differ in their labels or their task.
    """

    folds: Mapping[str, Evaluation]

    def __post_init__(self) -> None:
        first_fold, first = next(iter(self.folds.items()))
        for fold, result in self.folds.items():
            if sorted(result.labels) != sorted(first.labels) or result.info.task != first.info.task:
                raise WeightsError(
                    f"the weights of fold {first_fold} and fold {fold} differ: {first.info.task} of "
                    f"{', '.join(first.labels)}; {result.info.task} of {', '.join(result.labels)}"
                )

    @property
    def pooled(self) -> Evaluation:
        """The decisions of all folds as one test set: this is how the paper's authors compute a total."""
        first = next(iter(self.folds.values()))
        samples = [
            _reorder(replace(sample, fold=fold), result.labels, first.labels, regression=first.is_regression)
            for fold, result in self.folds.items()
            for sample in result.samples
        ]
        failures = tuple(failure for result in self.folds.values() for failure in result.failures)
        skipped = sum(result.skipped for result in self.folds.values())
        return replace(first, samples=tuple(samples), failures=failures, skipped=skipped)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every metric over the folds."""
        return {name: statistics.mean(values) for name, values in self._columns().items()}

    @property
    def sd(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) of every metric over the folds; None for a single fold."""
        if len(self.folds) < 2:
            return None
        return {name: statistics.stdev(values) for name, values in self._columns().items()}

    def _columns(self) -> dict[str, list[float]]:
        rows = [result.metrics for result in self.folds.values()]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def to_dict(self) -> dict[str, Any]:
        """The document of the pooled decisions, with the scores of each fold under ``folds``."""
        folds = {
            fold: {
                "metrics": result.metrics,
                "decisions": len(result.samples),
                "clips": result.clips,
                "failures": len(result.failures),
                "absent": list(result.absent),
                "weights": result.info.to_dict(),
            }
            for fold, result in self.folds.items()
        }
        return {**self.pooled.to_dict(), "folds": folds, "mean": self.mean, "sd": self.sd}


def score_folds(
    runs: Mapping[str, FoldRun],
    *,
    sampling_rate: int | None = None,
    modalities: Sequence[str] = ("av",),
    merge_by: int = 0,
    classes: Sequence[str] = (),
    degrade: Degrade | None = None,
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, FoldsEvaluation]:
    """Score each fold with its own model, by ``score_clips``.

    Args:
        runs: fold -> its test clips, and a function that opens its model.
        sampling_rate: see ``score_clips``.
        modalities: see ``score_clips``.
        merge_by: see ``score_clips``.
        classes: see ``score_clips``.
        degrade: see ``score_clips``.
        on_clip: called after each clip.

    Returns:
        One result per modality that every fold has.

    Raises:
        ManifestError: as ``score_clips``.
        WeightsError: the weights differ in their labels or their task.
    """
    found: dict[str, dict[str, Evaluation]] = {modality: {} for modality in modalities}
    for fold, (samples, open_model) in runs.items():
        results = score_clips(
            samples,
            open_model(),
            sampling_rate=sampling_rate,
            modalities=modalities,
            merge_by=merge_by,
            classes=classes,
            degrade=degrade,
            on_clip=on_clip,
        )
        for modality, result in results.items():
            found[modality][fold] = result
    return {modality: FoldsEvaluation(folds) for modality, folds in found.items() if folds and len(folds) == len(runs)}


def _reorder(sample: SampleResult, labels: Sequence[str], wanted: Sequence[str], *, regression: bool) -> SampleResult:
    """Put the outputs of a result, and the values of a regression, in the order of another model's labels."""
    if tuple(labels) == tuple(wanted):
        return sample
    places = [labels.index(label) for label in wanted]

    def reorder(row: Sequence[float]) -> tuple[float, ...]:
        return tuple(row[place] for place in places)

    outputs = reorder(sample.outputs)
    moved = replace(sample, outputs=outputs, views=tuple(reorder(view) for view in sample.views))
    if not regression:
        return moved
    return replace(moved, target=reorder(check_values(sample.target, labels, f"clip {sample.id}")), prediction=outputs)
