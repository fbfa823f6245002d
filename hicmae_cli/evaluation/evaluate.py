"""Run a model over a manifest by the paper's test protocol (HiCMAE, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError, ManifestError
from hicmae_cli.evaluation.metrics import class_recalls, classification_metrics, confusion
from hicmae_cli.runtime.engine import Engine, probabilities
from hicmae_cli.weights.info import WeightInfo

SCHEMA = "hicmae.evaluate/1"
MODALITIES = ("av", "video", "audio")


@dataclass(frozen=True)
class SampleResult:
    """One clip: the mean of its views' probabilities decides; ``views`` (V, C) keeps each."""

    id: str
    label: str
    prediction: str
    probabilities: tuple[float, ...]
    views: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Evaluation:
    """Result of one pass over a manifest; prints and dumps itself."""

    info: WeightInfo
    engine: str
    modality: str
    sampling_rate: int
    samples: tuple[SampleResult, ...]
    failures: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.samples:
            reasons = "; ".join(f"{clip}: {reason}" for clip, reason in self.failures[:3])
            raise ManifestError(f"nothing could be evaluated: {reasons or 'no clips'}")

    @property
    def _indices(self) -> tuple[Any, Any]:
        index = {label: i for i, label in enumerate(self.info.labels)}
        truth = np.array([index[sample.label] for sample in self.samples])
        return truth, np.array([index[sample.prediction] for sample in self.samples])

    @property
    def metrics(self) -> dict[str, float]:
        """UAR, WAR and F1 scores over the clips."""
        return classification_metrics(*self._indices, len(self.info.labels))

    @property
    def confusion(self) -> list[list[int]]:
        """Counts (C, C): row true, column predicted."""
        return confusion(*self._indices, len(self.info.labels))

    @property
    def recalls(self) -> dict[str, float | None]:
        """Recall per class."""
        return class_recalls(self.confusion, self.info.labels)

    def to_dict(self) -> dict[str, Any]:
        """The document ``hicmae evaluate --json`` writes."""
        return {
            "schema": SCHEMA,
            "metrics": self.metrics,
            "recalls": self.recalls,
            "labels": list(self.info.labels),
            "confusion": self.confusion,
            "samples": [
                {
                    "id": sample.id,
                    "label": sample.label,
                    "prediction": sample.prediction,
                    "probabilities": list(sample.probabilities),
                    "views": [list(view) for view in sample.views],
                }
                for sample in self.samples
            ],
            "failures": [{"id": clip, "message": message} for clip, message in self.failures],
            "weights": self.info.to_dict(),
            "engine": self.engine,
            "modality": self.modality,
            "sampling_rate": self.sampling_rate,
        }


def restrict(clip: Clip, modality: str) -> Clip | None:
    """Keep the streams a modality names; None when none of them is there."""
    if modality == "av":
        return clip
    kept = replace(clip, audio=None) if modality == "video" and clip.video is not None else None
    if modality == "audio" and clip.audio is not None:
        kept = replace(clip, video=None)
    return kept


def evaluate(
    samples: Sequence[Sample],
    engine: Engine,
    *,
    sampling_rate: int | None = None,
    modalities: Sequence[str] = ("av",),
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, Evaluation]:
    """Score a model on clips, once per modality, reading every clip once.

    Args:
        samples: lines of a manifest.
        engine: the model.
        sampling_rate: s of the test views; the weight's own by default.
        modalities: any of ``av``, ``video``, ``audio``: which streams the model is shown.
        on_clip: called after each clip, for progress.

    Returns:
        One evaluation per modality that any clip has. A clip that cannot be read is named in ``failures``, and the
        rest goes on.

    Raises:
        ManifestError: a label the model does not know, or no clip could be read.
    """
    labels = engine.info.labels
    unknown = sorted({sample.label for sample in samples} - set(labels))
    if unknown:
        raise ManifestError(f"labels {', '.join(unknown)} are not among the model's: {', '.join(labels)}")
    rate = sampling_rate or engine.info.sampling_rate
    results: dict[str, list[SampleResult]] = {modality: [] for modality in modalities}
    failures: dict[str, list[tuple[str, str]]] = {modality: [] for modality in modalities}
    for sample in samples:
        try:
            clips = read_prepared_clip(sample.video, sample.audio).test_clips(rate)
        except (HicmaeError, ValueError) as error:
            for modality in modalities:
                failures[modality].append((sample.id, str(error)))
            on_clip()
            continue
        for modality in modalities:
            distinct = {id(clip): restrict(clip, modality) for clip in clips}
            shown = [kept for clip in clips if (kept := distinct[id(clip)]) is not None]
            if not shown:
                failures[modality].append((sample.id, f"the clip has no {modality}"))
                continue
            views = _score_views(engine, shown)
            mean = views.mean(axis=0)
            results[modality].append(
                SampleResult(
                    id=sample.id,
                    label=sample.label,
                    prediction=labels[int(mean.argmax())],
                    probabilities=tuple(mean.tolist()),
                    views=tuple(tuple(view) for view in views.tolist()),
                )
            )
        on_clip()
    return {
        modality: Evaluation(
            engine.info, engine.name, modality, rate, tuple(results[modality]), tuple(failures[modality])
        )
        for modality in modalities
        if results[modality] or not any(results.values())
    }


def _score_views(engine: Engine, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Probabilities of each view (V, C); a view that stands twice in the list is run once."""
    distinct = {id(clip): clip for clip in clips}
    rows = dict(zip(distinct, probabilities(engine, list(distinct.values())), strict=True))
    return np.stack([rows[id(clip)] for clip in clips])
