"""The people of a check: which of them are held out, and whether a weight has learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.labels import PUPPETS_NAME
from hicmae_cli.weights.info import WeightInfo

ALL: Final = "all"
_TENTHS: Final = {0: "test", 1: "test", 2: "validation"}
SPLITS: Final = ("test", "validation", "train", ALL)
"""Values of the parameter ``split``."""


def deal_split(person: str) -> str:
    """Deal a person to a split by the hash of the name: 20 % ``test``, 10 % ``validation``, 70 % ``train``.

    The rule needs no list, so every training and every check has the same people, whoever else is in the folder.
    """
    digest = hashlib.sha256(person.encode("utf-8", "surrogateescape")).hexdigest()
    return _TENTHS.get(int(digest[:8], 16) % 10, "train")


def is_in_split(person: str, split: str) -> bool:
    """Whether a person is in a split; everybody is in ``all``."""
    return split == ALL or deal_split(person) == split


def check_split(split: str) -> None:
    """Refuse an unknown split.

    Raises:
        SettingsError: it is not one of ``SPLITS``.
    """
    if split not in SPLITS:
        raise SettingsError(f"split={split!r}: expected one of {', '.join(SPLITS)}")


def warn_of_seen(info: WeightInfo, people: Collection[str], corpus: str, what: str) -> list[str]:
    """List warnings of tested people that a weight has learned from, or may have learned from.

    A training's list names a person ``CORPUS/NAME``, or ``NAME`` alone if the list is that of the corpus. The same name
    in another list may be another person.

    Args:
        info: metadata of the weight.
        people: names of the people in the folder.
        corpus: ``photos`` or ``emodb``.
        what: the files, in words.
    """
    warnings = []
    for entry in info.history:
        if entry.dataset == PUPPETS_NAME:
            continue
        training = f"its {entry.phase} on {entry.dataset}"
        if not entry.listed:
            warnings.append(
                f"{training} does not list its people, so it may have learned from the people of the {what}"
            )
            continue
        own_list = entry.dataset == corpus
        seen = sum(entry.has_person(f"{corpus}/{name}") or (own_list and entry.has_person(name)) for name in people)
        alike = 0 if own_list else sum(entry.has_person(name) for name in people)
        if alike:
            warnings.append(
                f"the weight may have learned from {alike} of the {len(people)} people of the {what}: {training} "
                "included people of the same names; if they are the same, these scores are optimistic"
            )
        if entry.unnamed:
            warnings.append(
                f"{training} included clips of unknown people, so it may have learned from the people of the {what}"
            )
        if seen:
            warnings.append(
                f"the weight has learned from {seen} of the {len(people)} people of the {what} ({training} included "
                "them): these scores are optimistic, and say nothing about other people"
            )
    # Several trainings on one list say the same.
    return list(dict.fromkeys(warnings))
