"""Folds and validation people: nobody and nothing in two parts, whatever the manifest."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.corpora.fold_protocols import draw_folds, parse_protocol
from hicmae_cli.corpora.manifest import RECORDING, Sample
from hicmae_cli.corpora.splits import (
    cut_validation,
    hash_split,
    keep_label_share,
    list_folds,
    split_by_column,
    split_by_fold,
)
from hicmae_cli.corpora.values import Target
from hicmae_cli.errors import ManifestError

LABELS = ("anger", "fear", "neutral")


def sample(number: int, target: Target = "anger", fold: str = "", split: str = "", speaker: str = "") -> Sample:
    return Sample(f"clip-{number}", None, None, target, fold, split, speaker)


@st.composite
def manifests(draw: st.DrawFn, speakers: int) -> list[Sample]:
    """Up to 60 clips of up to so many people (0: nobody is named)."""
    rows = draw(
        st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, max(speakers, 1)), st.integers(1, 12)), max_size=60)
    )
    return [
        sample(number, label, str(fold), "", f"person {person}" if speakers else "")
        for number, (label, person, fold) in enumerate(rows)
    ]


def ids(samples: list[Sample]) -> list[str]:
    return [s.id for s in samples]


def test_the_hash_is_of_sorted_lines_without_a_last_line_feed() -> None:
    pairs = [("b", "1"), ("a", "10"), ("a_b", "0.5 -0.25 1.0")]
    expected = hashlib.sha256(b"a 10\na_b 0.5 -0.25 1.0\nb 1").hexdigest()
    assert hash_split(pairs) == expected
    assert hash_split(reversed(pairs)) == expected
    assert hash_split([]) == hashlib.sha256(b"").hexdigest()


@settings(max_examples=50)
@given(manifests(speakers=5))
def test_every_clip_is_tested_once_over_the_folds(samples: list[Sample]) -> None:
    folds = list_folds(samples)
    assert folds == sorted(folds, key=int)
    if len(folds) < 2:
        return
    splits = [split_by_fold(samples, fold) for fold in folds]
    assert sorted(ids([s for split in splits for s in split.test])) == sorted(ids(samples))
    for split, fold in zip(splits, folds, strict=True):
        assert ids(split.train) == [s.id for s in samples if s.fold != fold]
        assert not split.validation
        assert sorted(ids(split.train + split.test)) == sorted(ids(samples))


@pytest.mark.parametrize(
    ("folds", "asked", "said"),
    [
        (("1", "2"), "3", "fold 3: got 0 test clips and 2 training clips; the manifest's folds are 1, 2"),
        (("1", "1"), "1", "fold 1: got 2 test clips and 0 training clips"),
        (("", ""), "1", "none: its column fold is empty"),
    ],
)
def test_folds_that_cannot_be_tested(folds: tuple[str, str], asked: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        split_by_fold([sample(n, fold=fold) for n, fold in enumerate(folds)], asked)


def test_a_clip_kept_for_the_test_is_not_trained_on_for_want_of_a_fold() -> None:
    clips = [sample(0, fold="1"), sample(1, fold="2"), sample(2, split="train"), sample(3)]
    assert ids(split_by_fold(clips, "1").train) == ["clip-1", "clip-2", "clip-3"]
    with pytest.raises(ManifestError, match="clip clip-4: has the split 'test' but no fold"):
        split_by_fold([*clips, sample(4, split="test")], "1")


def test_the_column_split() -> None:
    samples = [sample(n, split=s) for n, s in enumerate(["test", "train", "val", "validation", "train"])]
    split = split_by_column(samples)
    assert ids(split.train) == ["clip-1", "clip-4"]
    assert ids(split.validation) == ["clip-2", "clip-3"]
    assert ids(split.test) == ["clip-0"]
    with pytest.raises(ManifestError, match="clip clip-0: its split is 'dev', expected train, validation or test"):
        split_by_column([sample(0, split="dev")])


@settings(max_examples=50)
@given(manifests(speakers=8), st.floats(0.05, 0.5), st.integers(0, 3), st.randoms())
def test_validation_people_are_not_trained_on(
    samples: list[Sample], share: float, seed: int, shuffler: random.Random
) -> None:
    people = {s.speaker for s in samples}
    if len(people) < 2:
        return
    train, validation = cut_validation(samples, share, seed)
    assert train and validation
    assert not {s.speaker for s in train} & {s.speaker for s in validation}
    assert sorted(ids(train + validation)) == sorted(ids(samples))
    assert ids(train) == [s.id for s in samples if s in train]
    assert len({s.speaker for s in validation}) <= len(people) / 2
    assert len(validation) <= len(samples) / 2
    # No more people than are needed: without the smallest of them the share is not reached.
    clips = Counter(s.speaker for s in validation)
    assert len(validation) - max(clips.values()) < share * len(samples)
    shuffled = list(samples)
    shuffler.shuffle(shuffled)
    assert set(ids(cut_validation(shuffled, share, seed)[1])) == set(ids(validation))


@settings(max_examples=50)
@given(manifests(speakers=0), st.floats(0.05, 0.5), st.integers(0, 3), st.randoms())
def test_without_people_every_label_gives_its_share(
    samples: list[Sample], share: float, seed: int, shuffler: random.Random
) -> None:
    labels = Counter(s.label for s in samples)
    if not any(count > 1 for count in labels.values()):
        with pytest.raises(ManifestError, match="too few to set some aside"):
            cut_validation(samples, share, seed)
        return
    train, validation = cut_validation(samples, share, seed)
    assert sorted(ids(train + validation)) == sorted(ids(samples))
    taken = Counter(s.label for s in validation)
    for label, count in labels.items():
        assert abs(taken[label] - share * count) <= 1
        assert count == 1 or 0 < taken[label] < count
    shuffled = list(samples)
    shuffler.shuffle(shuffled)
    assert set(ids(cut_validation(shuffled, share, seed)[1])) == set(ids(validation))


def test_numbers_are_one_label() -> None:
    samples = [sample(n, (n / 8, -n / 4, 0.0)) for n in range(20)]
    train, validation = cut_validation(samples, 0.1, 0)
    assert (len(train), len(validation)) == (18, 2)


def test_other_seeds_take_other_people() -> None:
    samples = [sample(n, speaker=f"person {n % 40}") for n in range(400)]
    chosen = {tuple(ids(cut_validation(samples, 0.1, seed)[1])) for seed in range(5)}
    assert len(chosen) > 1
    assert all(len(validation) == 40 for validation in chosen)


def test_one_person_only_and_people_half_known() -> None:
    with pytest.raises(ManifestError, match="all training clips show one person, me"):
        cut_validation([sample(n, speaker="me") for n in range(3)], 0.1, 0)
    with pytest.raises(ManifestError, match="clip clip-1: has no speaker, but other clips do"):
        cut_validation([sample(0, speaker="me"), sample(1)], 0.1, 0)


@settings(max_examples=40)
@given(manifests(speakers=0), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 3), st.randoms())
def test_a_share_of_every_class_is_kept_and_holds_the_smaller_shares(
    samples: list[Sample], one: float, other: float, seed: int, shuffler: random.Random
) -> None:
    small, large = (keep_label_share(samples, share, seed) for share in sorted((one, other)))
    assert set(ids(small)) <= set(ids(large))
    assert ids(large) == [s.id for s in samples if s in large]
    kept = Counter(s.label for s in small)
    for label, count in Counter(s.label for s in samples).items():
        assert kept[label] == max(1, round(min(one, other) * count))
    assert keep_label_share(samples, 1, seed) == samples
    shuffled = list(samples)
    shuffler.shuffle(shuffled)
    assert set(ids(keep_label_share(shuffled, one, seed))) == set(ids(keep_label_share(samples, one, seed)))


def test_another_seed_keeps_other_clips() -> None:
    samples = [sample(n) for n in range(40)]
    assert len({tuple(ids(keep_label_share(samples, 0.1, seed))) for seed in range(4)}) > 1


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("protocol", ["loso", "kfold:3", ""])
def test_clips_of_one_recording_stay_together(named: bool, protocol: str) -> None:
    # As `prepare` lists a clip of each person: others than the speaker are people of their own, with the same sound.
    clips = [
        Sample(
            f"{n}-p{p}", None, None, LABELS[n % 3], speaker=f"s{n}" + f"-p{p}" * (p > 1) if named else "",
            extra={RECORDING: str(n)},
        )
        for n in range(9)
        for p in (2, 1, 10)
    ]  # fmt: skip
    if protocol == "loso" and not named:
        return
    parts: list[Sequence[str]] = [ids(part) for part in cut_validation(clips, 0.3, 0)]
    if protocol:
        parts = list(draw_folds(clips, parse_protocol(protocol), 0).clips.values())
    assert sorted(id_ for part in parts for id_ in part) == sorted(ids(clips))
    assert sum(len({id_.split("-")[0] for id_ in part}) for part in parts) == 9
