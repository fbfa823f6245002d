"""Run a model over a manifest by the paper's test protocol (HiCMAE, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample, fault_of
from hicmae_cli.corpora.values import values_of
from hicmae_cli.errors import HicmaeError, ManifestError
from hicmae_cli.evaluation.results import Evaluation, SampleResult, decide, group_of, merge_clips
from hicmae_cli.runtime.engine import Engine, answers
from hicmae_cli.weights.info import WeightInfo

MODALITIES = ("av", "video", "audio")


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
    merge_by: int = 0,
    classes: Sequence[str] = (),
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, Evaluation]:
    """Score a model on clips, once per modality, reading every clip once.

    A clip's answer is the mean over its views of the softmax, or of the values of a regression. It does not depend on
    which other clips are there.

    Args:
        samples: lines of a manifest; labels are the model's names, or of a regression its targets as numbers with
            spaces between them.
        engine: the model.
        sampling_rate: s of the test views; the weight's own by default.
        modalities: any of ``av``, ``video``, ``audio``: which streams the model is shown.
        merge_by: how many of the first fields of an id, between ``_``, name what is decided as one; 0: every clip is.
        classes: the labels to choose among, where not all of the model's: its other probabilities are left out, and
            the rest is made to sum to one.
        on_clip: called after each clip, for progress.

    Returns:
        One evaluation per modality that any clip has. A clip that cannot be read is named in ``failures``, and the
        rest goes on.

    Raises:
        ManifestError: a label the model does not know, clips decided as one that differ in their label, or no clip
            could be read.
    """
    info = engine.info
    regression = info.task == "regression"
    labels = tuple(classes) or info.labels
    _check_labels(samples, info, labels)
    if merge_by:
        _check_groups(samples, merge_by)
    picked = [info.labels.index(label) for label in labels]
    rate = sampling_rate or info.sampling_rate
    results: dict[str, list[SampleResult]] = {modality: [] for modality in modalities}
    failures: dict[str, list[tuple[str, str]]] = {modality: [] for modality in modalities}
    for sample in samples:
        try:
            clips = read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(rate)
        except (HicmaeError, ValueError) as error:
            for modality in modalities:
                failures[modality].append((sample.id, fault_of(sample, error)))
            on_clip()
            continue
        for modality in modalities:
            distinct = {id(clip): restrict(clip, modality) for clip in clips}
            shown = [kept for clip in clips if (kept := distinct[id(clip)]) is not None]
            if not shown:
                failures[modality].append((sample.id, f"the clip has no {modality}"))
                continue
            views = _score_views(engine, shown)
            if classes:
                views = _shares(views[:, picked])
            known = tuple(tuple(view) for view in views.tolist())
            undecided = SampleResult(sample.id, sample.label, "", (), known, sample.speaker, sample.fold)
            results[modality].append(decide(undecided, labels, regression=regression))
        on_clip()
    if merge_by:
        for modality in modalities:
            results[modality] = merge_clips(results[modality], merge_by, labels, regression=regression)
    return {
        modality: Evaluation(
            info, engine.name, modality, rate, tuple(results[modality]), tuple(failures[modality]), tuple(classes)
        )
        for modality in modalities
        if results[modality] or not any(results.values())
    }


def _score_views(engine: Engine, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """The model's answer to each view (V, C); a view that stands twice in the list is run once.

    A processor's caches hold one view but not two: there they are run one by one.
    """
    distinct = {id(clip): clip for clip in clips}
    batch_size = 1 if engine.device == "cpu" else len(distinct)
    rows = dict(zip(distinct, answers(engine, list(distinct.values()), batch_size), strict=True))
    return np.stack([rows[id(clip)] for clip in clips])


def _shares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (V, C) that sum to one again; where nothing is left of them, all are alike."""
    sums = rows.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[1])
    return shares


def _check_labels(samples: Sequence[Sample], info: WeightInfo, labels: Sequence[str]) -> None:
    if info.task == "regression":
        for sample in samples:
            values_of(sample.label, labels, f"clip {sample.id}")
        return
    unknown = sorted({sample.label for sample in samples} - set(labels))
    if unknown:
        raise ManifestError(f"labels {', '.join(unknown)} are not among the model's: {', '.join(labels)}")


def _check_groups(samples: Sequence[Sample], merge_by: int) -> None:
    """Clips that are decided as one have one label."""
    first: dict[str, Sample] = {}
    for sample in samples:
        other = first.setdefault(group_of(sample.id, merge_by), sample)
        if other.label != sample.label:
            raise ManifestError(
                f"clips {other.id} and {sample.id} are decided as one but are labelled {other.label} and {sample.label}"
            )
