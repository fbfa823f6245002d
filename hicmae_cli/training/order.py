"""Which clips a step sees, and what its chance follows from: the same in every process, however often it is resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.settings import Settings


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """Order of an epoch's clips, the same in every process."""
    return [int(index) for index in np.random.default_rng([seed, epoch]).permutation(count)]


def batches_of(
    order: Sequence[int], settings: Settings, processes: int, process: int, first_step: int = 0
) -> list[list[int]]:
    """Clips of every forward pass of one process, from a step of the epoch on.

    A step's clips are consecutive in the order; they are dealt to accumulation rounds, then to processes. Clips that do
    not fill the last step wait for another epoch.
    """
    size = settings.batch_size // (processes * settings.accumulation)
    return [
        list(order[start : start + size])
        for step in range(first_step, len(order) // settings.batch_size)
        for round_ in range(settings.accumulation)
        for start in [step * settings.batch_size + (round_ * processes + process) * size]
    ]


def check_batch(settings: Settings, processes: int, clips: int) -> None:
    """Make sure that a step's clips can be dealt out.

    Raises:
        SettingsError: not evenly.
        ManifestError: there are fewer clips than a step takes.
    """
    if settings.batch_size % (processes * settings.accumulation):
        raise SettingsError(
            f"batch_size {settings.batch_size} cannot be dealt to {processes} processes in {settings.accumulation} "
            "rounds of accumulation each"
        )
    if clips < settings.batch_size:
        raise ManifestError(
            f"{clips} training clips are fewer than the {settings.batch_size} of a step; lower --batch-size"
        )


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of what a step's forward pass draws in one process."""
    digest = hashlib.sha256(f"{seed},{step},{process}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
