"""The scores of a check equal tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hicmae_cli.evaluation.real_check.measures import (
    AROUSAL,
    choose_among,
    correlate_ranks,
    expect_arousal,
    measure_choice,
    measure_difference,
    measure_ece,
    measure_mean,
    measure_rank_correlation,
)

LABELS = ("anger", "happiness", "neutral")
# The most probable label is anger in every row but the last.
TABLE = np.array([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.5, 0.3, 0.2], [0.4, 0.2, 0.4], [0.1, 0.2, 0.7]])
TRUTH = ["happiness", "neutral", "neutral", "anger", "neutral"]
PEOPLE = ["a", "a", "b", "c", "c"]


def test_the_choice_ignores_other_labels_and_their_files() -> None:
    assert choose_among(TABLE, LABELS, ("happiness", "neutral")).tolist() == [0, 1, 0, 1, 1]
    accuracy = measure_choice("war", TRUTH, PEOPLE, TABLE, LABELS, ("happiness", "neutral"))
    assert accuracy is not None and accuracy.value == pytest.approx(3 / 4)
    assert (accuracy.n, accuracy.people) == (4, 3)
    uar = measure_choice("uar", TRUTH, PEOPLE, TABLE, LABELS, ("happiness", "neutral"))
    assert uar is not None and uar.value == pytest.approx((1 + 2 / 3) / 2)


def test_one_label_leaves_nothing_to_choose() -> None:
    assert measure_choice("war", ["neutral"] * 5, PEOPLE, TABLE, LABELS, ("happiness", "neutral")) is None


def test_people_are_drawn_not_files() -> None:
    """One person with a hundred files is one draw of the bootstrap, so that the bounds are the two people's scores."""
    truth, people = ["happiness", "neutral"] * 51, ["a"] * 100 + ["b"] * 2
    table = np.tile([[0.2, 0.8]], (102, 1))
    table[0:100:2] = [0.8, 0.2]
    found = measure_choice("war", truth, people, table, ("happiness", "neutral"), ("happiness", "neutral"))
    assert found is not None and found.value == pytest.approx(101 / 102)
    assert found.lower == pytest.approx(0.5) and found.upper == 1.0


def test_a_difference_is_resampled_with_both_systems() -> None:
    truth = np.array([0, 0, 1, 1])
    right, half = truth, np.array([0, 1, 1, 0])
    lost = measure_difference(truth, right, half, 2, ["a", "b", "a", "b"])
    assert lost.value == pytest.approx(0.5)
    # Person a loses nothing, and b everything.
    assert (lost.lower, lost.upper) == (0.0, 1.0)
    same = measure_difference(truth, half, half, 2, ["a", "b", "a", "b"])
    assert (same.value, same.lower, same.upper) == (0.0, 0.0, 0.0)


def test_ranks_correlate_as_in_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    assert correlate_ranks(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert correlate_ranks(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(0.5)
    assert correlate_ranks(np.ones(3), np.arange(3.0)) == 0.0
    whole = measure_rank_correlation(np.arange(20.0), np.arange(20.0) ** 3, [f"s{row % 7}" for row in range(20)])
    assert whole.lower == pytest.approx(1) == whole.value


def test_expected_arousal_is_the_mean_of_rated_labels() -> None:
    row = np.array([[0.25, 0.25, 0.5]])
    expected = (AROUSAL["anger"] + AROUSAL["sadness"]) / 2
    assert expect_arousal(row, ("anger", "sadness", "boredom")) == pytest.approx(expected)


def test_means_and_calibration() -> None:
    assert measure_mean(np.array([0.1, 0.3]), ["a", "b"]).value == pytest.approx(0.2)
    # One bin: confidence 0.8, accuracy 0.5.
    error = measure_ece(np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1]), ["a", "b"])
    assert error.value == pytest.approx(0.3)
