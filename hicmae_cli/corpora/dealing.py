"""Deal clips to folds: folds of equal size, each with its share of every label, and each person in one fold."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hicmae_cli.corpora.dataset import Item


def deal_folds(items: Sequence[Item], folds: Sequence[str]) -> list[Item]:
    """Deal items to folds -> the items with their fold, sorted by id.

    The clips of a person get one fold; a clip of an unknown person is a person of its own. If every person has one
    clip, the sizes of two folds differ by at most one, and so do their numbers of clips of each label.

    The result depends on ids, labels and speakers only, not on the order of the items. An item more or less may change
    the fold of any other.

    Args:
        items: the items.
        folds: names of the folds.
    """
    people: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        people[item.speaker, "" if item.speaker else item.id].append(item)
    sizes = dict.fromkeys(folds, 0)
    labels: dict[str, Counter[str]] = {fold: Counter() for fold in folds}
    dealt = []
    # Large groups first, while there is room to balance them; label by label, so that each label is dealt evenly.
    for group in sorted(people.values(), key=lambda group: (-len(group), min(i.label for i in group), _hash(group))):
        counts = Counter(item.label for item in group)
        fold = min(folds, key=lambda name: (sum(labels[name][label] * n for label, n in counts.items()), sizes[name]))
        sizes[fold] += len(group)
        labels[fold] += counts
        dealt += [replace(item, fold=fold) for item in group]
    return sorted(dealt, key=lambda item: item.id)


def _hash(group: Sequence[Item]) -> bytes:
    """Hash a person's items, for an order that is the same everywhere and has nothing to do with names."""
    first = min(group, key=lambda item: os.fsencode(item.id))
    return hashlib.sha256(os.fsencode(first.speaker or first.id)).digest()
