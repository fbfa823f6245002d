"""Who is trained on, who chooses the epoch, who is tested: folds, and validation people cut from the training ones."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError

Clip = TypeVar("Clip", Sample, Item)
"""What has a place in the splits: a line of a manifest, or an item as it was distributed."""


@dataclass(frozen=True)
class Split(Generic[Clip]):
    """Three parts of a manifest; no clip is in two of them."""

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


def split_hash(pairs: Iterable[tuple[str, str]]) -> str:
    """Hash of a part's (id, label) pairs, whatever their order: sha256 of the sorted lines ``<id> <label>``.

    Labels are written as the dataset's lists have them: numbers of classes, or floats as Python writes them.
    """
    lines = sorted(f"{id_} {label}" for id_, label in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def folds_of(samples: Sequence[Sample | Item]) -> list[str]:
    """Names of the folds in a manifest, in their natural order."""
    names = {sample.fold for sample in samples if sample.fold}
    return sorted(names, key=lambda name: (len(name), name))


def split_by_fold(clips: Sequence[Clip], fold: str) -> Split[Clip]:
    """Test on the clips of one fold, whatever their column ``split`` says; train on all others; none validate yet.

    Raises:
        ManifestError: no such fold, or it is all there is; a clip that is to test or validate, but in no fold.
    """
    for clip in clips:
        if not clip.fold and clip.split not in ("", "train"):
            raise ManifestError(
                f"clip {clip.id}: is in no fold, but of the split {clip.split!r}; where others have folds, the rest "
                "is trained on: give it a fold, or leave its split empty"
            )
    test = [clip for clip in clips if clip.fold == fold]
    train = [clip for clip in clips if clip.fold != fold]
    if not test or not train:
        known = ", ".join(folds_of(clips)) or "none: its column fold is empty"
        raise ManifestError(
            f"fold {fold}: {len(test)} clips to test and {len(train)} to train on; the manifest's folds are {known}"
        )
    return Split(train, [], test)


def split_by_column(samples: Sequence[Clip]) -> Split[Clip]:
    """The parts that the column ``split`` names. Where nobody is named, all train.

    Raises:
        ManifestError: another word in the column.
    """
    parts: dict[str, list[Clip]] = {"train": [], "validation": [], "test": []}
    unnamed = "" if any(sample.split for sample in samples) else "train"
    for sample in samples:
        name = "validation" if sample.split == "val" else sample.split or unnamed
        if name not in parts:
            raise ManifestError(f"clip {sample.id}: its split is {sample.split!r}, expected train, validation or test")
        parts[name].append(sample)
    return Split(parts["train"], parts["validation"], parts["test"])


def shared_people(left: Iterable[Sample | Item], right: Iterable[Sample | Item]) -> list[str]:
    """Who is in both of two parts, sorted; clips without a name are nobody's."""
    return sorted({clip.speaker for clip in left} & {clip.speaker for clip in right} - {""})


def cut_validation(samples: Sequence[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Set some people aside to choose the epoch by -> (training, validation) clips, in the given order.

    Whole speakers are taken at random until ``share`` of the clips is reached, never more than half of the speakers or
    of the clips. Where no speakers are known, the same share of every label is taken clip by clip: one at least, and
    never all; labels that are numbers count as one. The order of ``samples`` does not matter.

    Raises:
        ManifestError: some clips name their speaker and some do not, there is one speaker only, or there is nothing to
            take: no label has two clips.
    """
    known = {sample.speaker for sample in samples if sample.speaker}
    if known and any(not sample.speaker for sample in samples):
        unnamed = next(sample.id for sample in samples if not sample.speaker)
        raise ManifestError(
            f"clip {unnamed}: names no speaker, but others do; fill in the column for all of them, or for none"
        )
    rng = np.random.default_rng([seed, len(samples)])
    chosen = _some_people(samples, sorted(known), share, rng) if known else _some_clips(samples, share, rng)
    if not chosen:
        raise ManifestError(f"{len(samples)} training clips: too few to set some aside and choose the epoch by them")
    train = [sample for sample in samples if sample.id not in chosen]
    return train, [sample for sample in samples if sample.id in chosen]


def _some_people(samples: Sequence[Sample], people: Sequence[str], share: float, rng: np.random.Generator) -> set[str]:
    if len(people) < 2:
        raise ManifestError(f"all training clips are of one person, {people[0]}; a validation split needs others")
    clips = Counter(sample.speaker for sample in samples)
    taken: set[str] = set()
    count = 0
    for index in rng.permutation(len(people)):
        person = people[int(index)]
        if count + clips[person] > len(samples) / 2:
            continue  # a person who speaks most of the time; of two people one can always be taken
        taken.add(person)
        count += clips[person]
        if count >= share * len(samples) or len(taken) == len(people) // 2:
            break
    return {sample.id for sample in samples if sample.speaker in taken}


def _some_clips(samples: Sequence[Sample], share: float, rng: np.random.Generator) -> set[str]:
    by_label: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        by_label[sample.target if isinstance(sample.target, str) else ""].append(sample.id)
    chosen: set[str] = set()
    for _, ids in sorted(by_label.items()):
        count = min(max(1, round(share * len(ids))), len(ids) - 1)
        chosen.update(sorted(ids)[int(index)] for index in rng.permutation(len(ids))[:count])
    return chosen
