"""Folds that a run draws: nobody in two of them, every clip tested once, classes spread as well as people allow."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.fold_protocols import DrawnFolds, draw_folds, parse_protocol, read_folds
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample, read_manifest
from hicmae_cli.corpora.splits import list_folds, split_by_fold
from hicmae_cli.errors import ManifestError, SettingsError
from tests.corpora.test_splits import LABELS, ids, manifests, sample


def draw(samples: list[Sample], protocol: str, split_seed: int = 0) -> DrawnFolds:
    return draw_folds(samples, parse_protocol(protocol), split_seed)


@pytest.mark.parametrize(
    ("text", "kind", "folds", "repetitions"),
    [
        (None, "official", 0, 1),
        ("official", "official", 0, 1),
        (" LOSO", "loso", 0, 1),
        ("kfold:5", "kfold", 5, 1),
        ("repeated:10x3", "repeated", 10, 3),
    ],
)
def test_a_protocol_is_read_and_written(text: str | None, kind: str, folds: int, repetitions: int) -> None:
    found = parse_protocol(text)
    assert (found.kind, found.folds, found.repetitions) == (kind, folds, repetitions)
    assert parse_protocol(str(found)) == found
    assert found.is_official == (kind == "official")
    assert found.repeat().repetitions == 1 and found.repeat().folds == folds


@pytest.mark.parametrize(
    "text", ["", "kfold", "kfold:1", "kfold:x", "kfold:5x2", "repeated:5", "repeated:5x1", "loso:3"]
)
def test_another_protocol_is_refused(text: str) -> None:
    if not text:
        assert parse_protocol(text).is_official
        return
    with pytest.raises(SettingsError, match=r"protocol='[a-z:0-9]+': expected "):
        parse_protocol(text)


@settings(max_examples=40)
@given(manifests(speakers=9), st.integers(2, 4), st.integers(0, 3), st.randoms())
def test_every_clip_is_tested_once_and_by_people_who_are_in_one_fold(
    samples: list[Sample], count: int, seed: int, shuffler: random.Random
) -> None:
    people = {s.speaker for s in samples}
    if len(people) < count:
        with pytest.raises(ManifestError, match=rf"got {len(people)} people|got 0 clips"):
            draw(samples, f"kfold:{count}", seed)
        return
    drawn = draw(samples, f"kfold:{count}", seed)
    dealt = drawn.assign(samples)
    assert list_folds(dealt) == [f"kfold{count}-s{seed}-{index + 1}" for index in range(count)]
    assert sorted(clip for fold in drawn.clips.values() for clip in fold) == sorted(ids(samples))
    assert sorted(who for fold in drawn.people.values() for who in fold) == sorted(people)
    for fold in drawn.clips:
        split = split_by_fold(dealt, fold)
        assert not {s.speaker for s in split.train} & {s.speaker for s in split.test}
        assert {s.speaker for s in split.test} == set(drawn.people[fold])
    shuffled = list(samples)
    shuffler.shuffle(shuffled)
    again = draw(shuffled, f"kfold:{count}", seed)
    assert again.people == drawn.people
    assert {fold: set(clips) for fold, clips in again.clips.items()} == {f: set(c) for f, c in drawn.clips.items()}


def test_the_order_of_clips_does_not_decide_between_folds_that_are_as_good() -> None:
    rows = ["n1", "f1", "n2", "n1", "a3", "a3", "f2", "f3", "a2"]
    labels = {"n": "neutral", "f": "fear", "a": "anger"}
    samples = [sample(number, labels[row[0]], "1", "", f"person {row[1]}") for number, row in enumerate(rows)]
    # Added up in this order, the shares of person 3's classes differ from those above by a rounding error.
    shuffled = [samples[place] for place in (0, 7, 8, 3, 5, 6, 1, 2, 4)]
    assert draw(shuffled, "kfold:2").people == draw(samples, "kfold:2").people


@settings(max_examples=40)
@given(manifests(speakers=0), st.integers(2, 5), st.integers(0, 3))
def test_without_people_classes_and_sizes_differ_by_one_at_most(samples: list[Sample], count: int, seed: int) -> None:
    if len(samples) < count:
        with pytest.raises(ManifestError, match=f"got {len(samples)} clips"):
            draw(samples, f"kfold:{count}", seed)
        return
    drawn = draw(samples, f"kfold:{count}", seed)
    dealt = drawn.assign(samples)
    assert not drawn.people and "over clips" in drawn.rule
    sizes = [len(clips) for clips in drawn.clips.values()]
    assert sum(sizes) == len(samples) and max(sizes) - min(sizes) <= 1
    for label in LABELS:
        counts = [sum(s.label == label for s in dealt if s.fold == fold) for fold in drawn.clips]
        assert max(counts) - min(counts) <= 1


def unequal(seed: int, people: int = 20) -> list[Sample]:
    """People with 2 to 30 clips, each with classes of their own liking."""
    rng = np.random.default_rng(seed)
    found: list[Sample] = []
    for person in range(people):
        liking = rng.dirichlet([0.7] * len(LABELS))
        for _ in range(int(rng.integers(2, 31))):
            found.append(sample(len(found), LABELS[int(rng.choice(len(LABELS), p=liking))], speaker=f"p{person}"))
    return found


def imbalance(samples: list[Sample], groups: list[set[str]]) -> float:
    """Largest distance of a class's share in a fold from 1 / folds."""
    totals = Counter(s.label for s in samples)
    return max(
        abs(sum(s.label == label and s.speaker in group for s in samples) / totals[label] - 1 / len(groups))
        for label in LABELS
        for group in groups
    )


def measure(split: Callable[[int, list[Sample]], list[set[str]]]) -> float:
    """Mean imbalance of four folds over twelve lists."""
    return statistics.mean(imbalance(samples := unequal(seed), split(seed, samples)) for seed in range(12))


def split_ours(seed: int, samples: list[Sample]) -> list[set[str]]:
    return [set(group) for group in draw(samples, "kfold:4").people.values()]


def test_classes_are_spread_better_than_by_chance() -> None:
    def split(seed: int, samples: list[Sample]) -> list[set[str]]:
        order = np.random.default_rng(seed).permutation(20)
        return [{f"p{person}" for person in order[fold::4]} for fold in range(4)]

    assert measure(split_ours) < 0.5 * measure(split)


@pytest.mark.slow
def test_classes_are_spread_as_well_as_by_scikit_learn() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    def split(seed: int, samples: list[Sample]) -> list[set[str]]:
        speakers = [s.speaker for s in samples]
        folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
        return [
            {speakers[index] for index in test}
            for _, test in folds.split(speakers, [s.label for s in samples], speakers)
        ]

    assert measure(split_ours) <= 1.1 * measure(split)


def test_equal_people_are_dealt_evenly_and_differently_by_another_seed() -> None:
    samples = [sample(n, LABELS[n % 3], speaker=f"p{n // 6}") for n in range(66)]
    first, second = draw(samples, "kfold:4"), draw(samples, "kfold:4", 1)
    assert sorted(len(people) for people in first.people.values()) == [2, 3, 3, 3]
    assert set(first.people.values()) != set(second.people.values())
    assert draw(samples, "kfold:4") == first


def test_leaving_one_speaker_out_gives_each_a_fold_that_names_a_folder() -> None:
    names = ["1001", "Élise", "a b", "a_b", "A/B", "all"]
    samples = [sample(n, speaker=names[n % len(names)], fold="7", split="test") for n in range(24)]
    drawn = draw(samples, "loso")
    assert sorted(drawn.people.values()) == sorted((name,) for name in names)
    assert "loso-1001" in drawn.people and "loso-all" in drawn.people
    assert len({fold.lower() for fold in drawn.clips}) == len(names)
    dealt = drawn.assign(samples)
    for fold, (who,) in drawn.people.items():
        assert {s.speaker for s in split_by_fold(dealt, fold).test} == {who}
    assert draw(samples, "loso", 5).people == drawn.people  # nothing to draw


def test_the_names_of_folds_are_those_that_a_manifest_may_have(tmp_path: Path) -> None:
    clips = [sample(n, speaker=f"{n % 3} é") for n in range(6)]
    for protocol in ("loso", "kfold:3"):
        lines = [f"{s.id},x.mkv,x.mkv,{s.label},{s.fold}" for s in draw(clips, protocol).assign(clips)]
        (tmp_path / "list.csv").write_text("\n".join(["id,video,audio,label,fold", *lines]))
        found = list_folds(read_manifest(tmp_path / "list.csv", existing=False))
        assert len(found) == 3 and ALL_FOLDS not in found


@pytest.mark.parametrize(
    ("speakers", "protocol", "said"),
    [
        (["", ""], "loso", "protocol='loso': the clips name no speaker"),
        (["me", "me"], "loso", "protocol='loso': all clips are of me"),
        (["me", ""], "loso", "clip clip-1: has no speaker, but other clips do"),
        (["me", "you"], "kfold:3", "protocol='kfold:3': got 2 people; expected at least one for each fold"),
        (["", ""], "kfold:3", "protocol='kfold:3': got 2 clips"),
    ],
)
def test_folds_that_cannot_be_drawn(speakers: list[str], protocol: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        draw([sample(n, speaker=speaker) for n, speaker in enumerate(speakers)], protocol)
    assert said in str(caught.value)


@pytest.mark.parametrize("people", [True, False])
def test_the_folds_of_a_run_are_kept_in_a_file(tmp_path: Path, people: bool) -> None:
    samples = [sample(n, speaker=f"é{n % 4}" if people else "") for n in range(9)]
    drawn = draw(samples, "kfold:2", 3)
    drawn.write(tmp_path / "run" / "folds.json")
    assert read_folds(tmp_path / "run" / "folds.json") == drawn
    assert drawn.knows_any(samples[-1:]) and not drawn.knows_any([sample(99)])
    with pytest.raises(ManifestError, match=r"1 clips have no fold, e\.g\. clip-99"):
        drawn.assign([*samples, sample(99)])
    for damaged in ("", "[]", "{}", '{"schema": "other"}'):
        (tmp_path / "folds.json").write_text(damaged)
        with pytest.raises(ManifestError, match="cannot be read as a list of folds"):
            read_folds(tmp_path / "folds.json")


def test_a_dataset_with_drawn_folds_has_no_published_facts() -> None:
    known = find_dataset("crema-d")
    drawn = draw([sample(n, speaker=str(n)) for n in range(4)], "loso")
    found = drawn.describe(known)
    assert known.folds and known.published and known.scores
    assert (found.folds, found.fold_rule, found.published, found.scores, found.people) == ((), "", {}, {}, None)
    assert replace(found, folds=known.folds).labels == known.labels
