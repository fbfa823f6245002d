"""Bootstrap intervals: against plain resampling, and what they are drawn from."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hicmae_cli.evaluation.intervals import class_intervals, classification_intervals, regression_intervals
from hicmae_cli.evaluation.metrics import classification_metrics, regression_metrics, score_tables

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, 200)
GUESS = np.where(RNG.random(200) < 0.6, TRUTH, RNG.integers(0, 3, 200))
PEOPLE = [f"p{index // 20}" for index in range(200)]


def test_by_clip_as_plain_resampling() -> None:
    found = classification_intervals(TRUTH, GUESS, 3)
    draws = [RNG.integers(0, 200, 200) for _ in range(400)]
    tables = np.stack([np.bincount(3 * TRUTH[d] + GUESS[d], minlength=9).reshape(3, 3) for d in draws])
    for name, plain in score_tables(tables).items():
        assert found.bounds[name] == pytest.approx(np.percentile(plain, (2.5, 97.5)), abs=0.02)
    assert found.resampled == "clip"


def test_people_are_drawn_whole() -> None:
    """Clips of a person that are all right or all wrong say less than as many people would."""
    luck = np.repeat(np.random.default_rng(1).random(10) < 0.5, 20)
    guess = np.where(luck, TRUTH, (TRUTH + 1) % 3)
    by_person = classification_intervals(TRUTH, guess, 3, PEOPLE)
    by_clip = classification_intervals(TRUTH, guess, 3)
    assert by_person.resampled == "speaker"
    width, narrow = (np.ptp(found.bounds["war"]) for found in (by_person, by_clip))
    assert width > 3 * narrow


def test_classes_as_plain_resampling() -> None:
    truth, guess = (np.eye(3, dtype=bool)[each] for each in (TRUTH, GUESS))
    found = class_intervals(truth, guess)
    draws = [RNG.integers(0, 200, 200) for _ in range(400)]
    for place, own in enumerate(found):
        hits = [(truth[d] & guess[d])[:, place].sum() for d in draws]
        wholes = {"recall": truth, "precision": guess}
        for name, table in wholes.items():
            plain = [hit / table[d][:, place].sum() for hit, d in zip(hits, draws, strict=True)]
            assert own[name] == pytest.approx(np.percentile(plain, (2.5, 97.5)), abs=0.03)
    # The same seed draws the same people as for the mean over the classes: a single class is its own mean.
    one = np.zeros(200, np.int64)
    luck = (GUESS == TRUTH).astype(np.int64)
    alone = class_intervals(np.eye(2, dtype=bool)[one], np.eye(2, dtype=bool)[1 - luck], PEOPLE)
    assert alone[0]["recall"] == classification_intervals(one, 1 - luck, 2, PEOPLE).bounds["uar"]
    assert alone[1].keys() == {"precision", "f1"}


@pytest.mark.parametrize("people", [[], ["one"] * 200, ["", *PEOPLE[1:]]])
def test_clips_are_drawn_where_people_are_not_known(people: list[str]) -> None:
    assert classification_intervals(TRUTH, GUESS, 3, people).resampled == "clip"


def test_of_a_seed_and_around_the_score() -> None:
    first, again, other = (classification_intervals(TRUTH, GUESS, 3, PEOPLE, seed=seed) for seed in (0, 0, 1))
    assert first.to_dict() == again.to_dict() != other.to_dict()
    for name, value in classification_metrics(TRUTH, GUESS, 3).items():
        low, high = first.bounds[name]
        assert low < value < high


def test_regression_as_plain_resampling() -> None:
    truth = RNG.normal(size=(150, 2))
    guess = 0.5 * truth + RNG.normal(size=(150, 2))
    found = regression_intervals(truth, guess, ("a", "b"))
    draws = [RNG.integers(0, 150, 150) for _ in range(400)]
    plain = [regression_metrics(truth[d], guess[d], ("a", "b")) for d in draws]
    assert found.bounds.keys() == plain[0].keys()
    for name in ("ccc", "pcc_b", "mae_a", "rmse"):
        expected = np.percentile([scores[name] for scores in plain], (2.5, 97.5))
        assert found.bounds[name] == pytest.approx(expected, abs=0.04)


def test_one_clip_has_an_interval_of_no_width() -> None:
    assert classification_intervals(TRUTH[:1], TRUTH[:1], 3).bounds["uar"] == (1, 1)
    assert regression_intervals(np.ones((1, 1)), np.ones((1, 1)), ("a",)).bounds["ccc"] == (0, 0)


def test_a_large_test_set_takes_about_a_second() -> None:
    truth = RNG.integers(0, 11, 7000)
    started = time.perf_counter()
    classification_intervals(truth, RNG.integers(0, 11, 7000), 11)
    assert time.perf_counter() - started < 6  # 0.5 s on a free core; the machine may be busy
