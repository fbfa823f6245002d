"""Scores over folds."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.evaluation.folds import FoldsEvaluation, score_folds
from tests.evaluation.toys import ValueEngine, evaluation, info_of, write_grey
from tests.runtime.stubs import ToyEngine

FIRST = evaluation("anger:anger", "neutral:neutral", "happiness:anger")
SECOND = evaluation("anger:anger", "neutral:neutral", "happiness:happiness", "happiness:happiness")


def test_mean_sd_and_pooled_by_hand() -> None:
    found = FoldsEvaluation({"1": FIRST, "2": SECOND})
    assert found.mean["war"] == pytest.approx((2 / 3 + 1) / 2)
    assert found.sd is not None and found.sd["war"] == pytest.approx(statistics.stdev([2 / 3, 1]))
    assert found.pooled.metrics["war"] == pytest.approx(6 / 7)  # not the mean: folds differ in size
    assert found.pooled.metrics["uar"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    document = found.to_dict()
    assert document["metrics"] == found.pooled.metrics
    assert document["folds"]["2"]["metrics"]["uar"] == 1
    assert [sample["fold"] for sample in document["samples"]] == ["1"] * 3 + ["2"] * 4


def test_a_single_fold_has_no_spread() -> None:
    assert FoldsEvaluation({"1": FIRST}).sd is None


def test_weights_whose_labels_stand_in_another_order_are_pooled_by_name() -> None:
    turned = info_of(labels=("neutral", "anger", "happiness"))
    moved = []
    for sample in SECOND.samples:
        row = sample.outputs[-1:] + sample.outputs[:-1]
        moved.append(replace(sample, outputs=row, views=(row,)))
    other = replace(SECOND, info=turned, samples=tuple(moved))
    assert other.metrics == SECOND.metrics
    mixed, plain = (FoldsEvaluation({"1": FIRST, "2": found}).pooled for found in (other, SECOND))
    assert mixed.confusion == plain.confusion
    assert [s.outputs for s in mixed.samples] == [s.outputs for s in plain.samples]


def test_targets_in_another_order_are_pooled_by_name(tmp_path: Path) -> None:
    sample = write_grey(tmp_path, "a", *range(0, 250, 10), target=(0.1, 0.9))
    turned = ValueEngine()
    turned.info = turned.info.model_copy(update={"labels": ("valence", "arousal")})
    runs = {"1": ([sample], ValueEngine), "2": ([replace(sample, target=(0.9, 0.1))], lambda: turned)}
    pooled = score_folds(runs)["av"].pooled
    assert pooled.samples[1].target == (0.1, 0.9)
    assert pooled.samples[1].prediction == pooled.samples[1].outputs
    assert pooled.samples[1].outputs == pooled.samples[0].outputs[::-1]


def test_weights_of_other_labels_do_not_go_together() -> None:
    other = evaluation("anger:anger", info=info_of(labels=("anger", "fear", "neutral")))
    with pytest.raises(WeightsError, match=r"weights of fold 1 and fold 2 differ: .*anger, fear, neutral"):
        FoldsEvaluation({"1": FIRST, "2": other})


def test_every_fold_is_scored_by_its_own_model(tmp_path: Path) -> None:
    samples = [write_grey(tmp_path, name, 200, fold=str(n + 1)) for n, name in enumerate("ab")]
    opened = []

    def opener(name: str) -> ToyEngine:
        opened.append(name)
        return ToyEngine()

    runs = {s.fold: ([s], lambda fold=s.fold: opener(fold)) for s in samples}
    found = score_folds(runs, modalities=("av", "audio"))
    assert opened == ["1", "2"]
    assert found["av"].folds.keys() == found["audio"].folds.keys() == {"1", "2"}
