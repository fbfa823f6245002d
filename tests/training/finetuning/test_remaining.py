"""The time that a call over several runs still takes."""

from __future__ import annotations

import pytest

from hicmae_cli.training.finetuning.remaining import Remaining


def test_the_time_left_covers_all_runs_and_only_counts_steps_of_this_call() -> None:
    now = [100.0]
    left = Remaining(3, lambda: now[0])
    left.start_run(8, 8)  # finished by an earlier call
    left.end_run()
    now[0] += 50
    left.start_run(2, 8)
    assert str(left) == ""
    for _ in range(2):
        left.count_step()
        now[0] += 30
    assert left.seconds == pytest.approx((4 + 8) * 30)
    assert str(left) == "6 min"
    left.end_run()  # early stopping
    assert left.seconds == pytest.approx(8 * 30)
    left.start_run(0, 8)
    for _ in range(8):
        left.count_step()
    left.end_run()
    assert str(left) == "less than a minute"


def test_hours_are_named() -> None:
    now = [0.0]
    left = Remaining(2, lambda: now[0])
    left.start_run(0, 100)
    left.count_step()
    now[0] = 60.0
    assert str(left) == "3 h 19 min"
