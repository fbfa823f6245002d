"""The clips and the random seed of every step: the same in every process, and after every resume."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.recipes.shared_settings import Settings


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """Shuffle the clips of an epoch; every process gets the same order."""
    return [int(index) for index in np.random.default_rng([seed, epoch]).permutation(count)]


def deal_batches(
    order: Sequence[int], settings: Settings, processes: int, process: int, first_step: int = 0
) -> list[list[int]]:
    """List the clips of every forward pass of one process, from a step of the epoch on.

    A step's clips are consecutive in the order; they are split into accumulation rounds, then among processes. Clips
    that do not fill the last step wait for another epoch.
    """
    size = settings.batch_size // (processes * settings.accumulation)
    return [
        list(order[start : start + size])
        for step in range(first_step, len(order) // settings.batch_size)
        for round_ in range(settings.accumulation)
        for start in [step * settings.batch_size + (round_ * processes + process) * size]
    ]


def first_batches(order: Sequence[int], settings: Settings, clips: int) -> list[list[int]]:
    """List the first clips of an epoch in batches, the same for every process; the last batch may be smaller.

    Args:
        order: the clips of the epoch.
        settings: the recipe, for the size of a batch.
        clips: number of clips to list.
    """
    size = settings.batch_size
    return [list(order[start : min(start + size, clips)]) for start in range(0, min(clips, len(order)), size)]


def check_batch(settings: Settings, processes: int, clips: int) -> None:
    """Check that the clips of a step can be split among processes and rounds.

    Raises:
        SettingsError: they cannot be split evenly.
        ManifestError: there are fewer clips than a step takes.
    """
    if settings.batch_size % (processes * settings.accumulation):
        raise SettingsError(
            f"batch_size {settings.batch_size} cannot be split evenly among {processes} processes with "
            f"{settings.accumulation} accumulation rounds each"
        )
    if clips < settings.batch_size:
        raise ManifestError(f"got {clips} training clips, expected at least batch_size {settings.batch_size}")


def step_seed(seed: int, step: int, process: int) -> int:
    """Derive the seed of one process in a step."""
    digest = hashlib.sha256(f"{seed},{step},{process}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
