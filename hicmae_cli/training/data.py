"""Manifest lines -> training tensors. All chance comes from (seed, epoch, clip), so a run resumes exactly."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from hicmae_cli.clips import (
    CLIP_FRAMES,
    FACE_SIZE_PX,
    PreparedClip,
    log_mel,
    read_prepared_clip,
    training_view,
)
from hicmae_cli.clips.clip import IMAGENET_MEAN, IMAGENET_STD
from hicmae_cli.clips.log_mel import LOG_MEL_BINS, LOG_MEL_FRAMES, MIN_SAMPLES
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError, TrainingError
from hicmae_cli.models.masking import cut_faces, keep_patches
from hicmae_cli.training.augmentation import augment_faces, augment_samples, mask_log_mel
from hicmae_cli.training.settings import FinetuneSettings

_NO_FACES = np.zeros((CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
_NO_SOUND = np.zeros((1, LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)

Item = tuple[Tensor, Tensor, Tensor, int]


class TrainingClips(Dataset[Item | str]):
    """Augmented training clips of one epoch.

    An item is faces (16, 160, 160, 3) uint8, whether there are any (), log-mel (1, 256, 128), label index; ``to_video``
    turns the first two into the model's input, on the device and from a quarter of the bytes.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        labels: Sequence[str],
        settings: FinetuneSettings,
        epoch: int,
        cache: Sequence[PreparedClip] | None = None,
    ) -> None:
        self.samples = samples
        self.cache = cache
        self.label_index = {label: index for index, label in enumerate(labels)}
        self.settings = settings
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item | str:
        """Item of a clip, or what is wrong with a broken one.

        An exception would come out of the loader's process as a traceback.
        """
        try:
            return self._item(index)
        except (HicmaeError, ValueError) as error:
            return f"clip {self.samples[index].id}: {error}"

    def _item(self, index: int) -> Item:
        sample, settings = self.samples[index], self.settings
        rng = np.random.default_rng([settings.seed, self.epoch, index])
        prepared = self.cache[index] if self.cache else read_prepared_clip(sample.video, sample.audio)
        view = training_view(prepared.num_frames, prepared.num_samples, settings.sampling_rate, rng)
        faces, mel = prepared.faces(view), None
        if prepared.samples is not None and len(cut := view.cut_audio(prepared.samples)) >= MIN_SAMPLES:
            mel = mask_log_mel(log_mel(augment_samples(cut, settings, rng)), settings, rng)
        if faces is not None:
            faces = augment_faces(faces, settings, rng)
        if faces is not None and mel is not None and rng.random() < settings.drop_stream:
            # One stream is withheld, as a recording without a face or without sound would.
            faces, mel = (None, mel) if rng.random() < 0.5 else (faces, None)
        shown = _NO_FACES if faces is None else np.ascontiguousarray(faces)
        heard = _NO_SOUND if mel is None else mel[None]
        seen = torch.tensor(faces is not None)
        return torch.from_numpy(shown), seen, torch.from_numpy(heard), self.label_index[sample.label]


def to_video(faces: Tensor, seen: Tensor, keep: Tensor | None = None) -> Tensor:
    """Bytes to what the model takes; zeros where no faces were seen, as at prediction.

    Args:
        faces: (B, 16, 160, 160, 3) uint8.
        seen: (B,) bool.
        keep: (B, K) indices of the tokens to look at, or None for all.

    Returns:
        (B, 3, 16, 160, 160), or the kept patches (B, K, P); cut before they become floats, which is most of the work.
    """
    if keep is None:
        normalised = _normalise_levels(faces.permute(0, 4, 1, 2, 3).float(), (1, 3, 1, 1, 1))
    else:
        normalised = normalise_patches(keep_patches(cut_faces(faces), keep))
    return normalised * seen.view(-1, *(1,) * (normalised.ndim - 1))


def normalise_patches(patches: Tensor) -> Tensor:
    """Bytes of patches (B, K, P) -> what the model takes, (B, K, P)."""
    pixels = patches.float().view(*patches.shape[:2], 3, -1)  # (B, K, 3, P / 3)
    return _normalise_levels(pixels, (1, 1, 3, 1)).flatten(2)


def _normalise_levels(levels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """0..255 -> ImageNet's mean 0 and deviation 1; ``shape`` has the channels where ``levels`` has them."""
    mean, std = (torch.from_numpy(v).to(levels.device).view(shape) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return torch.addcmul(-mean / std, levels, 1 / (255 * std))


def training_loader(
    samples: Sequence[Sample],
    labels: Sequence[str],
    settings: FinetuneSettings,
    epoch: int,
    cache: Sequence[PreparedClip] | None = None,
) -> DataLoader[Item | str]:
    """Shuffled batches of one epoch, in an order that (seed, epoch) decides; ``cache`` holds the clips decoded.

    A batch with broken clips is a list of what is wrong with them.
    """
    gc.collect()  # what decoders left behind must not be given up in the forked processes, without their threads
    return DataLoader(
        TrainingClips(samples, labels, settings, epoch, cache),
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=len(samples) >= settings.batch_size,
        num_workers=settings.num_workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=_collate,
        generator=torch.Generator().manual_seed(settings.seed * 100_003 + epoch),
    )


def _collate(items: list[Item | str]) -> Any:
    return [item for item in items if isinstance(item, str)] or default_collate(items)


def unbroken(batch: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch of ``training_loader``: faces, whether there are any, log-mels, label indices.

    Raises:
        TrainingError: clips of the batch are broken; all are named.
    """
    if isinstance(batch[0], str):
        raise TrainingError("; ".join(batch))
    faces, seen, audio, target = batch
    return faces, seen, audio, target
