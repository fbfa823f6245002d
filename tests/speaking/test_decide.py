from __future__ import annotations

from hicmae_cli.speaking.decide import SpeakerJudge


def judge(*windows: dict[int, float | None]) -> list[dict[int, str]]:
    judging = SpeakerJudge()
    return [judging.judge(window) for window in windows]


def test_the_best_of_several_speaks_and_the_others_do_not() -> None:
    assert judge({1: 0.7, 2: 0.45, 3: None}) == [{1: "yes", 2: "no", 3: "no"}]


def test_two_that_fit_alike_are_unsure() -> None:
    assert judge({1: 0.7, 2: 0.6, 3: 0.1}) == [{1: "unsure", 2: "unsure", 3: "no"}]


def test_nobody_speaks_if_nothing_fits() -> None:
    assert judge({1: 0.2, 2: 0.1}) == [{1: "no", 2: "no"}]
    assert judge({1: 0.2}) == [{1: "no"}]


def test_a_single_person_is_tested_too() -> None:
    assert judge({1: 0.7}, {1: 0.45}, {1: 0.3}, {1: 0.45}) == [{1: "yes"}, {1: "yes"}, {1: "no"}, {1: "unsure"}]


def test_who_cannot_be_read_is_unsure() -> None:
    assert judge({1: None}, {1: None, 2: 0.1}) == [{1: "unsure"}, {1: "unsure", 2: "no"}]


def test_silence_ends_a_turn() -> None:
    judging = SpeakerJudge()
    assert judging.judge({1: 0.7}) == {1: "yes"}
    assert judging.hear_nothing([1, 2]) == {1: "no", 2: "no"}
    assert judging.judge({1: 0.45}) == {1: "unsure"}
