"""Whose clips a weight has learned from, over the whole chain of weights that it started from.

A weight stores a salted hash for each person, no names: whether it has learned from given people can be tested, but the
people cannot be listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from hicmae_cli.records.facts import Phase

MOST_CLIPS: Final = 2000
"""Hashes of clips without a speaker are stored up to this number; a weight should not grow by megabytes."""
Person = tuple[str, str]
"""Speaker (empty where unknown) and id of a clip."""


class SeenData(BaseModel):
    """The clips of one training.

    Attributes:
        dataset: its name.
        phase: ``pre-training``, without labels, or ``fine-tuning``.
        fold: the fold of the dataset that was excluded; empty if none was.
        manifest_sha256: hash of the list of clips.
        clips: number of clips.
        people: hash of each speaker.
        unnamed: hash of the id of each clip without a speaker.
        listed: whether ``people`` and ``unnamed`` are complete.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset: str
    phase: Phase
    fold: str = ""
    manifest_sha256: str = ""
    clips: int = 0
    people: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    listed: bool = False

    def has_person(self, speaker: str) -> bool:
        """Whether a speaker is among ``people``, by the name that the list of the training has."""
        return _hash(self.manifest_sha256, "person", speaker) in self.people


def note_seen(
    dataset: str, phase: Phase, clips: Sequence[Person], *, fold: str = "", manifest_sha256: str = ""
) -> SeenData:
    """Note the clips that a training learns from.

    Args:
        dataset: its name.
        phase: of the training.
        clips: speaker and id of each clip.
        fold: the fold that is excluded.
        manifest_sha256: hash of the list of clips; the salt of the other hashes.
    """
    unnamed = sorted({_hash(manifest_sha256, "clip", id_) for speaker, id_ in clips if not speaker})
    return SeenData(
        dataset=dataset,
        phase=phase,
        fold=fold,
        manifest_sha256=manifest_sha256,
        clips=len(clips),
        people=tuple(sorted({_hash(manifest_sha256, "person", speaker) for speaker, _ in clips if speaker})),
        unnamed=tuple(unnamed) if len(unnamed) <= MOST_CLIPS else (),
        listed=bool(clips) and len(unnamed) <= MOST_CLIPS,
    )


def _hash(salt: str, kind: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\n{kind}\n{name}".encode("utf-8", "surrogateescape")).hexdigest()[:12]


@dataclass(frozen=True)
class ScoredClips:
    """The clips that test a weight.

    Attributes:
        dataset: its name.
        fold: the fold that they are; empty without folds.
        clips: speaker and id of each; empty if they are not known.
        manifest_sha256: hash of their list; empty if it is not known.
    """

    dataset: str
    fold: str = ""
    clips: Collection[Person] = ()
    manifest_sha256: str = ""


@dataclass(frozen=True)
class Overlap:
    """Test clips, or other clips of the same people, that a weight has learned from.

    Attributes:
        entry: the training that learned from them.
        sure: whether they are known to be the same; other data may use the same names.
        reason: how that is known, as a clause.
    """

    entry: SeenData
    sure: bool
    reason: str

    @property
    def refused(self) -> bool:
        """Whether a score would be worthless: the training had their labels."""
        return self.sure and self.entry.phase == "fine-tuning"

    def __str__(self) -> str:
        labels = "" if self.entry.phase == "fine-tuning" else ", without labels"
        if self.sure:
            effect = "the score will be optimistic" if not labels else "the score may be optimistic"
            return f"has learned from people or clips that are tested{labels}: {self.reason}; {effect}"
        return (
            f"may have learned from people or clips that are tested{labels}: {self.reason}; if these are the same "
            "clips, the score will be optimistic"
        )


def find_overlap(entry: SeenData, tested: ScoredClips, same_clips: bool | None) -> Overlap | None:
    """Find out whether a training learned from the people or clips of a test.

    Args:
        entry: the training.
        tested: the test.
        same_clips: whether both datasets have the same clips; None if that is unknown.

    Returns:
        The overlap, sure or possible; None if there is none.
    """
    if same_clips is False:
        return None
    same_list = bool(entry.manifest_sha256) and entry.manifest_sha256 == tested.manifest_sha256
    sure = bool(same_clips) or same_list
    if entry.listed and tested.clips:
        return _compare_people(entry, tested, sure)
    if not sure and entry.dataset not in (tested.dataset, "unknown"):
        return None
    return _compare_folds(entry, tested, sure)


def _compare_people(entry: SeenData, tested: ScoredClips, sure: bool) -> Overlap | None:
    salt = entry.manifest_sha256
    people = {_hash(salt, "person", speaker) for speaker, _ in tested.clips if speaker} & {*entry.people}
    clips = {_hash(salt, "clip", id_) for speaker, id_ in tested.clips if not speaker} & {*entry.unnamed}
    if not people and not clips:
        return None
    counts = [f"{len(people)} test speaker{'' if len(people) == 1 else 's'}"] if people else []
    counts += [f"{len(clips)} test clip{'' if len(clips) == 1 else 's'}"] if clips else []
    reason = f"its {entry.phase} on {entry.dataset} included {' and '.join(counts)}"
    return Overlap(entry, sure, reason if sure else f"{reason} of the same names")


def _compare_folds(entry: SeenData, tested: ScoredClips, sure: bool) -> Overlap | None:
    """Compare folds, where people are not listed. Without a fold, a training has left out the dataset's test split."""
    if not tested.fold or entry.fold == tested.fold:
        return None
    if entry.fold:
        return Overlap(
            entry, sure, f"its {entry.phase} excluded fold {entry.fold} of {entry.dataset}, not {tested.fold}"
        )
    if entry.dataset == "unknown":
        if entry.phase == "pre-training":
            return None
        return Overlap(entry, False, "its training data are unknown")
    reason = f"its {entry.phase} on {entry.dataset} excluded no fold"
    # How a classifier without a fold was trained is not recorded; a pre-training without one had all clips.
    return Overlap(entry, sure and entry.phase == "pre-training", reason)
