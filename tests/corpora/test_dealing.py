"""Folds that are dealt: equal in size, even in labels, whole people, and the same whatever the order."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.corpora.dealing import deal_folds

FOLDS = ("1", "2", "3", "4", "5")
LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=60)


def make(labels: list[str], people: list[int] | None = None) -> list[Item]:
    speakers = [""] * len(labels) if people is None else [f"p{number}" for number in people]
    return [
        Item(f"{index:03}", label, speaker, Path("x.mp4"))
        for index, (label, speaker) in enumerate(zip(labels, speakers, strict=True))
    ]


def spread(counts: Counter[str]) -> int:
    sizes = [counts[fold] for fold in FOLDS]
    return max(sizes) - min(sizes)


@settings(max_examples=50, deadline=None)
@given(LABELS, st.randoms(use_true_random=False))
def test_folds_and_labels_differ_by_one_at_most(labels: list[str], chance: random.Random) -> None:
    items = make(labels)
    dealt = deal_folds(items, FOLDS)
    assert [replace(item, fold="") for item in dealt] == items
    assert spread(Counter(item.fold for item in dealt)) <= 1
    for label in set(labels):
        assert spread(Counter(item.fold for item in dealt if item.label == label)) <= 1
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert deal_folds(shuffled, FOLDS) == dealt


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=1, max_size=60))
def test_people_stay_in_one_fold(pairs: list[tuple[str, int]]) -> None:
    dealt = deal_folds(make([label for label, _ in pairs], [person for _, person in pairs]), FOLDS)
    folds: dict[str, set[str]] = {}
    for item in dealt:
        folds.setdefault(item.speaker, set()).add(item.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert len({fold for found in folds.values() for fold in found}) == min(5, len(folds))


def test_the_remainder_of_every_label_goes_to_another_fold() -> None:
    """Of 26 clips of 5 labels, all remainders once went to the first folds: 8, 5, 3, 5 and 5 clips."""
    dealt = deal_folds(make([*"aaaaaa", *"bbbbbb", *"cccccc", *"dddd", *"eeee"]), FOLDS)
    assert sorted(Counter(item.fold for item in dealt).values()) == [5, 5, 5, 5, 6]
