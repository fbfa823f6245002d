"""Score a model on prepared clips by the paper's test protocol (HiCMAE, section 4.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample, describe_fault
from hicmae_cli.corpora.values import check_values, format_target
from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError
from hicmae_cli.evaluation.degradations import Degrade
from hicmae_cli.evaluation.results import Evaluation, SampleResult, decide, merge_clips, name_group
from hicmae_cli.model_input import FRAME_STEP_S
from hicmae_cli.runtime.engine import Engine, score_batches
from hicmae_cli.weights.info import WeightInfo


def restrict(clip: Clip, modality: str) -> Clip | None:
    """Keep the streams of a modality; None if the clip has none of them."""
    if modality == "av":
        return clip
    if modality == "video":
        return replace(clip, audio=None) if clip.video is not None else None
    return replace(clip, video=None) if clip.audio is not None else None


def restrict_views(clips: Sequence[Clip], modality: str) -> list[Clip]:
    """Keep the streams of a modality in each view; views without any are dropped, and equal views stay one object."""
    distinct = {id(clip): restrict(clip, modality) for clip in clips}
    return [kept for clip in clips if (kept := distinct[id(clip)]) is not None]


def score_clips(
    samples: Sequence[Sample],
    engine: Engine,
    *,
    sampling_rate: int | None = None,
    modalities: Sequence[str] = ("av",),
    merge_by: int = 0,
    classes: Sequence[str] = (),
    degrade: Degrade | None = None,
    on_clip: Callable[[], None] = lambda: None,
) -> dict[str, Evaluation]:
    """Score a model on clips, once per modality; each clip is read once.

    The output for a clip is the mean over its views: of the probabilities, or of a regression's values. It does not
    depend on the other clips.

    Args:
        samples: labelled clips; their labels are the model's, or their values are in the order of its targets.
        engine: the model.
        sampling_rate: take every n-th frame; by default as the weight was trained. Only for a weight that counts
            frames.
        modalities: any of ``av``, ``video`` and ``audio``: the streams that the model gets.
        merge_by: number of fields of an id, separated by ``_``, that clips with one common decision share; 0 decides
            every clip alone.
        classes: the labels to choose among, if not all of the model's: the probabilities of the others are dropped,
            and the rest is scaled to a sum of one.
        degrade: degrades every clip before the model gets it.
        on_clip: called after each clip.

    Returns:
        One evaluation per modality that any clip has. Clips that cannot be read are in its ``failures``; those for
        which the list names no file with that stream are counted as ``skipped``.

    Raises:
        ManifestError: the model does not know a label, clips with one common decision differ in their labels, or no
            clip could be read.
        SettingsError: ``sampling_rate`` for a weight that samples by time.
    """
    info = engine.info
    labels = tuple(classes) or info.labels
    _check_targets(samples, info, labels)
    if merge_by:
        _check_groups(samples, merge_by)
    picked = [info.labels.index(label) for label in labels]
    stride = _choose_stride(info, sampling_rate)
    read = modalities[0] if len(modalities) == 1 else "av"
    results: dict[str, list[SampleResult]] = {modality: [] for modality in modalities}
    failures: dict[str, list[tuple[str, str]]] = {modality: [] for modality in modalities}
    skipped: Counter[str] = Counter()
    for sample in samples:
        wanted = [modality for modality in modalities if sample.has_stream(modality)]
        skipped.update(modality for modality in modalities if modality not in wanted)
        if not wanted:
            on_clip()
            continue
        try:
            prepared = read_prepared_clip(sample.video, sample.audio)
            if degrade is not None:
                prepared = degrade.degrade_sound(prepared, sample.id)
            clips = prepared.read_evaluation_clips(stride, read)
            if degrade is not None:
                clips = degrade.degrade_faces(clips, sample.id)
        except (HicmaeError, ValueError) as error:
            for modality in wanted:
                failures[modality].append((sample.id, describe_fault(sample, error)))
            on_clip()
            continue
        for modality in wanted:
            shown = restrict_views(clips, modality)
            if not shown:
                failures[modality].append((sample.id, f"the clip has no {modality}"))
                continue
            outputs = _run_views(engine, shown)
            if classes:
                outputs = _rescale(outputs[:, picked])
            views = tuple(tuple(view) for view in outputs.tolist())
            undecided = SampleResult(sample.id, sample.target, "", (), views, sample.speaker, sample.fold)
            results[modality].append(decide(undecided, labels, info.kind))
        on_clip()
    if merge_by:
        for modality in modalities:
            results[modality] = merge_clips(results[modality], merge_by, labels, info.kind)
    return {
        modality: Evaluation(
            info,
            engine.name,
            modality,
            stride,
            tuple(results[modality]),
            tuple(failures[modality]),
            tuple(classes),
            skipped[modality],
            engine.device,
        )
        for modality in modalities
        if results[modality] or not any(results.values())
    }


def _choose_stride(info: WeightInfo, sampling_rate: int | None) -> int | None:
    """Return the number of frames from one sampled frame to the next; None to sample by time."""
    if sampling_rate is not None and info.frame_stride is None:
        raise SettingsError(
            f"sampling_rate={sampling_rate}: this weight samples clips by time, one frame every {FRAME_STEP_S} s; only "
            "a weight that counts frames has a sampling rate"
        )
    return sampling_rate or info.frame_stride


def _run_views(engine: Engine, clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Outputs of the model for the views of a clip -> (V, C); a view that is in the list twice is run once."""
    distinct = {id(clip): clip for clip in clips}
    # The caches of a CPU hold one view but not two.
    batch_size = 1 if engine.device == "cpu" else len(distinct)
    rows = dict(zip(distinct, score_batches(engine, list(distinct.values()), batch_size), strict=True))
    return np.stack([rows[id(clip)] for clip in clips])


def _rescale(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows (V, C) to sums of one; a row of zeros becomes uniform."""
    sums = rows.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[1])
    return shares


def _check_targets(samples: Sequence[Sample], info: WeightInfo, labels: Sequence[str]) -> None:
    if info.task == "regression":
        for sample in samples:
            check_values(sample.target, labels, f"clip {sample.id}")
        return
    if info.task == "multilabel":
        if odd := next((sample for sample in samples if not isinstance(sample.target, frozenset)), None):
            raise ManifestError(
                f"clip {odd.id}: expected a set of labels, got {format_target(odd.target)!r}; read the manifest with "
                "task='multilabel'"
            )
        found = {label for sample in samples for label in sample.labels}
    else:
        found = {format_target(sample.target) for sample in samples}
    unknown = sorted(found - set(labels))
    if unknown:
        raise ManifestError(f"labels {', '.join(unknown)} are not among the model's: {', '.join(labels)}")


def _check_groups(samples: Sequence[Sample], merge_by: int) -> None:
    """Check that clips with one common decision have the same target."""
    first: dict[str, Sample] = {}
    for sample in samples:
        other = first.setdefault(name_group(sample.id, merge_by), sample)
        if other.target != sample.target:
            raise ManifestError(
                f"clips {other.id} and {sample.id} are decided as one but are labelled {format_target(other.target)} "
                f"and {format_target(sample.target)}"
            )
