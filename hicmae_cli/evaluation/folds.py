"""The scores of a dataset that is tested fold by fold, each fold by a weight that has not seen it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import WeightsError
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from hicmae_cli.runtime.engine import Engine

FoldRun = tuple[Sequence[Sample], Callable[[], Engine]]
"""The clips that test a fold, and what opens its model: five large models need not be in memory at once."""


@dataclass(frozen=True)
class FoldsEvaluation:
    """Results of several folds of one dataset, fold -> result, in order.

    Raises:
        WeightsError: the weights differ in their labels or their task.
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
        """All folds' decisions as if they were of one test set: how the paper's authors compute a total."""
        first = next(iter(self.folds.values()))
        samples = [
            _in_order(replace(sample, fold=fold), result.labels, first.labels, first.is_regression)
            for fold, result in self.folds.items()
            for sample in result.samples
        ]
        failures = tuple(failure for result in self.folds.values() for failure in result.failures)
        return replace(first, samples=tuple(samples), failures=failures)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every metric over the folds."""
        return {name: statistics.mean(values) for name, values in self._columns().items()}

    @property
    def sd(self) -> dict[str, float] | None:
        """Standard deviation (unbiased) of every metric over the folds; None of a single fold."""
        if len(self.folds) < 2:
            return None
        return {name: statistics.stdev(values) for name, values in self._columns().items()}

    def _columns(self) -> dict[str, list[float]]:
        rows = [result.metrics for result in self.folds.values()]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def to_dict(self) -> dict[str, Any]:
        """The document of the pooled decisions, with what every fold found under ``folds``."""
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


def evaluate_folds(
    runs: Mapping[str, FoldRun],
    *,
    sampling_rate: int | None = None,
    modalities: Sequence[str] = ("av",),
    merge_by: int = 0,
    classes: Sequence[str] = (),
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, FoldsEvaluation]:
    """Score every fold by its own model; see ``evaluate``, which is called once per fold.

    Args:
        runs: fold -> its test clips, and what opens its model.
        sampling_rate: as in ``evaluate``, as all that follow.
        modalities: which streams the models are shown.
        merge_by: fields of an id that name what is decided as one.
        classes: labels to choose among.
        on_clip: called after each clip.

    Returns:
        One result per modality that every fold has.

    Raises:
        ManifestError: as ``evaluate``.
        WeightsError: the weights differ in their labels or their task.
    """
    found: dict[str, dict[str, Evaluation]] = {modality: {} for modality in modalities}
    for fold, (samples, open_model) in runs.items():
        results = evaluate(
            samples,
            open_model(),
            sampling_rate=sampling_rate,
            modalities=modalities,
            merge_by=merge_by,
            classes=classes,
            on_clip=on_clip,
        )
        for modality, result in results.items():
            found[modality][fold] = result
    return {modality: FoldsEvaluation(folds) for modality, folds in found.items() if folds and len(folds) == len(runs)}


def _in_order(sample: SampleResult, labels: Sequence[str], wanted: Sequence[str], regression: bool) -> SampleResult:
    """A result whose outputs stand in another model's order of labels."""
    if tuple(labels) == tuple(wanted):
        return sample
    places = [labels.index(label) for label in wanted]

    def ordered(row: Sequence[float]) -> tuple[float, ...]:
        return tuple(row[place] for place in places)

    moved = replace(sample, outputs=ordered(sample.outputs), views=tuple(ordered(view) for view in sample.views))
    if not regression:
        return moved
    truth = sample.label.split()
    return replace(
        moved, label=" ".join(truth[place] for place in places), prediction=" ".join(map(repr, moved.outputs))
    )
