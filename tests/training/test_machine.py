"""Signals and devices."""

from __future__ import annotations

import os
import signal

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.training.machine import StopRequest, new_accelerator


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_is_what_it_was(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda got, _: heard.append(got))
    try:
        with StopRequest() as stop:
            states = [stop.requested]
            os.kill(os.getpid(), number)
            states.append(stop.requested)
            assert states == [False, True]
            assert heard == []
            os.kill(os.getpid(), number)
            assert heard == [number]
    finally:
        signal.signal(number, before)


def test_another_precision_can_follow_in_one_process() -> None:
    assert new_accelerator("no", "cpu").mixed_precision == "no"
    assert new_accelerator("bf16", "cpu").mixed_precision == "bf16"


def test_one_of_several_gpus_is_chosen_by_the_environment() -> None:
    with pytest.raises(SettingsError, match="CUDA_VISIBLE_DEVICES=1 and --device cuda"):
        new_accelerator("no", "cuda:1")


def test_half_precision_is_not_silently_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="fp16 needs a GPU"):
        new_accelerator("fp16", "cpu")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")  # of a user's launcher
    assert new_accelerator("no", "cpu").gradient_accumulation_steps == 1
