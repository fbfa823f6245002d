"""Manifest lines -> training tensors. All chance comes from (seed, epoch, clip), so a run resumes exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hicmae_cli.clips import Clip, log_mel, model_inputs, read_prepared_clip, training_view
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.training.augmentation import augment_faces, augment_samples, mask_log_mel
from hicmae_cli.training.settings import FinetuneSettings

Item = tuple[Tensor, Tensor, int]


class TrainingClips(Dataset[Item]):
    """Augmented training clips of one epoch: video (3, 16, 160, 160), audio (1, 256, 128), label index."""

    def __init__(
        self, samples: Sequence[Sample], labels: Sequence[str], settings: FinetuneSettings, epoch: int
    ) -> None:
        self.samples = samples
        self.label_index = {label: index for index, label in enumerate(labels)}
        self.settings = settings
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        sample, settings = self.samples[index], self.settings
        rng = np.random.default_rng([settings.seed, self.epoch, index])
        prepared = read_prepared_clip(sample.video, sample.audio)
        view = training_view(prepared.num_frames, prepared.num_samples, settings.sampling_rate, rng)
        clip = prepared.clip(view)
        faces, mel = clip.video, clip.audio
        if mel is not None and prepared.samples is not None:
            mel = log_mel(augment_samples(view.cut_audio(prepared.samples), settings, rng))
            mel = mask_log_mel(mel, settings, rng)
        if faces is not None:
            faces = augment_faces(faces, settings, rng)
        if faces is not None and mel is not None and rng.random() < settings.drop_stream:
            # One stream is withheld, as a recording without a face or without sound would.
            faces, mel = (None, mel) if rng.random() < 0.5 else (faces, None)
        video, audio = model_inputs([Clip(faces, mel)])
        return torch.from_numpy(video[0]), torch.from_numpy(audio[0]), self.label_index[sample.label]


def training_loader(
    samples: Sequence[Sample], labels: Sequence[str], settings: FinetuneSettings, epoch: int
) -> DataLoader[Item]:
    """Shuffled batches of one epoch, in an order that (seed, epoch) decides."""
    return DataLoader(
        TrainingClips(samples, labels, settings, epoch),
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=len(samples) >= settings.batch_size,
        num_workers=settings.num_workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(settings.seed * 100_003 + epoch),
    )
