"""What an evaluation found: its decisions, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.intervals import Intervals, classification_intervals, regression_intervals
from hicmae_cli.evaluation.metrics import (
    class_recalls,
    classification_metrics,
    confusion,
    regression_metrics,
    scores_of_tables,
)
from hicmae_cli.weights.info import WeightInfo

SCHEMA = "hicmae.evaluate/1"


@dataclass(frozen=True)
class SampleResult:
    """One decision, by the mean of its views.

    Attributes:
        id: of the clip, or what the clips that were decided as one share.
        label: the truth: a name, or values with spaces between them.
        prediction: of the same kind.
        outputs: (C,) probabilities, or values: the mean of the views.
        views: (V, C) of each view.
        speaker: who is heard, where the manifest says so.
        fold: the clip's fold, where the manifest says so.
        clips: the ids of the clips that were decided as one; empty where every clip was decided alone.
    """

    id: str
    label: str
    prediction: str
    outputs: tuple[float, ...]
    views: tuple[tuple[float, ...], ...]
    speaker: str = ""
    fold: str = ""
    clips: tuple[str, ...] = ()


def decide(sample: SampleResult, labels: Sequence[str], *, regression: bool) -> SampleResult:
    """Let the views of a result speak: their mean (C,), and the label or the values that follow."""
    mean = np.mean(np.array(sample.views), axis=0)
    told = " ".join(map(repr, mean.tolist())) if regression else labels[int(mean.argmax())]
    return replace(sample, outputs=tuple(mean.tolist()), prediction=told)


def group_of(clip_id: str, merge_by: int) -> str:
    """The first so many fields of an id, between ``_``: ``aiim001_task_1_clip_002`` by 3 -> ``aiim001_task_1``."""
    return "_".join(clip_id.split("_")[:merge_by])


def merge_clips(
    results: Iterable[SampleResult], merge_by: int, labels: Sequence[str], *, regression: bool
) -> list[SampleResult]:
    """One decision per group of clips: the mean over all views of all its clips; in order of the first clips."""
    groups: dict[str, list[SampleResult]] = {}
    for result in results:
        groups.setdefault(group_of(result.id, merge_by), []).append(result)
    merged = []
    for name, members in groups.items():
        views = tuple(view for member in members for view in member.views)
        whole = replace(members[0], id=name, views=views, clips=tuple(member.id for member in members))
        merged.append(decide(whole, labels, regression=regression))
    return merged


@dataclass(frozen=True)
class Evaluation:
    """Result of one pass over a manifest; prints and dumps itself.

    Attributes:
        info: what the weight says of itself.
        engine: ``onnx`` or ``torch``.
        modality: the streams that the model was shown.
        sampling_rate: s of the test views.
        samples: the decisions.
        failures: (clip, reason) of what could not be read.
        classes: the labels that were compared, where not all of the weight's were.

    Raises:
        ManifestError: there are no decisions.
    """

    info: WeightInfo
    engine: str
    modality: str
    sampling_rate: int
    samples: tuple[SampleResult, ...]
    failures: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.samples:
            reasons = "; ".join(f"{clip}: {reason}" for clip, reason in self.failures[:3])
            raise ManifestError(f"nothing could be evaluated: {reasons or 'no clips'}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes that were compared, or targets, in the order of ``SampleResult.outputs``."""
        return self.classes or self.info.labels

    @property
    def pooled(self) -> Evaluation:
        """Itself: a single test set; see ``FoldsEvaluation``."""
        return self

    @property
    def is_regression(self) -> bool:
        """Whether values were predicted and not classes."""
        return self.info.task == "regression"

    @property
    def clips(self) -> int:
        """Clips that were read, of which several may be behind one decision."""
        return sum(max(1, len(sample.clips)) for sample in self.samples)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes without a clip: the UAR is over the others."""
        if self.is_regression:
            return ()
        there = {sample.label for sample in self.samples}
        return tuple(label for label in self.labels if label not in there)

    def _indices(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        index = {label: i for i, label in enumerate(self.labels)}
        truth = np.array([index[sample.label] for sample in self.samples])
        return truth, np.array([index[sample.prediction] for sample in self.samples])

    def _values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        truth = np.array([[float(value) for value in sample.label.split()] for sample in self.samples])
        return truth, np.array([sample.outputs for sample in self.samples])

    @property
    def metrics(self) -> dict[str, float]:
        """UAR, WAR and F1 scores; or CCC, PCC, MAE and RMSE, the means over targets first."""
        if self.is_regression:
            return regression_metrics(*self._values(), self.labels)
        return classification_metrics(*self._indices(), len(self.labels))

    def intervals(self) -> Intervals:
        """How sure each of the metrics is."""
        speakers = [sample.speaker for sample in self.samples]
        if self.is_regression:
            return regression_intervals(*self._values(), self.labels, speakers)
        return classification_intervals(*self._indices(), len(self.labels), speakers)

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (C, C): row true, column predicted; empty of a regression."""
        return [] if self.is_regression else confusion(*self._indices(), len(self.labels))

    @property
    def recalls(self) -> dict[str, float | None]:
        """Recall per class; empty of a regression."""
        return class_recalls(self.confusion, self.labels) if not self.is_regression else {}

    def baselines(self) -> dict[str, dict[str, float]]:
        """What no model is needed for: a guess among the classes, and always the most frequent class of these clips."""
        counts = np.array(self.confusion).sum(axis=1)
        table = np.zeros((len(counts), len(counts)))
        table[:, counts.argmax()] = counts
        majority = {name: float(score) for name, score in scores_of_tables(table).items()}
        return {"chance": {"uar": 1 / len(counts), "war": 1 / len(counts)}, "majority": majority}

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae evaluate --json`` writes."""
        of_classes = {} if self.is_regression else {"recalls": self.recalls, "confusion": self.confusion}
        return {
            **self.to_record(),
            "task": self.info.task,
            "metrics": self.metrics,
            "intervals": self.intervals().to_dict(),
            **of_classes,
        }

    def to_record(self) -> dict[str, Any]:
        """The part of the document that all the rest follows from; see ``from_record``."""
        return {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "samples": [self._sample(sample) for sample in self.samples],
            "failures": [{"id": clip, "message": message} for clip, message in self.failures],
            "weights": self.info.to_dict(),
            "engine": self.engine,
            "modality": self.modality,
            "sampling_rate": self.sampling_rate,
        }

    @classmethod
    def from_record(cls, document: Mapping[str, Any]) -> Evaluation:
        """What ``to_record``, or ``to_dict``, made the document of.

        Raises:
            ValueError: it is no such document.
        """
        try:
            if document["schema"] != SCHEMA:
                raise ValueError(f"expected a document {SCHEMA}, got {document['schema']}")
            info = WeightInfo.model_validate(document["weights"])
            labels = tuple(document["labels"])
            return cls(
                info=info,
                engine=document["engine"],
                modality=document["modality"],
                sampling_rate=document["sampling_rate"],
                samples=tuple(_sample_of(told) for told in document["samples"]),
                failures=tuple((told["id"], told["message"]) for told in document["failures"]),
                classes=() if labels == info.labels else labels,
            )
        except (KeyError, TypeError, AttributeError, ManifestError) as error:
            raise ValueError(f"no document of an evaluation: {error}") from error

    def _sample(self, sample: SampleResult) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": sample.id,
            "label": sample.label,
            "prediction": sample.prediction,
            "probabilities": list(sample.outputs),
        }
        if self.is_regression:
            truth = [float(value) for value in sample.label.split()]
            told = {"id": sample.id, "label": truth, "prediction": list(sample.outputs)}
        told["views"] = [list(view) for view in sample.views]
        known = {"speaker": sample.speaker, "fold": sample.fold, "clips": list(sample.clips)}
        return {**told, **{name: value for name, value in known.items() if value}}


def _sample_of(told: Mapping[str, Any]) -> SampleResult:
    """What ``Evaluation._sample`` made the entry of."""
    label, prediction = told["label"], told["prediction"]
    if regression := isinstance(prediction, list):
        label, prediction = (" ".join(map(repr, values)) for values in (label, prediction))
    return SampleResult(
        told["id"],
        label,
        prediction,
        outputs=tuple(told["prediction"] if regression else told["probabilities"]),
        views=tuple(tuple(view) for view in told["views"]),
        speaker=told.get("speaker", ""),
        fold=told.get("fold", ""),
        clips=tuple(told.get("clips", ())),
    )
