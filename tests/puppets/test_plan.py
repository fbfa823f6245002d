from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.puppets.actions import DISPLAYS
from hicmae_cli.puppets.manners import MANNERS
from hicmae_cli.puppets.plan import FACE_PAIRS, SPLITS, VOICE_PAIRS, compute_single_stream_ceiling, plan_corpus

PLANS = plan_corpus({"train": 120, "validation": 60, "test": 90}, seed=3)


def test_labels_are_balanced_in_every_split() -> None:
    for split in SPLITS:
        counts = Counter(p.label for p in PLANS if p.split == split)
        assert set(counts) == set(CREMA_D_LABELS)
        assert max(counts.values()) == min(counts.values())


def test_nobody_is_in_two_splits_or_two_corpora() -> None:
    people = defaultdict(set)
    for plan in [*PLANS, *plan_corpus({"train": 120, "test": 90}, seed=4)]:
        people[plan.person_seed].add((plan.split, plan in PLANS))
    assert all(len(found) == 1 for found in people.values())


def test_every_display_can_be_drawn_and_fits_the_label() -> None:
    for plan in PLANS:
        assert plan.face in DISPLAYS
        assert plan.voice in MANNERS
        assert plan.label in plan.face.split("-")
        assert plan.label in plan.voice.split("-")


def test_both_streams_together_always_tell() -> None:
    meant = defaultdict(set)
    for plan in PLANS:
        meant[plan.face, plan.voice].add(plan.label)
    assert all(len(labels) == 1 for labels in meant.values())
    assert not set(map(frozenset, FACE_PAIRS)) & set(map(frozenset, VOICE_PAIRS))


@pytest.mark.parametrize("stream", ["face", "voice"])
def test_one_stream_alone_cannot(stream: str) -> None:
    assert compute_single_stream_ceiling(PLANS, stream) == pytest.approx(0.8)
    # Within each shared display the two labels are equally frequent: nobody can do better than half.
    for kind, labels in groups(stream).items():
        if "-" in kind:
            assert len(labels) == 2
            assert len(set(labels.values())) == 1


def groups(stream: str) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for plan in PLANS:
        found[getattr(plan, stream)][plan.label] += 1
    return found


def test_shared_displays_come_as_twins() -> None:
    for own, seed, strength in (("face", "face_seed", "face_intensity"), ("voice", "voice_seed", "voice_intensity")):
        twins = defaultdict(list)
        for plan in PLANS:
            if "-" in getattr(plan, own):
                key = (plan.person_seed, getattr(plan, own), getattr(plan, seed), getattr(plan, strength))
                twins[key].append(plan.label)
        assert all(len(labels) == 2 and len(set(labels)) == 2 for labels in twins.values())


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan_corpus({"train": 120, "validation": 60, "test": 90}, seed=3) == PLANS
    assert plan_corpus({"train": 30}, seed=3) == PLANS[:30]  # a larger corpus begins like a smaller one


@pytest.mark.parametrize("sizes", [{"training": 3}, {"train": -1}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        plan_corpus(sizes, 0)
