"""Means and spreads over seeds, repetitions and folds."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.training.finetuning.results import FinetuningOutcome, FinetuningResult, FoldResult, SeedResult
from tests.evaluation.toys import evaluation


def arm(seed: int, repetition: int | None, *right: int, finished: bool = True) -> SeedResult:
    """A run of folds with four clips each, of which so many are right."""
    pairs = [["anger:anger", "happiness:happiness"][n % 2] for n in range(4)]
    wrong = ["anger:happiness", "happiness:anger"]
    folds = tuple(
        FoldResult(
            str(fold),
            seed,
            Path("run"),
            FinetuningOutcome(Path("w"), 2, 2 if finished else 3),
            evaluation(*(pairs[n] if n < count else wrong[n % 2] for n in range(4))),
        )
        for fold, count in enumerate(right)
    )
    return SeedResult(seed, folds, repetition=repetition)


def test_spreads_are_over_what_they_say() -> None:
    # WAR of the arms: seed 0: 0.5 and 0.75; seed 1: 0.875 and 0.625.
    arms = (arm(0, 1, 2, 2), arm(0, 2, 4, 2), arm(1, 1, 4, 3), arm(1, 2, 1, 4))
    result = FinetuningResult("toys", arms, "repeated:2x2")
    assert result.mean["war"] == pytest.approx(0.6875)
    assert (result.sd or {})["war"] == pytest.approx(statistics.stdev([0.625, 0.75]))
    assert (result.sd_over_repetitions or {})["war"] == pytest.approx(statistics.stdev([0.6875, 0.6875]))
    assert result.mean_over_folds["war"] == pytest.approx(0.6875)
    over_folds = [statistics.stdev(pair) for pair in ([0.5, 0.5], [1, 0.5], [1, 0.75], [0.25, 1])]
    assert (result.sd_over_folds or {})["war"] == pytest.approx(statistics.mean(over_folds))
    document = result.to_dict()
    assert document["schema"] == "hicmae.finetune/1"
    assert [(run["seed"], run["repetition"]) for run in document["seeds"]] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert "seed 1, repetition 2: " in str(result) and "sd over repetitions" in str(result)
    assert str(arms[1].folds[1]).startswith("fold 1: UAR 0.5000, WAR 0.5000 (4 test clips)")


def test_warnings_of_all_seeds_are_kept_once() -> None:
    arms = [replace(arm(seed, None, 2), document={"warnings": ["optimistic", f"seed {seed}"]}) for seed in (0, 1)]
    document = FinetuningResult("toys", (*arms, arm(2, None, 2))).to_dict()
    assert document["warnings"] == ["optimistic", "seed 0", "seed 1"]


def test_a_single_run_has_no_spread_and_an_unfinished_one_no_part_in_it() -> None:
    alone = FinetuningResult("toys", (arm(0, None, 4), arm(1, None, 1, finished=False)))
    assert alone.mean["war"] == 1
    assert (alone.sd, alone.sd_over_repetitions, alone.sd_over_folds, alone.mean_over_folds) == (None, None, None, {})
