"""The tests against references: hand-worked tables, SciPy, and slow implementations."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from math import comb
from types import ModuleType

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from hicmae_cli.evaluation.comparison.pairing import PairedDecisions, pair_decisions
from hicmae_cli.evaluation.comparison.significance import (
    correct_holm,
    draw_scores,
    find_interval,
    find_p,
    run_mcnemar,
    run_wilcoxon,
    score_decisions,
)
from hicmae_cli.evaluation.metrics import regression_metrics
from tests.docs.pages import ROOT
from tests.evaluation.comparison.decisions import system


def values(rng: np.random.Generator, clips: int = 60, people: int = 12) -> PairedDecisions:
    """A regression of two targets by two systems, the first with two runs."""
    truth = rng.normal(size=(clips, 2))
    runs = truth + rng.normal(size=(3, clips, 2)) * 0.5
    speakers = tuple(f"s{index % people}" for index in range(clips))
    return PairedDecisions(("arousal", "valence"), True, truth, (runs[:2], runs[2:]), speakers)


def test_uar_of_every_resample_is_that_of_the_drawn_clips() -> None:
    """An independent bootstrap: lists of the clips of drawn people, scored by scikit-learn."""
    paired = pair_decisions([system("a", 0.6, 1, 2, speakers=12), system("b", 0.5, 3, speakers=12)])
    found = draw_scores(paired, "uar", draws=1000, seed=5)
    _, person = np.unique(paired.speakers, return_inverse=True)
    picked = np.random.default_rng(5).integers(0, 12, (100, 12))  # the draws come in parts of 100
    for index in range(30):
        clips = np.concatenate([np.flatnonzero(person == who) for who in picked[index]])
        for predicted, drawn in zip(paired.predictions, found.drawn, strict=True):
            expected = [balanced_accuracy_score(paired.truth[clips], run[clips]) for run in predicted]
            assert drawn[index] == pytest.approx(np.mean(expected))
    assert found.drawn.shape == (2, 1000)
    assert (found.groups, found.resampled) == (12, "speaker")
    for predicted, scores in zip(paired.predictions, found.runs, strict=True):
        assert scores == pytest.approx([balanced_accuracy_score(paired.truth, run) for run in predicted])


@pytest.mark.parametrize("metric", ["ccc", "mae", "rmse_valence", "pcc_arousal"])
def test_values_of_a_regression(metric: str) -> None:
    paired = values(np.random.default_rng(0))
    found = draw_scores(paired, metric, draws=1000, seed=2)
    _, person = np.unique(paired.speakers, return_inverse=True)
    clips = np.concatenate(
        [np.flatnonzero(person == who) for who in np.random.default_rng(2).integers(0, 12, (100, 12))[7]]
    )
    for predicted, drawn, scores in zip(paired.predictions, found.drawn, found.runs, strict=True):
        on_drawn, on_all = (
            [regression_metrics(paired.truth[at], run[at], paired.labels)[metric] for run in predicted]
            for at in (clips, np.arange(60))
        )
        assert drawn[7] == pytest.approx(np.mean(on_drawn))
        assert scores == pytest.approx(on_all)


def test_some_clips_are_scored_alone() -> None:
    paired = pair_decisions([system("a", 0.6, 1, 2), system("b", 0.5, 3)])
    some = np.arange(len(paired.truth)) % 4 == 0
    for predicted, scores in zip(paired.predictions, score_decisions(paired, "uar", some), strict=True):
        assert scores == pytest.approx([balanced_accuracy_score(paired.truth[some], run[some]) for run in predicted])


def test_clips_are_drawn_where_a_speaker_is_unknown() -> None:
    paired = pair_decisions([system("a", 0.6, 1), system("b", 0.5, 3)])
    assert draw_scores(replace(paired, speakers=("", *paired.speakers[1:])), "uar", draws=1000).resampled == "clip"


@pytest.mark.parametrize("groups", [5, 10, 40])
def test_the_interval_of_normal_values_is_that_of_student(groups: int) -> None:
    """A resampled mean of n values spreads by sd sqrt((n - 1) / n^2); the expansion makes Student's interval of it."""
    mean, sd = 0.3, 1.0
    spread = sd * np.sqrt((groups - 1) / groups) / np.sqrt(groups)
    drawn = mean + spread * stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    student = stats.t.interval(0.95, groups - 1, loc=mean, scale=sd / np.sqrt(groups))
    assert find_interval(drawn, groups) == pytest.approx(student, abs=2e-3)
    expected = 2 * stats.t.sf(mean / (sd / np.sqrt(groups)), groups - 1)
    assert find_p(drawn, groups) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("shift", np.linspace(-0.7, 0.7, 29))
def test_p_is_below_the_level_exactly_where_the_interval_excludes_zero(shift: float) -> None:
    drawn = np.random.default_rng(1).gamma(2, 0.1, 9999) - 0.2 + shift
    low, high = find_interval(drawn, 15)
    assert (find_p(drawn, 15) < 0.05) == (low > 0 or high < 0)


def test_no_difference_at_all_has_a_p_of_one() -> None:
    assert find_p(np.zeros(1000), 20) == 1
    assert find_interval(np.zeros(1000), 20) == (0, 0)


@pytest.mark.parametrize(("only_first", "only_second"), [(12, 5), (0, 6), (3, 3), (0, 0), (121, 59)])
def test_mcnemar_is_the_binomial_sum(only_first: int, only_second: int) -> None:
    first = np.array([True] * (only_first + 7) + [False] * (only_second + 2))
    second = np.array([False] * only_first + [True] * (7 + only_second) + [False] * 2)
    found = run_mcnemar(first, second)
    total, smaller = only_first + only_second, min(only_first, only_second)
    expected = min(1.0, 2 * sum(comb(total, count) for count in range(smaller + 1)) / 2**total)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(expected)


def test_wilcoxon_is_that_of_scipy() -> None:
    differences = [0.02, -0.01, 0.05, 0.03, 0.04, 0.015, -0.002]
    assert run_wilcoxon(differences, "folds").p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert run_wilcoxon([0.0] * 5, "folds").p == 1


@pytest.mark.parametrize(("count", "smallest"), [(1, 1.0), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_the_smallest_p_of_wilcoxon(count: int, smallest: float) -> None:
    found = run_wilcoxon([0.01 * (index + 1) for index in range(count)], "runs")
    assert found.smallest_p == found.p == pytest.approx(smallest)
    # Equal differences can be approximated, and the approximation is too small.
    assert run_wilcoxon([0.5] * count, "runs").p >= found.smallest_p


def test_holm() -> None:
    # Worked by hand: 4 x 0.005; max(that, 3 x 0.01); 2 x 0.03; max(that, 0.04).
    assert correct_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_holm([0.5, 0.9]) == [1.0, 1.0]
    assert correct_holm([]) == []


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("comparison_rates", ROOT / "scripts" / "comparison_rates.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("people", [10, 40])
def test_equal_systems_are_rarely_told_apart(people: int) -> None:
    """False alarms at a level of 5 %: few over people, too many over clips, and too many by McNemar."""
    rates = load_script().find_rates(people, 30, 0.0, 1000)
    assert rates["speakers"] <= 0.075
    assert rates["clips"] > 0.1
    assert rates["mcnemar"] > 0.1


@pytest.mark.slow
def test_a_planted_difference_is_found() -> None:
    """The power in docs/compare.md."""
    script = load_script()
    assert script.find_rates(40, 30, 0.1, 300)["speakers"] >= 0.8
    assert 0.2 <= script.find_rates(40, 30, 0.05, 300)["speakers"] <= 0.4
