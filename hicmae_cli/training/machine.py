"""Devices, processes, signals, random numbers and memory of a training."""

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
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from torch.utils.data import DataLoader

from hicmae_cli.errors import SettingsError, first_line

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# mallopt's parameters, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def new_accelerator(mixed_precision: str, device: str) -> Accelerator:
    """Set up the devices of a run.

    Args:
        mixed_precision: ``no``, ``bf16``, ``fp16``, or ``auto``: ``fp16`` on a CUDA GPU, ``no`` elsewhere.
        device: ``cpu``, or ``auto``, ``cuda`` or ``mps`` for what accelerate finds.

    Raises:
        SettingsError: the device does not support the precision, or a GPU is given by its number, which the launcher
            assigns.
    """
    if ":" in device:
        kind, _, number = device.partition(":")
        raise SettingsError(
            f"device={device!r}: expected {kind} for training; set CUDA_VISIBLE_DEVICES={number} to choose this GPU"
        )
    # Accelerate refuses another precision than that of an earlier run in this process; launched processes are kept.
    AcceleratorState._reset_state()
    mixed_precision = resolve_precision(mixed_precision, PartialState(cpu=device == "cpu").device.type)
    try:
        accelerator = Accelerator(
            mixed_precision=mixed_precision, cpu=device == "cpu", step_scheduler_with_optimizer=False
        )
    except ValueError as error:
        raise SettingsError(f"mixed_precision {mixed_precision}: {first_line(error)}") from error
    check_precision(mixed_precision, accelerator.device.type)
    # Our rounds of accumulation are in the recipe; those of the launcher would divide the gradients again.
    accelerator.gradient_accumulation_steps = 1
    return accelerator


def resolve_precision(mixed_precision: str, device_type: str) -> str:
    """Return what a precision means on a kind of device: ``auto`` is ``fp16`` on a CUDA GPU, and ``no`` elsewhere."""
    if mixed_precision != "auto":
        return mixed_precision
    return "fp16" if device_type == "cuda" else "no"


def check_precision(mixed_precision: str, device_type: str) -> None:
    """Check that a kind of device (``cpu``, ``cuda`` …) can train in a precision.

    Raises:
        SettingsError: it cannot.
    """
    if mixed_precision == "fp16" and device_type == "cpu":
        raise SettingsError(
            "mixed_precision='fp16' needs a GPU; on a CPU, use mixed_precision='no' or mixed_precision='bf16'"
        )


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


def gather_objects(accelerator: Accelerator, own: T) -> list[T]:
    """Gather one object of every process, in the order of the processes; each waits for the others."""
    if accelerator.num_processes == 1:
        return [own]
    gathered: list[T | None] = [None] * accelerator.num_processes
    dist.all_gather_object(gathered, own)
    return cast(list[T], gathered)


def check_one_folder(accelerator: Accelerator, run: Path, step: int) -> None:
    """Check that all processes resume from the same step, and wait until all have read it before one writes.

    Raises:
        SettingsError: the processes do not see the same folder.
    """
    if len(set(gather_objects(accelerator, step))) > 1:
        raise SettingsError(f"{run}: is not the same folder for all processes; choose one on a shared disk")


def restore(accelerator: Accelerator, optimiser: torch.optim.Optimizer, checkpoint: Mapping[str, Any]) -> None:
    """Load the states of a checkpoint into a prepared optimiser and the scaler of fp16."""
    optimiser.load_state_dict(checkpoint["optimiser"])
    if accelerator.scaler is not None and checkpoint["scaler"] is not None:
        accelerator.scaler.load_state_dict(checkpoint["scaler"])


def leave_process_group() -> None:
    """Leave the processes of a launcher together, or one of them may abort; no-op in a single process."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request to stop after the step, so that nothing is lost; a second one kills.

    Outside the main thread, where signals cannot be caught, ``requested`` stays False.
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
    """Set up a loader's process: ignore interrupts, and use one thread.

    Ctrl-C and a scheduler's SIGTERM reach every process; the main process decides, and still needs the batch it waits
    for. OpenCV's threads exist only in the parent of this forked process.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)


@contextmanager
def batches_in(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """Iterate over the batches of a loader, and end its processes with the block.

    They would end with the iterator too. But a stored exception keeps the iterator alive, and when Python exits it
    sends the processes a SIGTERM, which they ignore (``quiet_worker``), and waits forever.
    """
    batches = iter(loader)
    try:
        yield batches
    finally:
        if loader.num_workers:
            try:
                cast(Any, batches)._shutdown_workers()  # torch has no public method for this
            finally:
                # Some may hang in the middle of a file, or a second Ctrl-C has interrupted the shutdown.
                for process in cast(Any, batches)._workers:
                    process.kill()


def hold_freed_memory() -> None:
    """Keep freed memory in the process for later allocations, where the C library is glibc.

    A step on a CPU frees and allocates the same large tensors again and again. By default each goes back to the system
    and returns as zeroed pages, which takes a good part of a step's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
