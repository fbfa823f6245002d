"""Signals and devices."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import Any, cast

import pytest
import torch
import torch.utils.data
from torch.utils.data import DataLoader, Dataset

from hicmae_cli.errors import SettingsError
from hicmae_cli.training.machine import StopRequest, batches_in, new_accelerator, quiet_worker, seeded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_a_stop_and_the_second_kills(number: signal.Signals) -> None:
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


def test_a_loaders_processes_end_with_the_block_even_if_its_error_is_kept() -> None:
    loader = DataLoader(cast(Any, range(8)), num_workers=1, worker_init_fn=quiet_worker)
    with pytest.raises(ValueError) as kept, batches_in(loader) as batches:
        assert int(next(batches)) == 0
        (process,) = multiprocessing.active_children()
        os.kill(cast(int, process.pid), signal.SIGTERM)  # ignored, like a scheduler's
        assert int(next(batches)) == 1
        raise ValueError("is kept")
    assert kept.value.args == ("is kept",)
    assert not multiprocessing.active_children()


class Stuck(Dataset[int]):
    """Clips whose reading never ends."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        while True:
            time.sleep(60)


def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    loader = DataLoader(Stuck(), num_workers=1, worker_init_fn=quiet_worker)
    with pytest.raises(KeyboardInterrupt), batches_in(loader):
        (process,) = multiprocessing.active_children()
        time.sleep(0.5)  # wait until it reads
        raise KeyboardInterrupt
    process.join(5)
    assert process.exitcode == -signal.SIGKILL


def test_a_seeded_block_draws_the_same_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = []
    for _ in range(2):
        with seeded(7, torch.device("cpu")):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_precision_can_follow_in_one_process() -> None:
    assert new_accelerator("no", "cpu").mixed_precision == "no"
    assert new_accelerator("bf16", "cpu").mixed_precision == "bf16"


def test_a_gpu_number_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected cuda for training; set CUDA_VISIBLE_DEVICES=1"):
        new_accelerator("no", "cuda:1")


def test_half_precision_on_a_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="mixed_precision='fp16' needs a GPU"):
        new_accelerator("fp16", "cpu")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")  # set by a user's launcher
    assert new_accelerator("no", "cpu").gradient_accumulation_steps == 1


def test_the_precision_follows_the_device() -> None:
    assert new_accelerator("auto", "cpu").mixed_precision == "no"
    if not torch.cuda.is_available():
        assert new_accelerator("auto", "auto").mixed_precision == "no"
