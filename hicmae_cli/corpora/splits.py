"""Split clips into training, validation and test parts: by fold, by column, and validation people from training."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.corpora.manifest import RECORDING, Sample
from hicmae_cli.corpora.values import name_class
from hicmae_cli.errors import ManifestError
from hicmae_cli.files import hash_lines

SampleOrItem = TypeVar("SampleOrItem", Sample, Item)
"""A line of a manifest, or an item as distributed: both name their fold, split and speaker."""


@dataclass(frozen=True)
class Split(Generic[SampleOrItem]):
    """Three disjoint parts of a manifest."""

    train: list[SampleOrItem]
    validation: list[SampleOrItem]
    test: list[SampleOrItem]


def hash_split(pairs: Iterable[tuple[str, str]]) -> str:
    """Hash a part's (id, label) pairs in any order: sha256 of the sorted lines ``<id> <label>``.

    Labels are written as in the dataset's lists: class numbers, or floats as Python writes them.
    """
    return hash_lines(sorted(f"{id_} {label}" for id_, label in pairs))


def list_folds(samples: Sequence[Sample | Item]) -> list[str]:
    """Return the names of the folds in a manifest, in natural order."""
    names = {sample.fold for sample in samples if sample.fold}
    return sorted(names, key=lambda name: (len(name), name))


def split_by_fold(clips: Sequence[SampleOrItem], fold: str) -> Split[SampleOrItem]:
    """Test on the clips of one fold and train on all others, whatever the column ``split`` says; none validate yet.

    Raises:
        ManifestError: there is no such fold, or no clip outside it, or a clip has another split than train but no fold.
    """
    for clip in clips:
        if not clip.fold and clip.split not in ("", "train"):
            raise ManifestError(
                f"clip {clip.id}: has the split {clip.split!r} but no fold, while other clips have folds; give it a "
                "fold, or leave its split empty to train on it in every fold"
            )
    test = [clip for clip in clips if clip.fold == fold]
    train = [clip for clip in clips if clip.fold != fold]
    if not test or not train:
        known = ", ".join(list_folds(clips)) or "none: its column fold is empty"
        raise ManifestError(
            f"fold {fold}: got {len(test)} test clips and {len(train)} training clips; the manifest's folds are {known}"
        )
    return Split(train, [], test)


def split_by_column(samples: Sequence[SampleOrItem]) -> Split[SampleOrItem]:
    """Split by the column ``split``; if it is empty for all clips, all are training clips.

    Raises:
        ManifestError: an unknown word in the column.
    """
    parts: dict[str, list[SampleOrItem]] = {"train": [], "validation": [], "test": []}
    unnamed = "" if any(sample.split for sample in samples) else "train"
    for sample in samples:
        name = "validation" if sample.split == "val" else sample.split or unnamed
        if name not in parts:
            raise ManifestError(f"clip {sample.id}: its split is {sample.split!r}, expected train, validation or test")
        parts[name].append(sample)
    return Split(parts["train"], parts["validation"], parts["test"])


def find_shared_people(left: Iterable[Sample | Item], right: Iterable[Sample | Item]) -> list[str]:
    """Return the people who are in both parts, sorted; clips without a speaker do not count."""
    return sorted({clip.speaker for clip in left} & {clip.speaker for clip in right} - {""})


def check_speakers(samples: Sequence[Sample]) -> list[str]:
    """Return all people of a list, sorted; none if no clip names its speaker.

    Raises:
        ManifestError: only some clips name their speaker.
    """
    known = {sample.speaker for sample in samples if sample.speaker}
    if known and any(not sample.speaker for sample in samples):
        unnamed = next(sample.id for sample in samples if not sample.speaker)
        raise ManifestError(
            f"clip {unnamed}: has no speaker, but other clips do; fill in the column speaker for all clips or for none"
        )
    return sorted(known)


def group_recordings(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Group the clips of each recording, which share their sound -> id of a group's first clip -> its clips.

    The first clip is that of the person who is seen most. A clip of no recording is a group of its own.
    """
    groups: dict[tuple[bool, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        recording = sample.extra.get(RECORDING, "")
        groups[bool(recording), recording or sample.id].append(sample)
    for clips in groups.values():
        clips.sort(key=lambda sample: (len(sample.id), sample.id))
    return {clips[0].id: clips for clips in groups.values()}


def keep_label_share(samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """Keep a share of the clips of every class, at least one, in the given order; for learning curves.

    A clip's rank in its class follows from the seed and its id alone. So the clips of a share are among those of every
    greater share, and the order of ``samples`` does not matter. All values of a regression are one class.
    """
    if share >= 1:
        return list(samples)
    by_class: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        by_class[name_class(sample.target)].append(sample.id)
    kept: set[str] = set()
    for ids in by_class.values():
        ranked = sorted(
            ids, key=lambda id_: hashlib.sha256(f"{seed} {id_}".encode("utf-8", "surrogateescape")).digest()
        )
        kept.update(ranked[: max(1, round(share * len(ids)))])
    return [sample for sample in samples if sample.id in kept]


def cut_validation(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Set some people aside for validation -> (training, validation) clips, in the given order.

    It draws whole speakers at random until ``share`` of the clips is reached, and at most half of the speakers and of
    the clips. Without speakers it draws the same share of every label clip by clip, at least one and never all; all
    labels that are numbers count as one. Clips of one recording stay together. The order of ``samples`` does not
    matter.

    Raises:
        ManifestError: only some clips name their speaker, there is only one speaker, or no label has two clips.
    """
    everything, siblings = samples, group_recordings(samples)
    samples = [clips[0] for clips in siblings.values()]
    known = check_speakers(samples)
    rng = np.random.default_rng([seed, len(samples)])
    chosen = _draw_people(samples, known, share, rng) if known else _draw_clips(samples, share, rng)
    if not chosen:
        raise ManifestError(f"{len(samples)} training clips: too few to set some aside for validation")
    chosen = {sample.id for first in chosen for sample in siblings[first]}
    train = [sample for sample in everything if sample.id not in chosen]
    return train, [sample for sample in everything if sample.id in chosen]


def _draw_people(samples: Sequence[Sample], people: Sequence[str], share: float, rng: np.random.Generator) -> set[str]:
    if len(people) < 2:
        raise ManifestError(f"all training clips show one person, {people[0]}; a validation split needs at least two")
    clips = Counter(sample.speaker for sample in samples)
    taken: set[str] = set()
    count = 0
    for index in rng.permutation(len(people)):
        person = people[int(index)]
        if count + clips[person] > len(samples) / 2:
            continue  # someone with more than half of the clips; of two people, one always fits
        taken.add(person)
        count += clips[person]
        if count >= share * len(samples) or len(taken) == len(people) // 2:
            break
    return {sample.id for sample in samples if sample.speaker in taken}


def _draw_clips(samples: Sequence[Sample], share: float, rng: np.random.Generator) -> set[str]:
    by_label: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        by_label[name_class(sample.target)].append(sample.id)
    chosen: set[str] = set()
    for _, ids in sorted(by_label.items()):
        count = min(max(1, round(share * len(ids))), len(ids) - 1)
        chosen.update(sorted(ids)[int(index)] for index in rng.permutation(len(ids))[:count])
    return chosen
