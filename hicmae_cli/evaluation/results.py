"""Results of an evaluation: one decision per clip, and the scores that follow from the decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.values import Target, format_target
from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.intervals import (
    Intervals,
    class_intervals,
    classification_intervals,
    multilabel_intervals,
    probability_intervals,
    regression_intervals,
)
from hicmae_cli.evaluation.metrics import (
    class_recalls,
    class_scores,
    classification_metrics,
    confusion,
    regression_metrics,
    score_tables,
)
from hicmae_cli.evaluation.multilabel import label_scores, multilabel_metrics
from hicmae_cli.evaluation.probability_metrics import probability_metrics
from hicmae_cli.tasks import JOINT, Kind, pick_labels
from hicmae_cli.weights.info import WeightInfo

SCHEMA = "hicmae.evaluate/1"


@dataclass(frozen=True)
class SampleResult:
    """One decision: the mean over the views of a clip, or of several clips.

    Attributes:
        id: id of the clip, or the part of the ids that several clips share.
        target: the true class or set of labels, or the true values of a regression.
        prediction: the predicted class, set of labels or values.
        outputs: (C,) probabilities or values, the mean over the views.
        views: (V, C) probabilities or values of each view.
        speaker: who speaks; empty if the manifest does not say.
        fold: the clip's fold; empty if the manifest does not say.
        clips: ids of the clips with this common decision; empty if the clip was decided alone.
    """

    id: str
    target: Target
    prediction: Target
    outputs: tuple[float, ...]
    views: tuple[tuple[float, ...], ...]
    speaker: str = ""
    fold: str = ""
    clips: tuple[str, ...] = ()


def decide(sample: SampleResult, labels: Sequence[str], task: Kind) -> SampleResult:
    """Set the outputs of a result to the mean of its views, and the prediction to what they give."""
    mean = np.mean(np.array(sample.views), axis=0)
    outputs = tuple(mean.tolist())
    prediction: Target = outputs
    if task == "classification":
        prediction = labels[int(mean.argmax())]
    elif task == "multilabel":
        prediction = pick_labels(labels, outputs)
    return replace(sample, outputs=outputs, prediction=prediction)


def name_group(clip_id: str, merge_by: int) -> str:
    """Name the group of a clip by the first fields of its id: ``aiim001_task_1_clip_002``, 3 -> ``aiim001_task_1``."""
    return "_".join(clip_id.split("_")[:merge_by])


def merge_clips(
    results: Iterable[SampleResult], merge_by: int, labels: Sequence[str], task: Kind
) -> list[SampleResult]:
    """Make one decision per group of clips, by the mean over all their views; in order of the first clips."""
    groups: dict[str, list[SampleResult]] = {}
    for result in results:
        groups.setdefault(name_group(result.id, merge_by), []).append(result)
    merged = []
    for name, members in groups.items():
        views = tuple(view for member in members for view in member.views)
        whole = replace(members[0], id=name, views=views, clips=tuple(member.id for member in members))
        merged.append(decide(whole, labels, task))
    return merged


@dataclass(frozen=True)
class Evaluation:
    """Result of one pass over a list of clips.

    Attributes:
        info: metadata of the weight.
        engine: ``onnx`` or ``torch``.
        modality: the streams that the model got.
        sampling_rate: every n-th frame was taken; None: one frame every 0.16 s.
        samples: the decisions.
        failures: (clip, reason) of the clips that could not be read.
        classes: the labels to choose among, if not all of the weight's.
        skipped: number of clips without a stream of the modality, according to their list.
        device: where the engine ran, e.g. ``cpu``; empty if unknown.

    Raises:
        ManifestError: there are no decisions.
    """

    info: WeightInfo
    engine: str
    modality: str
    sampling_rate: int | None
    samples: tuple[SampleResult, ...]
    failures: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()
    skipped: int = 0
    device: str = ""

    def __post_init__(self) -> None:
        if not self.samples:
            reasons = "; ".join(f"{clip}: {reason}" for clip, reason in self.failures[:3])
            if self.skipped and not reasons:
                reasons = f"none of the {self.skipped} clips has {self.modality}"
            raise ManifestError(f"nothing could be evaluated: {reasons or 'no clips'}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes to choose among, labels or targets, in the order of ``SampleResult.outputs``."""
        return self.classes or self.info.labels

    @property
    def pooled(self) -> Evaluation:
        """This evaluation itself, as it has a single test set; see ``FoldsEvaluation``."""
        return self

    @property
    def is_regression(self) -> bool:
        """Whether the model predicted values, not labels."""
        return self.info.task == "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the model chose one class for each clip."""
        return self.info.task == "classification"

    @property
    def clips(self) -> int:
        """Number of clips that were read; several may have one common decision."""
        return sum(max(1, len(sample.clips)) for sample in self.samples)

    @property
    def absent(self) -> tuple[str, ...]:
        """Labels without a clip; the UAR is the mean over the others."""
        if self.is_regression:
            return ()
        present = {label for sample in self.samples for label in _list_labels(sample.target)}
        return tuple(label for label in self.labels if label not in present)

    @property
    def truth(self) -> NDArray[np.int64]:
        """The true classes (n,) of a classification, as positions in ``labels``."""
        index: dict[Target, int] = {label: i for i, label in enumerate(self.labels)}
        return np.array([index[sample.target] for sample in self.samples])

    @property
    def outputs(self) -> NDArray[np.float64]:
        """Probabilities or values (n, C)."""
        return np.array([sample.outputs for sample in self.samples])

    def _indices(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        index: dict[Target, int] = {label: i for i, label in enumerate(self.labels)}
        return self.truth, np.array([index[sample.prediction] for sample in self.samples])

    def _values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        truth = np.array([sample.target for sample in self.samples], np.float64)
        return truth, self.outputs

    def tabulate_sets(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The true and the predicted labels of a classification or a multi-label model, (n, C) each."""
        truth, predicted = (
            np.array([[label in _list_labels(one) for label in self.labels] for one in targets], np.bool_)
            for targets in ([each.target for each in self.samples], [each.prediction for each in self.samples])
        )
        return truth, predicted

    @property
    def metrics(self) -> dict[str, float]:
        """The scores of ``metric_names.METRICS``; of a regression, their means over the targets, then each target's."""
        if self.is_regression:
            return regression_metrics(*self._values(), self.labels)
        if not self.is_classification:
            return multilabel_metrics(*self.tabulate_sets(), self.outputs)
        return classification_metrics(*self._indices(), len(self.labels))

    @property
    def probability_metrics(self) -> dict[str, float | None]:
        """AUC, top-k, calibration error and so on of a classification; else empty."""
        return probability_metrics(self.truth, self.outputs) if self.is_classification else {}

    def intervals(self) -> Intervals:
        """Bootstrap confidence intervals of the metrics."""
        speakers = [sample.speaker for sample in self.samples]
        if self.is_regression:
            return regression_intervals(*self._values(), self.labels, speakers)
        if not self.is_classification:
            return multilabel_intervals(*self.tabulate_sets(), self.outputs, speakers)
        return classification_intervals(*self._indices(), len(self.labels), speakers)

    def all_intervals(self) -> Intervals:
        """Bootstrap confidence intervals of the metrics and, of a classification, of ``probability_metrics``."""
        decided = self.intervals()
        if not self.is_classification:
            return decided
        # The same seed draws the same people.
        speakers = [sample.speaker for sample in self.samples]
        probable = probability_intervals(self.truth, self.outputs, speakers)
        return replace(decided, bounds={**decided.bounds, **probable.bounds})

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (C, C) of a classification: row true, column predicted; else empty."""
        return confusion(*self._indices(), len(self.labels)) if self.is_classification else []

    @property
    def recalls(self) -> dict[str, float | None]:
        """Recall per class of a classification; else empty."""
        return class_recalls(self.confusion, self.labels) if self.is_classification else {}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Scores without a model: a random guess, and always the most frequent class of these clips."""
        counts = np.array(self.confusion).sum(axis=1)
        table = np.zeros((len(counts), len(counts)))
        table[:, counts.argmax()] = counts
        majority = {name: float(score) for name, score in score_tables(table).items()}
        return {"chance": {"uar": 1 / len(counts), "war": 1 / len(counts)}, "majority": majority}

    def to_dict(self) -> dict[str, Any]:
        """The core of the document that ``hicmae evaluate --json`` writes; see ``ScoreSheet.to_dict``."""
        return {**self.to_record(), "task": self.info.task, "metrics": self.metrics, **self.to_details()}

    def to_details(self) -> dict[str, Any]:
        """The part of the document that explains the metrics: intervals and all that is per class or label."""
        intervals = self.all_intervals().to_dict()
        if self.is_regression:
            return {"intervals": intervals}
        bounds = class_intervals(*self.tabulate_sets(), [sample.speaker for sample in self.samples])
        intervals["classes"] = {
            label: {name: list(pair) for name, pair in own.items()}
            for label, own in zip(self.labels, bounds, strict=True)
        }
        if not self.is_classification:
            classes = label_scores(*self.tabulate_sets(), self.outputs, self.labels)
            return {"intervals": intervals, "classes": self._count_people(classes)}
        return {
            "intervals": intervals,
            "probability_metrics": self.probability_metrics,
            "classes": self._count_people(class_scores(self.confusion, self.labels)),
            "recalls": self.recalls,
            "confusion": self.confusion,
        }

    def _count_people(self, classes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Add the number of known speakers whose clips have each label; None if it has clips, and none is known."""
        people: dict[str, set[str]] = {label: set() for label in classes}
        for sample in self.samples:
            for label in _list_labels(sample.target):
                people[label] |= {sample.speaker} - {""}
        return {
            label: {**own, "people": len(people[label]) or (None if own["support"] else 0)}
            for label, own in classes.items()
        }

    def write_samples(self) -> list[dict[str, Any]]:
        """The decisions, as the document has them."""
        return [self._write_sample(sample) for sample in self.samples]

    def to_record(self) -> dict[str, Any]:
        """The part of the document that determines the rest; see ``from_record``."""
        return {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "samples": self.write_samples(),
            "failures": [{"id": clip, "message": message} for clip, message in self.failures],
            "skipped": self.skipped,
            "weights": self.info.to_dict(),
            "engine": self.engine,
            "device": self.device,
            "modality": self.modality,
            "sampling": "time" if self.sampling_rate is None else "frames",
            "sampling_rate": self.sampling_rate,
        }

    @classmethod
    def from_record(cls, document: Mapping[str, Any]) -> Evaluation:
        """Read a document of ``to_record`` or ``to_dict`` back.

        Raises:
            ValueError: another kind of document.
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
                samples=tuple(_read_sample(entry, info.kind) for entry in document["samples"]),
                failures=tuple((entry["id"], entry["message"]) for entry in document["failures"]),
                classes=() if labels == info.labels else labels,
                skipped=document.get("skipped", 0),
                device=document.get("device", ""),
            )
        except (KeyError, TypeError, AttributeError, ManifestError) as error:
            raise ValueError(f"not the document of an evaluation: {error}") from error

    def _write_sample(self, sample: SampleResult) -> dict[str, Any]:
        entry: dict[str, Any] = {"id": sample.id}
        if self.is_regression:
            entry |= {"label": list(sample.target), "prediction": list(sample.outputs)}
        else:
            texts = {"label": format_target(sample.target), "prediction": format_target(sample.prediction)}
            entry |= {**texts, "probabilities": list(sample.outputs)}
        entry["views"] = [list(view) for view in sample.views]
        known = {"speaker": sample.speaker, "fold": sample.fold, "clips": list(sample.clips)}
        return entry | {name: value for name, value in known.items() if value}


def _list_labels(target: Target) -> frozenset[str]:
    """The labels of a class or a set; none for the values of a regression."""
    if isinstance(target, frozenset):
        return target
    return frozenset({target}) if isinstance(target, str) else frozenset()


def _read_sample(entry: Mapping[str, Any], task: Kind) -> SampleResult:
    """Read an entry of ``Evaluation._write_sample`` back."""
    target, prediction = entry["label"], entry["prediction"]
    if task == "multilabel":
        target, prediction = (frozenset(text.split(JOINT)) for text in (target, prediction))
    if regression := isinstance(prediction, list):
        target, prediction = tuple(target), tuple(prediction)
    return SampleResult(
        entry["id"],
        target,
        prediction,
        outputs=prediction if regression else tuple(entry["probabilities"]),
        views=tuple(tuple(view) for view in entry["views"]),
        speaker=entry.get("speaker", ""),
        fold=entry.get("fold", ""),
        clips=tuple(entry.get("clips", ())),
    )
