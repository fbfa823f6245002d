"""Read batches for pre-training. All random numbers follow from seed, epoch and clip, so a run resumes exactly."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hicmae_cli.augmentation.faces import multi_scale_crop
from hicmae_cli.augmentation.sound import random_gain
from hicmae_cli.clips import compute_log_mel
from hicmae_cli.clips.recording import RandomWindow, Recording, read_random_window, read_whole_window
from hicmae_cli.errors import TrainingError, first_line
from hicmae_cli.models.masking import Mask, draw_masks
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.training.machine import quiet_worker

_ATTEMPTS = 2000
"""Recordings, drawn from the whole corpus, to try before all of it counts as broken."""
Fault = tuple[str, str]
"""Id of a recording that cannot be used, and the reason."""


@dataclass(frozen=True)
class MaskedBatch:
    """Clips of one forward pass, with their masks.

    Attributes:
        faces: (B, 16, 160, 160, 3) uint8.
        audio: log-mel (B, 1, 256, 128).
        video_mask: visible (B, K) and masked (B, M) tokens of the faces.
        audio_mask: visible and masked tokens of the log-mels.
        ids: names of the recordings.
        faults: recordings that other ones replace because they cannot be used.
    """

    faces: Tensor
    audio: Tensor
    video_mask: Mask
    audio_mask: Mask
    ids: tuple[str, ...]
    faults: tuple[Fault, ...] = ()

    def to(self, device: torch.device) -> MaskedBatch:
        """Copy the batch to a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> MaskedBatch:
        """Copy the batch to pinned memory; the loader calls this if there is a GPU."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> MaskedBatch:
        masks = [(change(visible), change(masked)) for visible, masked in (self.video_mask, self.audio_mask)]
        return replace(
            self, faces=change(self.faces), audio=change(self.audio), video_mask=masks[0], audio_mask=masks[1]
        )


class PretrainingClips(Dataset[MaskedBatch | str]):
    """Masked clips of one epoch; an item is a batch of one clip."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        settings: PretrainSettings,
        epoch: int,
        cache: Mapping[int, RandomWindow] | None = None,
    ) -> None:
        self.recordings, self.settings, self.epoch = recordings, settings, epoch
        self.cache = cache or {}

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> MaskedBatch | str:
        """Read a recording, or another one if it is broken; if all that were tried are broken, say why.

        The reason is returned, because an exception would leave the loader's process as a traceback.
        """
        place = [self.settings.seed, self.epoch, index]
        rng, others = np.random.default_rng(place), np.random.default_rng([*place, 1])
        faults: dict[str, str] = {}
        candidate = index
        for _ in range(_ATTEMPTS):
            recording = self.recordings[candidate]
            try:
                return self._item(candidate, rng, tuple(faults.items()))
            except Exception as error:  # files, decoders and disks can raise anything
                faults[recording.id] = first_line(error)
            if len(faults) == len(self):
                break
            candidate = int(others.integers(len(self)))
        reasons = "; ".join(f"{id_}: {why}" for id_, why in list(faults.items())[:3])
        return f"none of {len(faults)} recordings that were tried can be used: {reasons}"

    def _item(self, index: int, rng: np.random.Generator, faults: tuple[Fault, ...]) -> MaskedBatch:
        recording = self.recordings[index]
        if index in self.cache:
            rng.random()  # reading the recording would draw this number
            faces, samples = self.cache[index]
        else:
            faces, samples = read_random_window(recording, rng)
        if self.settings.audio_gain:
            samples = samples * random_gain(rng)
        faces = multi_scale_crop(faces, self.settings.crop_scales, rng)
        masks = draw_masks(
            (self.settings.video_mask, self.settings.audio_mask),
            (self.settings.video_mask_ratio, self.settings.audio_mask_ratio),
            seed=int(rng.integers(2**63)),
        )
        audio = torch.from_numpy(compute_log_mel(samples))[None, None]
        return MaskedBatch(torch.from_numpy(faces)[None], audio, *masks, (recording.id,), faults)


def collate(items: Sequence[MaskedBatch | str]) -> MaskedBatch | str:
    """Join batches of one clip, or return the reason why an item could not be read."""
    batches = [item for item in items if isinstance(item, MaskedBatch)]
    if len(batches) < len(items):
        return next(item for item in items if isinstance(item, str))

    def joined(masks: Sequence[Mask]) -> Mask:
        visible, masked = zip(*masks, strict=True)
        return torch.cat(visible), torch.cat(masked)

    return MaskedBatch(
        faces=torch.cat([batch.faces for batch in batches]),
        audio=torch.cat([batch.audio for batch in batches]),
        video_mask=joined([batch.video_mask for batch in batches]),
        audio_mask=joined([batch.audio_mask for batch in batches]),
        ids=tuple(id_ for batch in batches for id_ in batch.ids),
        faults=tuple(fault for batch in batches for fault in batch.faults),
    )


def read_short(recordings: Sequence[Recording]) -> dict[int, RandomWindow]:
    """Read the windows of all recordings that are not longer than one, by their place in the list; 1.4 MB each.

    Recordings that cannot be read are skipped here; training finds them again and reports them.
    """
    cache: dict[int, RandomWindow] = {}
    for index, recording in enumerate(recordings):
        with suppress(Exception):  # files, decoders and disks can raise anything
            if (window := read_whole_window(recording)) is not None:
                cache[index] = window
    return cache


def pretraining_loader(
    recordings: Sequence[Recording],
    settings: PretrainSettings,
    epoch: int,
    batches: Sequence[list[int]],
    cache: Mapping[int, RandomWindow] | None = None,
) -> DataLoader[MaskedBatch | str]:
    """Load the batches of one process and epoch, listed by ``order.deal_batches``; ``unwrap_batch`` checks each."""
    # Collect decoders now: the forked processes lack their threads, so collecting them there can hang.
    gc.collect()
    return DataLoader(
        PretrainingClips(recordings, settings, epoch, cache),
        batch_sampler=batches,
        num_workers=settings.num_workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=collate,
        worker_init_fn=quiet_worker,
        # The loader draws a number, by default from torch's global state.
        generator=torch.Generator().manual_seed(0),
    )


def read_example(recordings: Sequence[Recording], settings: PretrainSettings) -> MaskedBatch:
    """Read one clip without augmentation, from the first recording that can be used; always the same clip and mask.

    Raises:
        TrainingError: no recording can be used.
    """
    plain = settings.model_copy(update={"crop_scales": (1.0,), "audio_gain": False})
    return unwrap_batch(PretrainingClips(recordings, plain, epoch=0)[0])


def unwrap_batch(batch: MaskedBatch | str) -> MaskedBatch:
    """Return a batch of the loader.

    Raises:
        TrainingError: the loader found no recording that can be used.
    """
    if isinstance(batch, str):
        raise TrainingError(batch)
    return batch
