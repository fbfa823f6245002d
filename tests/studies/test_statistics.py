from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hicmae_cli.studies.statistics import compare_paired, correct, count_seeds_needed, find_diminishing, fit_power_law

TRIALS = 400


def draw_pair(rng: np.random.Generator, effect: float, seeds: int) -> tuple[dict[int, float], dict[int, float]]:
    """Two systems whose seeds share most of their luck."""
    luck = rng.normal(0, 0.05, seeds)
    noise = rng.normal(0, 0.02, (2, seeds))
    base, other = 0.5 + luck + noise[0], 0.5 + effect + luck + noise[1]
    return dict(enumerate(other.tolist())), dict(enumerate(base.tolist()))


def test_it_is_the_paired_t_test() -> None:
    values, others = draw_pair(np.random.default_rng(0), 0.03, 6)
    found = compare_paired("a", "b", "uar", values, others)
    known = stats.ttest_rel(list(values.values()), list(others.values()))
    assert found.p == pytest.approx(known.pvalue)
    assert found.interval == pytest.approx(tuple(known.confidence_interval(0.95)))


def test_no_effect_is_called_one_at_the_stated_rate() -> None:
    """Five comparisons are read together: after Holm's correction, at most 5 % of studies have a false alarm."""
    rng = np.random.default_rng(1)
    alarms, covered = 0, 0
    for _ in range(TRIALS):
        found = correct([compare_paired("a", "b", "uar", *draw_pair(rng, 0.0, 3)) for _ in range(5)])
        alarms += any(each.is_significant for each in found)
        covered += sum(each.interval[0] <= 0 <= each.interval[1] for each in found)
    # Three standard errors of a share of 5 %.
    assert alarms / TRIALS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)
    assert covered / (5 * TRIALS) == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / (5 * TRIALS)))


def test_a_measure_in_coarse_steps_keeps_the_rate() -> None:
    """Recalls over eight clips take nine values, so two seeds often differ alike by chance."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(TRIALS):
        values, others = (dict(enumerate((rng.binomial(8, 0.9, 2) / 8).tolist())) for _ in range(2))
        found.append(compare_paired("a", "b", "recall fear", values, others).is_significant)
    assert np.mean(found) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / TRIALS)


@pytest.mark.parametrize("effect", [-0.1, 0.1])
def test_a_planted_effect_is_found_with_its_sign(effect: float) -> None:
    rng = np.random.default_rng(2)
    found = [compare_paired("a", "b", "uar", *draw_pair(rng, effect, 5)) for _ in range(TRIALS)]
    shown = [each for each in found if each.is_significant]
    assert len(shown) / TRIALS > 0.95
    assert all(each.mean * effect > 0 for each in shown)


def test_equal_runs_and_constant_differences() -> None:
    same = compare_paired("a", "b", "uar", {0: 0.5, 1: 0.6}, {0: 0.5, 1: 0.6})
    assert (same.mean, same.p, same.is_significant) == (0, 1, False)
    # Three seeds that differ alike are three coins that fall alike, and rounding makes them no surer.
    alike = compare_paired("a", "b", "uar", {0: 0.6, 1: 0.7, 2: 0.8}, {0: 0.5, 1: 0.6, 2: 0.7})
    assert alike.mean == pytest.approx(0.1)
    assert (alike.p, alike.is_significant) == (0.25, False)
    flat = find_diminishing([1, 2], np.array([[0.5, 0.6], [0.6, 0.7], [0.7, 0.8]]), "uar")
    assert flat is not None
    with pytest.raises(ValueError, match="at least two common seeds, got 1"):
        compare_paired("a", "b", "uar", {0: 0.5, 1: 0.6}, {0: 0.5, 2: 0.6})


def test_the_seeds_needed_have_the_stated_power() -> None:
    rng = np.random.default_rng(3)
    sd = 0.02 * math.sqrt(2)
    seeds = count_seeds_needed(sd, 0.03)
    assert seeds is not None
    shown = [compare_paired("a", "b", "uar", *draw_pair(rng, 0.03, seeds)).is_significant for _ in range(TRIALS)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)
    assert count_seeds_needed(1.0, 1e-6) is None
    assert count_seeds_needed(0.0, 0.1) == 2


def test_a_planted_exponent_is_found() -> None:
    rng = np.random.default_rng(4)
    sizes = [1, 4, 16, 64]
    inside = 0
    for _ in range(TRIALS):
        errors = 0.6 * np.array(sizes, float) ** -0.25 * np.exp(rng.normal(0, 0.05, (3, 4)))
        law = fit_power_law(sizes, errors)
        assert law is not None
        inside += law.interval[0] <= -0.25 <= law.interval[1]
    assert law is not None
    assert law.exponent == pytest.approx(-0.25, abs=0.05)
    assert law.scale == pytest.approx(0.6, rel=0.1)
    assert inside / TRIALS == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / TRIALS))
    assert fit_power_law(sizes, np.zeros((3, 4))) is None


def test_the_point_of_diminishing_returns() -> None:
    luck = np.random.default_rng(5).normal(0, 0.003, (5, 3))
    rising = np.array([0.5, 0.6, 0.7]) + luck
    assert find_diminishing([1, 2, 4], rising, "uar") is None
    flat = find_diminishing([1, 2, 4], np.array([0.5, 0.6, 0.6]) + luck, "uar")
    assert flat is not None
    assert (flat.second, flat.first) == ("2", "4")
