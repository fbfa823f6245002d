"""The clips of a run: which ones to train on, validate on and test on, and checks of all three."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from statistics import median
from typing import Final

import torch

from hicmae_cli.clips import PreparedClip, read_prepared_clip
from hicmae_cli.corpora.manifest import CUE, Sample
from hicmae_cli.corpora.splits import (
    Split,
    cut_validation,
    find_shared_people,
    keep_label_share,
    split_by_column,
    split_by_fold,
)
from hicmae_cli.corpora.values import format_target
from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError
from hicmae_cli.models.config import AUDIO_GRID, PATCH_PX, VIDEO_GRID
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import cut_patches, keep_patches, spread_tokens
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.data import training_loader, unpack_batch
from hicmae_cli.training.finetuning.draws import EpochSampler, name_source
from hicmae_cli.training.finetuning.soft_targets import TEACHER
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.machine import batches_in
from hicmae_cli.training.order import first_batches
from hicmae_cli.training.runs import fingerprint
from hicmae_cli.training.whitening import TokenSample

# Enough to tell 25 from 30 frames/s; to open each of them takes milliseconds.
_MEASURED_CLIPS: Final = 32


def keep_usable(samples: Sequence[Sample], task: Task, modality: str) -> tuple[list[Sample], list[str]]:
    """Keep the clips that a run can use -> them, and a warning for each reason to skip others.

    Args:
        samples: all lines of the manifest.
        task: what the model learns; clips of classes that are not among its labels are skipped.
        modality: the streams that the model gets; clips without any of them are skipped.

    Raises:
        ManifestError: no clips are left, or a label has none while those of other labels are skipped.
    """
    kept, notes = list(samples), []
    if task.kind == "classification":
        others = Counter(sample.label for sample in kept if sample.label not in task.labels)
        present = {sample.label for sample in kept}
        if others and (absent := [label for label in task.labels if label not in present]):
            raise ManifestError(
                f"labels={','.join(task.labels)!r}: no clip is labelled {', '.join(absent)}, and the label "
                f"{min(others)!r} is not one of {', '.join(task.labels)}"
            )
        if others:
            kept = [sample for sample in kept if sample.label in task.labels]
            counts = ", ".join(f"{count} of {label}" for label, count in sorted(others.items()))
            notes.append(f"skipped {others.total()} clips of other labels: {counts}")
    with_stream = [sample for sample in kept if sample.has_stream(modality)]
    if not with_stream:
        raise ManifestError(f"modality={modality!r}: none of the {len(kept)} clips has {modality}")
    if skipped := len(kept) - len(with_stream):
        notes.append(f"skipped {skipped} clips that have no {modality}")
    return with_stream, notes


def split_samples(
    samples: Sequence[Sample],
    fold: str | None = None,
    *,
    selection: str = "val",
    validation_share: float = 0.1,
    seed: int = 0,
    label_share: float = 1.0,
) -> Split[Sample]:
    """Split a manifest as the recipe's ``selection`` asks.

    ``val`` takes the manifest's validation clips, or cuts them from the training clips, whole speakers at a time;
    ``last`` needs none; ``test-best`` validates on the test clips themselves, as the paper's authors do.

    Args:
        samples: lines of the manifest.
        fold: the fold to test; None to split by the column ``split``.
        selection: the recipe's ``selection``.
        validation_share: of the training clips to cut off.
        seed: the recipe's ``split_seed``, which decides which ones.
        label_share: of the remaining training clips of each class to keep; all others are unchanged.

    Raises:
        ManifestError: a split is empty.
    """
    split = _choose_validation(samples, fold, selection, validation_share, seed)
    return replace(split, train=keep_label_share(split.train, label_share, seed))


def _choose_validation(
    samples: Sequence[Sample], fold: str | None, selection: str, validation_share: float, seed: int
) -> Split[Sample]:
    split = split_by_column(samples) if fold is None else split_by_fold(samples, fold)
    if selection == "last":
        return replace(split, validation=[])
    if selection == "test-best":
        if not split.test:
            raise ManifestError("selection='test-best': there are no test clips to choose the epoch on")
        return replace(split, validation=split.test)
    if split.validation or not split.train:
        return split
    train, validation = cut_validation(split.train, validation_share, seed)
    return Split(train, validation, split.test)


def check_splits(train: Sequence[Sample], validation: Sequence[Sample], task: Task, selection: str = "val") -> None:
    """Check that there are clips, that all labels are known, and that nobody is in both splits.

    People may be in both if the task says so (``Task.may_share_people``).

    Raises:
        ManifestError: one of these is not so.
        SettingsError: validation clips together with selection ``last``.
    """
    if selection == "last" and validation:
        raise SettingsError("selection='last' keeps the last epoch and takes no validation clips")
    needed = [("training", train)] + ([] if selection == "last" else [("validation", validation)])
    for name, split in needed:
        if not split:
            raise ManifestError(
                f"no {name} clips: give the manifest a split column with train and validation, or a fold column"
            )
    _check_labels(train, validation, task)
    if not task.may_share_people:
        check_people(train, validation, "test" if selection == "test-best" else "validation")


def _check_labels(train: Sequence[Sample], validation: Sequence[Sample], task: Task) -> None:
    """Check the labels of both splits; a regression has none."""
    if task.is_regression:
        return
    if unknown := {label for sample in (*train, *validation) for label in sample.labels} - set(task.labels):
        raise ManifestError(f"labels {', '.join(sorted(unknown))} are not among {', '.join(task.labels)}")
    found = {format_target(sample.target) for sample in validation}
    if len(task.labels) > 1 and len(found) == 1:
        raise ManifestError(
            f"all {len(validation)} validation clips are labelled {min(found)}: no epoch could score better than "
            "another; raise validation_share, or use selection='last'"
        )


def check_people(train: Sequence[Sample], other: Sequence[Sample], name: str) -> None:
    """Check that nobody is both in the training clips and in another split.

    Raises:
        ManifestError: some people are.
    """
    if shared := find_shared_people(train, other):
        raise ManifestError(
            f"{len(shared)} people are in both the training and the {name} split, e.g. {shared[0]}; "
            "scores on people of the training clips mean little"
        )


def describe_absent_classes(clips: Sequence[Sample], labels: Sequence[str], name: str) -> str | None:
    """Return a warning about classes that a split lacks, or None."""
    absent = [label for label in labels if label not in {each for sample in clips for each in sample.labels}]
    return f"there are no {name} clips of {', '.join(absent)}" if absent else None


def measure_step_s(clips: Sequence[Sample], frame_stride: int | None) -> float | None:
    """Measure the typical time between two sampled frames: the median over some of the clips.

    Args:
        clips: the training clips.
        frame_stride: take every n-th frame; None if clips are sampled by time, which needs no measurement.

    Returns:
        Seconds; None where nothing is measured: no clip with video can be read, or no camera has such a rate.
    """
    if frame_stride is None:
        return None
    found = []
    with_video = [sample for sample in clips if sample.video is not None]
    for sample in with_video[:: max(1, len(with_video) // _MEASURED_CLIPS)]:
        # A broken clip is reported when it is trained on.
        with suppress(HicmaeError, ValueError, OSError):
            clip = read_prepared_clip(sample.video, sample.audio)
            found += [] if clip.is_still else [clip.frame_s]
    step_s = round(frame_stride * median(found), 4) if found else 0.0
    return step_s if 0.01 <= step_s <= 3.75 else None


def fingerprint_clips(*splits: Sequence[Sample]) -> str:
    """Return a short hash of the clips of a run; it does not depend on the folder they are in."""
    return fingerprint(f"{s.id},{format_target(s.target)},{s.split},{s.speaker}" for split in splits for s in split)


def fingerprint_corpora(train: Sequence[Sample], settings: FinetuneSettings) -> dict[str, str]:
    """Return a short hash of what the keys for several corpora read beside the labels; nothing if none is set."""
    if not (settings.draws_clips or settings.pair_streams or settings.teacher_weight or settings.auxiliary_weight):
        return {}
    read = (TEACHER, CUE) if settings.auxiliary_weight else (TEACHER,)
    lines = [
        f"{name_source(sample)},{sample.video is not None},{sample.audio is not None},"
        + (",".join(f"{key}={value}" for key, value in sample.extra.items() if key.startswith(read)))
        for sample in train
    ]
    return {"corpora": fingerprint(lines)}


def read_calibration(
    train: Sequence[Sample],
    task: Task,
    settings: FinetuneSettings,
    cache: Sequence[PreparedClip] | None,
    generator: torch.Generator,
) -> list[TokenSample]:
    """Read some tokens of ``fit_start_clips`` clips, to fit a fresh model to; the same in every process."""
    drawn = EpochSampler.plan(train, settings).draw(0)
    batches = first_batches(drawn.keys, settings, settings.fit_start_clips)
    found = []
    whole = settings.model_copy(update={"drop_video_tokens": 0.0})
    loader = training_loader(train, task.labels, whole, 0, batches, cache, task=task.kind, rows=drawn.row_of_key)
    with batches_in(loader) as read:
        for faces, has_faces, audio, *_ in map(unpack_batch, read):
            keep_video, keep_audio = (
                spread_tokens(len(faces), grid, count, generator=generator)
                for grid, count in ((VIDEO_GRID, math.prod(VIDEO_GRID[1:])), (AUDIO_GRID, math.prod(AUDIO_GRID) // 2))
            )
            video = None if settings.modality == "audio" else to_video(faces, has_faces, keep_video)
            sound = None if settings.modality == "video" else cut_patches(audio, (PATCH_PX, PATCH_PX))
            patches = None if sound is None else keep_patches(sound, keep_audio)
            found.append(TokenSample(video, patches, keep_video, keep_audio))
    return found
