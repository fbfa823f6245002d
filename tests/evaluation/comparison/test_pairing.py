"""Decisions are paired by the ids of the clips; anything else than the same clips is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.comparison.pairing import pair_decisions
from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.results import SampleResult
from tests.evaluation.comparison.decisions import system

A = system("a", 0.6, 1, folds=3)


def with_samples(*samples: SampleResult) -> System:
    return System("b", {"": replace(A.first, samples=samples)})


def test_neither_the_order_of_clips_nor_of_labels_matters() -> None:
    turned = System(
        "b", {"": replace(A.first, samples=A.first.samples[::-1], labels=("joy", "anger", "fear"))}, source="b.json"
    )
    paired = pair_decisions([A, turned])
    assert (paired.predictions[0] == paired.predictions[1]).all()
    assert [paired.labels[index] for index in paired.truth] == [sample.target for sample in A.first.samples]
    assert paired.folds == tuple(sample.fold for sample in A.first.samples)


def test_targets_are_paired_by_name() -> None:
    first = SystemRun(("x", "y"), (SampleResult("c", (1.0, 2.0), (3.0, 4.0), (), ()),), regression=True)
    other = SystemRun(("y", "x"), (SampleResult("c", (2.0, 1.0), (6.0, 5.0), (), ()),), regression=True)
    paired = pair_decisions([System("a", {"": first}), System("b", {"": other})])
    assert paired.truth.tolist() == [[1, 2]]
    assert [found.tolist() for found in paired.predictions] == [[[[3, 4]]], [[[5, 6]]]]


def test_other_clips_are_counted_and_named() -> None:
    samples = A.first.samples
    with pytest.raises(ManifestError, match=r"different test clips: 2 only in a \(c178, c179\); score both"):
        pair_decisions([A, with_samples(*samples[:-2])])
    extra = [replace(samples[0], id=f"x{index}") for index in range(5)]
    with pytest.raises(ManifestError, match=r"180 only in a \(c0, c1, c2, …\), 5 only in b \(x0, x1, x2, …\)"):
        pair_decisions([A, with_samples(*extra)])
    with pytest.raises(ManifestError, match="the clip c0 has two decisions"):
        pair_decisions([A, with_samples(*samples, samples[0])])


def test_every_seed_is_checked() -> None:
    runs = {"seed 1": A.first, "seed 2": replace(A.first, samples=A.first.samples[1:])}
    with pytest.raises(ManifestError, match=r"a and b \(seed 2\) have different test clips: 1 only in a \(c0\)"):
        pair_decisions([A, System("b", runs)])


def test_other_labels_are_refused() -> None:
    first, *others = A.first.samples
    with pytest.raises(ManifestError, match=r"different true labels of 1 clips \(c0\)"):
        pair_decisions([A, with_samples(replace(first, target="joy"), *others)])
    with pytest.raises(ManifestError, match="different labels: anger, fear, joy; anger, calm, fear, joy"):
        pair_decisions([A, System("b", {"": replace(A.first, labels=("anger", "calm", "fear", "joy"))})])
    with pytest.raises(ManifestError, match="different labels: anger, fear, joy; values of anger, fear, joy"):
        pair_decisions([A, System("b", {"": replace(A.first, regression=True)})])


def test_speakers_come_from_whoever_knows_them() -> None:
    unnamed = with_samples(*(replace(sample, speaker="") for sample in A.first.samples))
    assert pair_decisions([unnamed, A]).speakers == tuple(sample.speaker for sample in A.first.samples)
    first, *others = A.first.samples
    with pytest.raises(ManifestError, match=r"different speakers of 1 clips \(c0\)"):
        pair_decisions([A, with_samples(replace(first, speaker="someone"), *others)])


def test_other_folds_are_not_paired() -> None:
    other = with_samples(*(replace(sample, fold="1") for sample in A.first.samples))
    assert pair_decisions([A, other]).folds == ()
    assert pair_decisions([other, System("c", other.runs)]).folds == ()
    assert np.array(pair_decisions([A, System("c", A.runs)]).folds).tolist()[:4] == ["1", "2", "3", "1"]
