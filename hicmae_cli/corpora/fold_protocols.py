"""Folds that a run draws for itself: leave one speaker out, or N folds over people, once or several times."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import check_speakers, group_recordings
from hicmae_cli.corpora.values import name_class
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.files import write_text_atomically

SCHEMA: Final = "hicmae.folds/1"
Kind = Literal["official", "loso", "kfold", "repeated"]
_COUNTS: Final[Mapping[Kind, str]] = {
    "official": r"",
    "loso": r"",
    "kfold": r":(?P<folds>\d{1,4})",
    "repeated": r":(?P<folds>\d{1,4})x(?P<repetitions>\d{1,4})",
}


@dataclass(frozen=True)
class FoldProtocol:
    """How the clips of a list are dealt to test folds.

    Attributes:
        kind: ``official`` takes the folds or the split of the list; the others draw folds.
        folds: number of folds of ``kfold`` and ``repeated``.
        repetitions: how often the folds are drawn.
    """

    kind: Kind = "official"
    folds: int = 0
    repetitions: int = 1

    @property
    def is_official(self) -> bool:
        """Whether the list decides."""
        return self.kind == "official"

    def repeat(self) -> FoldProtocol:
        """Return the protocol of a single repetition."""
        return replace(self, kind="kfold", repetitions=1) if self.kind == "repeated" else self

    def __str__(self) -> str:
        """The text that ``parse_protocol`` reads."""
        if self.kind == "repeated":
            return f"repeated:{self.folds}x{self.repetitions}"
        return f"kfold:{self.folds}" if self.kind == "kfold" else self.kind


def parse_protocol(text: str | None) -> FoldProtocol:
    """Read ``official``, ``loso``, ``kfold:5`` or ``repeated:5x3``; None is ``official``.

    Raises:
        SettingsError: another text, or fewer than two folds or repetitions.
    """
    for kind in get_args(Kind):
        if found := re.fullmatch(kind + _COUNTS[kind], (text or "official").strip().lower()):
            counts = {name: int(number) for name, number in found.groupdict().items()}
            if any(number < 2 for number in counts.values()):
                raise SettingsError(f"protocol={text!r}: expected at least two folds and two repetitions")
            return FoldProtocol(kind, **counts)
    raise SettingsError(
        f"protocol={text!r}: expected official, loso, kfold:N or repeated:NxM, such as kfold:5 or repeated:5x3"
    )


@dataclass(frozen=True)
class DrawnFolds:
    """The folds that a run drew; its folder keeps them, so that ``evaluate`` tests the same clips.

    Attributes:
        protocol: ``loso`` or ``kfold:N``.
        split_seed: the seed of the draw.
        rule: which clips each fold tests, in words.
        clips: fold -> ids of its test clips.
        people: fold -> people in its test clips; empty if the list names nobody.
    """

    protocol: str
    split_seed: int
    rule: str
    clips: Mapping[str, tuple[str, ...]]
    people: Mapping[str, tuple[str, ...]]

    def assign(self, samples: Sequence[Sample], is_skipped: Callable[[Sample], bool] = lambda _: False) -> list[Sample]:
        """Give every clip of the list its fold, and no split.

        Args:
            samples: the clips.
            is_skipped: whether the run may have skipped a clip, which then needs no fold.

        Raises:
            ManifestError: clips that were not in the list when the folds were drawn.
        """
        folds = {clip: fold for fold, clips in self.clips.items() for clip in clips}
        if unknown := [sample.id for sample in samples if sample.id not in folds and not is_skipped(sample)]:
            raise ManifestError(
                f"{len(unknown)} clips have no fold, e.g. {unknown[0]}: they were not in the list when the run drew "
                "its folds; use the list of the run"
            )
        return [replace(sample, fold=folds.get(sample.id, ""), split="") for sample in samples]

    def knows_any(self, samples: Sequence[Sample]) -> bool:
        """Whether the folds were drawn from a list that shares clips with this one."""
        known = {clip for clips in self.clips.values() for clip in clips}
        return any(sample.id in known for sample in samples)

    def describe(self, dataset: Dataset) -> Dataset:
        """Describe the dataset by these folds: its official folds, counts and published scores do not apply."""
        return replace(dataset, folds=(), fold_rule="", published={}, scores={}, people=None)

    def write(self, path: Path) -> None:
        """Write the folds as JSON, schema ``hicmae.folds/1``."""
        folds = {
            fold: {"people": list(self.people.get(fold, ())), "clips": list(clips)}
            for fold, clips in self.clips.items()
        }
        document = {
            "schema": SCHEMA,
            "protocol": self.protocol,
            "split_seed": self.split_seed,
            "rule": self.rule,
            "folds": folds,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_folds(path: Path) -> DrawnFolds:
    """Read the file that ``DrawnFolds.write`` wrote.

    Raises:
        ManifestError: it cannot be read, or is another kind of file.
    """
    try:
        document: Any = json.loads(path.read_text("utf-8", "surrogateescape"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"expected the schema {SCHEMA}, got {document['schema']}")
        folds = document["folds"].items()
        return DrawnFolds(
            protocol=document["protocol"],
            split_seed=document["split_seed"],
            rule=document["rule"],
            clips={fold: tuple(found["clips"]) for fold, found in folds},
            people={fold: tuple(found["people"]) for fold, found in folds if found["people"]},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: cannot be read as a list of folds: {error}") from error


def draw_folds(samples: Sequence[Sample], protocol: FoldProtocol, split_seed: int) -> DrawnFolds:
    """Draw the folds of ``loso`` or ``kfold`` from all clips of a list, whatever its columns fold and split say.

    Nobody is in two folds, and every clip is in exactly one. The folds of ``kfold`` have about the same number of clips
    of every class, as well as the people allow. Clips of one recording are in one fold. The order of ``samples`` does
    not matter.

    Args:
        samples: the clips of the list.
        protocol: not ``official``, and one repetition.
        split_seed: decides who is in which fold of ``kfold``.

    Raises:
        ManifestError: ``loso`` on a list that does not name its people, only some clips that name theirs, or fewer
            people (or clips) than folds.
    """
    siblings = group_recordings(samples)
    samples = [clips[0] for clips in siblings.values()]
    people = check_speakers(samples)
    if protocol.kind == "loso":
        groups, rule = _leave_one_out(people), "leave one speaker out: every fold tests the clips of one speaker"
    else:
        count = protocol.folds
        if len(people or samples) < count:
            found = f"{len(people)} people" if people else f"{len(samples)} clips"
            raise ManifestError(f"protocol='{protocol}': got {found}; expected at least one for each fold")
        names = [f"kfold{count}-s{split_seed}-{index + 1}" for index in range(count)]
        rng = np.random.default_rng([split_seed, len(samples)])
        dealt = _deal_people(samples, people, count, rng) if people else _deal_clips(samples, count, rng)
        groups = {name: tuple(group) for name, group in zip(names, dealt, strict=True)}
        rule = f"{count} folds over {'people' if people else 'clips'}, drawn with split_seed {split_seed}"
    clips: Mapping[str, tuple[str, ...]] = groups
    if people:
        by_person: dict[str, list[str]] = defaultdict(list)
        for sample in samples:
            by_person[sample.speaker].append(sample.id)
        clips = {fold: tuple(clip for who in group for clip in by_person[who]) for fold, group in groups.items()}
    whole = {fold: tuple(clip.id for first in ids for clip in siblings[first]) for fold, ids in clips.items()}
    return DrawnFolds(str(protocol), split_seed, rule, whole, groups if people else {})


def _leave_one_out(people: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Give every speaker a fold whose name may also name a folder, on any file system."""
    if len(people) < 2:
        found = f"all clips are of {people[0]}" if people else "the clips name no speaker"
        raise ManifestError(
            f"protocol='loso': {found}; expected the column speaker to name at least two people, to leave one out"
        )
    named: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for person in people:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", person)
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        named[f"loso-{name}"] = (person,)
    return named


def _deal_people(
    samples: Sequence[Sample], people: Sequence[str], folds: int, rng: np.random.Generator
) -> list[list[str]]:
    """Deal whole people, those with most clips first, each to the fold that has fewest clips of that person's classes.

    For fold f this is the smallest rise of the sum over classes of (clips in f)^2 / (clips in all), with all clips
    together as one more class. Equal people are dealt in a random order.
    """
    counts: dict[str, Counter[str | None]] = {person: Counter() for person in people}
    for sample in samples:
        counts[sample.speaker].update((name_class(sample.target), None))
    totals: Counter[str | None] = sum(counts.values(), Counter())
    order = sorted((people[int(index)] for index in rng.permutation(len(people))), key=lambda who: -counts[who][None])
    load: list[Counter[str | None]] = [Counter() for _ in range(folds)]
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for place, person in enumerate(order):
        own = counts[person]
        empty = [fold for fold in range(folds) if not dealt[fold]]
        # The last people fill the folds that are still empty.
        allowed = empty if len(order) - place <= len(empty) else range(folds)
        # `fsum`, because a plain sum depends on the order of the classes, and that on the order of the clips.
        chosen = min(
            allowed,
            key=lambda fold: (fsum(load[fold][name] * n / totals[name] for name, n in own.items()), load[fold][None]),
        )
        load[chosen] += own
        dealt[chosen].append(person)
    return [sorted(group) for group in dealt]


def _deal_clips(samples: Sequence[Sample], folds: int, rng: np.random.Generator) -> list[list[str]]:
    """Deal the clips of every class in turn; a class goes on where the last one ended."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        by_class[name_class(sample.target)].append(sample.id)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    place = 0
    for _, ids in sorted(by_class.items()):
        for index in rng.permutation(len(ids)):
            dealt[place % folds].append(sorted(ids)[int(index)])
            place += 1
    return [sorted(group) for group in dealt]
