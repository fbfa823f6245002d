"""What both training loops share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import TrainingError
from hicmae_cli.training.loop import Schedule, agree, explain_not_finite, is_checkpoint_due, raise_together
from tests.training.toys import SETTINGS

ALONE = SimpleNamespace(num_processes=1)


@given(clips=st.integers(2, 40), batch_size=st.integers(1, 2), epochs=st.integers(1, 5))
def test_every_step_is_in_one_epoch(clips: int, batch_size: int, epochs: int) -> None:
    schedule = Schedule.plan(SETTINGS.model_copy(update={"batch_size": batch_size, "epochs": epochs}), clips)
    assert schedule.steps_per_epoch == clips // batch_size
    made = []
    step = 0
    while step < schedule.total_steps:
        epoch, first = schedule.locate(step)
        assert first == 0
        steps = schedule.rest_of_epoch(step)
        assert [schedule.ends_epoch(each) for each in steps] == [False] * (len(steps) - 1) + [True]
        assert {schedule.locate(each)[0] for each in steps} == {epoch}
        made += list(steps)
        step = steps[-1] + 1
    assert made == list(range(schedule.total_steps))
    assert len(made) == epochs * (clips // batch_size)


def test_an_interrupted_epoch_goes_on_where_it_stopped() -> None:
    schedule = Schedule(steps_per_epoch=5, epochs=3)
    assert schedule.locate(7) == (1, 2)
    assert list(schedule.rest_of_epoch(7)) == [7, 8, 9]


@pytest.mark.parametrize(
    ("step", "epoch_ends", "stopping", "due"),
    [(3, False, False, True), (4, False, False, False), (4, True, False, True), (4, False, True, True)],
)
def test_checkpoints_come_regularly_after_epochs_and_before_a_stop(
    step: int, epoch_ends: bool, stopping: bool, due: bool
) -> None:
    assert is_checkpoint_due(step, 4, epoch_ends=epoch_ends, stopping=stopping) is due


def test_faults_of_a_process_stop_it() -> None:
    raise_together(ALONE, [])
    with pytest.raises(TrainingError, match="a: broken; b: broken"):
        raise_together(ALONE, ["a: broken", "b: broken"])
    assert agree(ALONE, True, [("a", "broken")]) == (True, [("a", "broken")])


def test_a_number_that_is_not_finite_names_step_and_clips() -> None:
    error = explain_not_finite("the loss became nan", 4, ["a", "b"], process=1)
    assert str(error).startswith("the loss became nan in step 5; earlier checkpoints, if any, are kept. Lower base_lr")
    assert str(error).endswith("Clips of the step in process 1: a, b")
