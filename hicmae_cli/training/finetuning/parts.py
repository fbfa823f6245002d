"""What a fine-tuning is given: clips that learn, clips that choose the epoch, clips that are only tested."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from hicmae_cli.clips import PreparedClip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample, fault_of
from hicmae_cli.corpora.splits import Split, cut_validation, shared_people, split_by_column, split_by_fold
from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError
from hicmae_cli.evaluation.evaluate import restrict
from hicmae_cli.models.config import AUDIO_GRID, PATCH_PX, VIDEO_GRID
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.masking import cut_patches, keep_patches, spread_tokens
from hicmae_cli.training.finetuning.data import training_loader, unbroken
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.machine import batches_in
from hicmae_cli.training.order import first_batches
from hicmae_cli.training.runs import fingerprint
from hicmae_cli.training.settings import FinetuneSettings
from hicmae_cli.training.whitening import TokenSample


def parts_of(samples: Sequence[Sample], settings: FinetuneSettings, fold: str | None = None) -> Split[Sample]:
    """The parts of a manifest, as the recipe's ``selection`` asks for them.

    ``val`` takes the manifest's validation clips, or cuts them from the training ones, whole speakers at a time;
    ``last`` needs none; ``test-best`` chooses by the test clips themselves, as the paper's authors do.

    Args:
        samples: lines of the manifest.
        settings: the recipe.
        fold: the fold to test; None where the column ``split`` says who is what.

    Raises:
        ManifestError: a part is empty.
    """
    split = split_by_column(samples) if fold is None else split_by_fold(samples, fold)
    if settings.selection == "last":
        return replace(split, validation=[])
    if settings.selection == "test-best":
        if not split.test:
            raise ManifestError("selection test-best: there are no test clips to choose by")
        return replace(split, validation=split.test)
    if split.validation or not split.train:
        return split
    train, validation = cut_validation(split.train, settings.validation_share, settings.seed)
    return Split(train, validation, split.test)


def check_splits(train: Sequence[Sample], validation: Sequence[Sample], task: Task, settings: FinetuneSettings) -> None:
    """Make sure that there are clips, of labels that are known, and that nobody is in both parts.

    Raises:
        ManifestError: something of this is not so.
        SettingsError: validation clips where the last epoch is taken.
    """
    if settings.selection == "last" and validation:
        raise SettingsError("selection last takes the last epoch; it has no use for validation clips")
    needed = [("training", train)] + ([] if settings.selection == "last" else [("validation", validation)])
    for name, split in needed:
        if not split:
            raise ManifestError(
                f"no {name} clips: give the manifest a split column with train and validation, or a fold column"
            )
    unknown = {sample.label for sample in (*train, *validation)} - set(task.labels)
    if unknown and not task.is_regression:
        raise ManifestError(f"labels {', '.join(sorted(unknown))} are not among {', '.join(task.labels)}")
    kinds = {sample.label for sample in validation}
    if not task.is_regression and len(task.labels) > 1 and len(kinds) == 1:
        raise ManifestError(
            f"all {len(validation)} validation clips are labelled {min(kinds)}: they cannot tell a good epoch from a "
            "bad one; set more people aside (validation_share), or take the last epoch"
        )
    check_people(train, validation, "test" if settings.selection == "test-best" else "validation")


def check_people(train: Sequence[Sample], other: Sequence[Sample], name: str) -> None:
    """Make sure that nobody is in the training clips and in others.

    Raises:
        ManifestError: some people are.
    """
    if shared := shared_people(train, other):
        raise ManifestError(
            f"{len(shared)} people are in both the training and the {name} split, e.g. {shared[0]}; "
            "scores on people seen in training say little"
        )


def absent_classes(clips: Sequence[Sample], labels: Sequence[str], name: str) -> str | None:
    """What to say of a part that lacks some classes."""
    absent = [label for label in labels if label not in {sample.label for sample in clips}]
    return f"there are no {name} clips of {', '.join(absent)}" if absent else None


def unreadable(clips: Sequence[Sample], settings: FinetuneSettings) -> list[str]:
    """What is wrong with clips that cannot be judged; found now, and not after the first epoch."""
    return [fault for sample in clips if (fault := _fault(sample, settings))]


def _fault(sample: Sample, settings: FinetuneSettings) -> str | None:
    try:
        views = read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(settings.sampling_rate)
    except (HicmaeError, ValueError) as error:
        return f"clip {sample.id}: {fault_of(sample, error)}"
    if any(restrict(view, settings.modality) for view in views):
        return None
    return f"clip {sample.id}: has no {settings.modality}"


def clips_fingerprint(*splits: Sequence[Sample]) -> str:
    """Short hash of which clips are learned from, whatever folder they lie in."""
    return fingerprint(f"{s.id},{s.label},{s.split},{s.speaker}" for split in splits for s in split)


def first_looks(
    train: Sequence[Sample], task: Task, settings: FinetuneSettings, cache: Sequence[PreparedClip] | None
) -> list[TokenSample]:
    """Some tokens of the first ``fit_start_clips`` clips, to fit a fresh model to; the same in every process."""
    batches = first_batches(len(train), settings, settings.seed, settings.fit_start_clips)
    generator = torch.Generator().manual_seed(settings.seed)
    looks = []
    loader = training_loader(train, task.labels, settings, 0, batches, cache, regression=task.is_regression)
    with batches_in(loader) as read:
        for batch in map(unbroken, read):
            keep_video = spread_tokens(len(batch.faces), VIDEO_GRID, math.prod(VIDEO_GRID[1:]), generator=generator)
            keep_audio = spread_tokens(len(batch.faces), AUDIO_GRID, math.prod(AUDIO_GRID) // 2, generator=generator)
            patches = keep_patches(cut_patches(batch.audio, (PATCH_PX, PATCH_PX)), keep_audio)
            looks.append(TokenSample(to_video(batch.faces, batch.seen, keep_video), patches, keep_video, keep_audio))
    return looks
