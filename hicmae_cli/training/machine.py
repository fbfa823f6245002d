"""What a training asks of the machine: devices, to be told when to stop, quiet workers, and to keep its memory."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar, cast

import cv2
import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from hicmae_cli.errors import SettingsError, first_line

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# mallopt's parameters, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def new_accelerator(mixed_precision: str, device: str) -> Accelerator:
    """The devices of a run, whatever precision an earlier run of this process had.

    Args:
        mixed_precision: ``no``, ``bf16`` or ``fp16``.
        device: ``cpu``, or ``auto``, ``cuda`` or ``mps`` for what accelerate finds.

    Raises:
        SettingsError: a precision the device does not have, or one of several GPUs by its number, which the launcher
            deals out.
    """
    if ":" in device:
        kind, _, number = device.partition(":")
        raise SettingsError(
            f"--device {device}: choose a GPU for training by CUDA_VISIBLE_DEVICES={number} and --device {kind}"
        )
    AcceleratorState._reset_state()  # it would refuse another precision; what was launched is kept
    try:
        accelerator = Accelerator(
            mixed_precision=mixed_precision, cpu=device == "cpu", step_scheduler_with_optimizer=False
        )
    except ValueError as error:
        raise SettingsError(f"mixed_precision {mixed_precision}: {first_line(error)}") from error
    if mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise SettingsError('mixed_precision fp16 needs a GPU; on a CPU, set it to "no" or "bf16"')
    accelerator.gradient_accumulation_steps = 1  # ours are in the recipe; the launcher's would divide gradients again
    return accelerator


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators for a block, and restore their states afterwards.

    For random numbers that take no generator of their own: the initial parameters of torch's layers, and stochastic
    depth, whose draws gradient checkpointing repeats from the global state.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def of_all(accelerator: Accelerator, own: T) -> list[T]:
    """What every process has to say, in their order; each waits for the others."""
    if accelerator.num_processes == 1:
        return [own]
    told: list[T | None] = [None] * accelerator.num_processes
    dist.all_gather_object(told, own)
    return cast(list[T], told)


def check_one_folder(accelerator: Accelerator, run: Path, step: int) -> None:
    """Make sure that all processes go on from the same step, and that none still looks for it when one writes.

    Raises:
        SettingsError: they do not see the same folder.
    """
    if len(set(of_all(accelerator, step))) > 1:
        raise SettingsError(f"{run}: is not the same folder for all processes; choose one on a shared disk")


def restore(accelerator: Accelerator, optimiser: torch.optim.Optimizer, checkpoint: Mapping[str, Any]) -> None:
    """Give a prepared optimiser, and the scaler of fp16, the states of a checkpoint."""
    optimiser.load_state_dict(checkpoint["optimiser"])
    if accelerator.scaler is not None and checkpoint["scaler"] is not None:
        accelerator.scaler.load_state_dict(checkpoint["scaler"])


def part_from_others() -> None:
    """Leave the processes of a launcher together; one that just ends can make another one abort. Alone, nothing."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request to stop after the step, so that nothing is lost; the second one kills.

    Outside of the main thread, where signals cannot be caught, nothing is ever requested.
    """

    requested = False

    def __enter__(self) -> StopRequest:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for each, handler in self._before.items():
            signal.signal(each, handler)


def quiet_worker(_: int) -> None:
    """What a loader's process does first: it leaves interrupts alone, and does its work in one thread.

    Ctrl-C and a scheduler's SIGTERM reach every process; the main one decides, and needs the batch it waits for.
    OpenCV's threads, if there are any, stayed in the process that this one was forked from.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)


@contextmanager
def batches_in(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """The batches of a loader, whose processes end with the block.

    They would end with the iterator, too; but an error that somebody keeps keeps that as well, and at its end Python
    asks them by SIGTERM, which they leave alone (``quiet_worker``), and waits for ever.
    """
    batches = iter(loader)
    try:
        yield batches
    finally:
        if loader.num_workers:
            try:
                cast(Any, batches)._shutdown_workers()  # torch has no public name for it
            finally:
                for process in cast(Any, batches)._workers:
                    process.kill()  # one that hangs in the middle of a file, or nobody had the patience to wait for


def hold_freed_memory() -> None:
    """Keep memory that is freed for what comes next, where the C library is glibc.

    A step on a CPU frees and asks for the same large tensors again and again. Without this each goes back to the system
    and comes again as zeroed pages, a good part of a step's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
