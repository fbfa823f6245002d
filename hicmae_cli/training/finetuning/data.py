"""Clips of a manifest -> batches to train on. All random draws follow from (seed, epoch, clip): runs resume exactly.

In an epoch that may repeat a clip, they follow from the place in the epoch too.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from hicmae_cli.augmentation.faces import augment_faces
from hicmae_cli.augmentation.sound import augment_log_mel, augment_samples
from hicmae_cli.clips import PreparedClip, compute_log_mel, read_prepared_clip
from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.clips.stills import SWAYING
from hicmae_cli.corpora.manifest import Sample, describe_fault
from hicmae_cli.corpora.values import check_values
from hicmae_cli.errors import ManifestError, MediaError, TrainingError
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES
from hicmae_cli.models.config import VIDEO_GRID, VIDEO_PATCH_VALUES
from hicmae_cli.models.masking import count_kept, cut_kept_faces, spread_tokens
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.tasks import Kind
from hicmae_cli.training.finetuning.auxiliary import Cues
from hicmae_cli.training.finetuning.pairing import PartnerPool
from hicmae_cli.training.finetuning.soft_targets import soften_targets
from hicmae_cli.training.machine import quiet_worker

NO_FACES = np.zeros((CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
NO_SOUND = np.zeros((1, LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)

LabelledItem: TypeAlias = tuple[Tensor, ...]
Faces: TypeAlias = NDArray[np.uint8]
LogMel: TypeAlias = NDArray[np.float32]


class LabelledBatch(NamedTuple):
    """Clips of one forward pass and their targets.

    Attributes:
        faces: (B, 16, 160, 160, 3) uint8, or the kept patches of them (B, K, P).
        has_faces: (B,) bool.
        audio: log-mels (B, 1, 256, 128).
        targets: label indices (B,), sets of labels as zeros and ones (B, C), the values of a regression (B, D), or the
            probabilities to learn (B, C) if the recipe ``softens_targets``.
        cues: auxiliary targets (B, A), NaN where unknown; None or no columns if the run learns none.
        kept: index of each patch in ``faces`` (B, K), if the recipe drops video tokens.
    """

    faces: Tensor
    has_faces: Tensor
    audio: Tensor
    targets: Tensor
    cues: Tensor | None = None
    kept: Tensor | None = None

    def to(self, device: torch.device) -> LabelledBatch:
        """Return the same batch on a device."""
        return LabelledBatch._make(None if each is None else each.to(device, non_blocking=True) for each in self)


class TrainingClips(Dataset[LabelledItem | str]):
    """Augmented training clips of one epoch.

    An item is faces (16, 160, 160, 3) uint8, whether there are any (), log-mel (1, 256, 128), and its target: a label
    index (), a set of labels (C,), the values of a regression (D,), or probabilities (C,). ``to_video`` turns the first
    two into the model's input on the device, so that a quarter of the bytes has to travel. With ``cues``, an item also
    has its auxiliary targets (A,). If the recipe drops video tokens, an item has these targets, the patches that are
    kept (K, P) instead of faces, and their indices (K,): the rest of a clip would only cost time to copy.

    Raises:
        ManifestError: a label that is not in ``labels`` or, for a regression, not as many numbers; or as
            ``soften_targets``.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        labels: Sequence[str],
        settings: FinetuneSettings,
        epoch: int,
        cache: Sequence[PreparedClip] | None = None,
        *,
        task: Kind = "classification",
        rows: Sequence[int] | None = None,
        cues: Cues | None = None,
    ) -> None:
        self.samples = samples
        self.cache = cache
        self.rows = rows
        self.cues = cues
        self.targets = torch.from_numpy(make_targets(samples, labels, task))
        if settings.softens_targets:
            self.targets = soften_targets(samples, self.targets, labels, settings)
        self.partners = PartnerPool(samples) if settings.pair_streams else None
        self.settings = settings
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.samples if self.rows is None else self.rows)

    def __getitem__(self, key: int) -> LabelledItem | str:
        """Return the item of a clip, or what is wrong with a broken one.

        An exception would come out of the loader's process as a traceback.

        Args:
            key: index of the clip or, with ``rows``, its place in the epoch.
        """
        row = key if self.rows is None else self.rows[key]
        # A clip that is drawn twice in an epoch is changed in two ways.
        place = () if self.rows is None else (key,)
        rng = np.random.default_rng([self.settings.seed, self.epoch, row, *place])
        try:
            return self._item(row, rng)
        except Exception as error:  # a file, a decoder or a disk may raise anything
            return f"clip {self.samples[row].id}: {describe_fault(self.samples[row], error)}"

    def _item(self, row: int, rng: np.random.Generator) -> LabelledItem:
        settings = self.settings
        faces, mel = self._draw_streams(row, rng)
        face_row = voice_row = row
        if self.partners is not None and (partner := self.partners.draw(row, settings, rng)) is not None:
            other_faces, other_mel = self._draw_partner(partner, rng)
            if faces is None:
                faces, face_row = other_faces, partner
            else:
                mel, voice_row = other_mel, partner
        targets = self.targets[face_row], self.targets[voice_row]
        target = (targets[0] + targets[1]) / 2 if settings.softens_targets else targets[0]
        if faces is not None and mel is not None and rng.random() < settings.drop_stream:
            # The model learns to cope with recordings that have no face or no sound.
            drops_faces = rng.random() < 0.5
            faces, mel, target = (None, mel, targets[1]) if drops_faces else (faces, None, targets[0])
        has_faces = torch.tensor(faces is not None)
        audio = torch.from_numpy(NO_SOUND if mel is None else mel[None])
        cues: tuple[Tensor, ...] = ()
        if self.cues is not None:
            cues = (self.cues.pick(None if faces is None else face_row, None if mel is None else voice_row),)
        if settings.drop_video_tokens and settings.modality != "audio":
            patches, kept = _keep_tokens(faces, settings.drop_video_tokens, rng)
            return patches, has_faces, audio, target, *(cues or (torch.empty(0),)), kept
        video = torch.from_numpy(NO_FACES if faces is None else _fill_clip(faces))
        return video, has_faces, audio, target, *cues

    def _draw_partner(self, partner: int, rng: np.random.Generator) -> tuple[Faces | None, LogMel | None]:
        """Draw a view of a clip's partner, as ``_draw_streams``."""
        try:
            return self._draw_streams(partner, rng)
        except Exception as error:  # as in __getitem__
            sample = self.samples[partner]
            raise MediaError(f"its partner {sample.id}: {describe_fault(sample, error)}") from error

    def _draw_streams(self, row: int, rng: np.random.Generator) -> tuple[Faces | None, LogMel | None]:
        """Draw a view of a clip -> its changed faces and log-mel, or None for a stream that it has not.

        Faces of a still are two frames, which ``SWAYING`` repeats.
        """
        settings = self.settings
        prepared = self.cache[row] if self.cache else self._read(row)
        view = prepared.draw_training_view(settings.frame_stride, rng)
        mel, faces = None, None
        if settings.modality != "video" and prepared.samples is not None:
            cut = view.cut_audio(prepared.samples)
            if len(cut) >= MIN_SAMPLES:
                mel = augment_log_mel(compute_log_mel(augment_samples(cut, settings, rng)), settings, rng)
        if settings.modality != "audio":
            faces = prepared.decode_faces(view, exact=False, rng=rng, still_frames=max(SWAYING) + 1)
        if faces is not None:
            faces = augment_faces(faces, settings, rng)
        if faces is None and mel is None:
            absent = {"av": "faces and no sound", "video": "faces", "audio": "sound"}[settings.modality]
            raise MediaError(f"has no {absent} to learn from; remove it from the manifest")
        return faces, mel

    def _read(self, row: int) -> PreparedClip:
        """Read a clip, without the sound if only its faces are used; faces are decoded only when they are used."""
        sample = self.samples[row]
        silent = self.settings.modality == "video" and sample.video is not None
        return read_prepared_clip(sample.video, None if silent else sample.audio)


def _fill_clip(faces: Faces) -> Faces:
    """Make the 16 frames of a clip from all of them, or from the two of a still that sways."""
    return np.ascontiguousarray(faces if len(faces) == CLIP_FRAMES else faces[list(SWAYING)])


def _keep_tokens(faces: Faces | None, dropped: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw the video tokens of a clip to keep -> their patches (K, P) uint8 and indices (K,).

    Dropping a share of the tokens (PatchDropout, Liu et al. 2022) buys many more clips for the same time.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    kept = spread_tokens(1, VIDEO_GRID, count_kept(VIDEO_GRID, dropped), generator=generator)
    if faces is None:
        return torch.zeros(kept.shape[1], VIDEO_PATCH_VALUES, dtype=torch.uint8), kept[0]
    # The frames of a still are those of each patch.
    at = kept if len(faces) == CLIP_FRAMES else kept % math.prod(VIDEO_GRID[1:])
    return cut_kept_faces(torch.from_numpy(np.ascontiguousarray(faces))[None], at)[0], kept[0]


def make_targets(samples: Sequence[Sample], labels: Sequence[str], task: Kind) -> NDArray[np.int64 | np.float32]:
    """Return what a model learns: label indices (n,), sets of labels (n, C), or values (n, D).

    Raises:
        ManifestError: a label that is not among the ``labels``, or not one value for each.
    """
    if task == "regression":
        return regression_targets(samples, labels)
    return label_sets(samples, labels) if task == "multilabel" else label_indices(samples, labels)


def label_indices(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of every clip's label among the labels (n,).

    Raises:
        ManifestError: a label is not among them.
    """
    place = {label: index for index, label in enumerate(labels)}
    for sample in samples:
        if sample.label not in place:
            raise ManifestError(f"clip {sample.id}: label {sample.label!r} is not one of {', '.join(labels)}")
    return np.array([place[sample.label] for sample in samples], np.int64)


def label_sets(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.float32]:
    """Return the set of labels of every clip (n, C): one for each label of the clip, and zero for the others.

    Raises:
        ManifestError: a label is not among them.
    """
    for sample in samples:
        if unknown := sorted(sample.labels - set(labels)):
            raise ManifestError(f"clip {sample.id}: label {unknown[0]!r} is not one of {', '.join(labels)}")
    rows = [[label in sample.labels for label in labels] for sample in samples]
    return np.array(rows, np.float32).reshape(len(samples), len(labels))


def regression_targets(samples: Sequence[Sample], names: Sequence[str]) -> NDArray[np.float32]:
    """Return the values of every clip (n, D), in the order of the ``names``.

    Raises:
        ManifestError: a clip has not one value for each of the ``names``.
    """
    rows = [check_values(sample.target, names, f"clip {sample.id}") for sample in samples]
    return np.array(rows, np.float32).reshape(len(samples), len(names))


def training_loader(
    samples: Sequence[Sample],
    labels: Sequence[str],
    settings: FinetuneSettings,
    epoch: int,
    batches: Sequence[list[int]],
    cache: Sequence[PreparedClip] | None = None,
    *,
    task: Kind = "classification",
    rows: Sequence[int] | None = None,
    cues: Cues | None = None,
) -> DataLoader[LabelledItem | str]:
    """Return a loader of the batches of one process and epoch; give each batch to ``unpack_batch``.

    Args:
        samples: the training clips.
        labels: names of the outputs.
        settings: the recipe.
        epoch: with the seed and a clip's index, it decides all random draws.
        batches: indices of the clips of every batch, in order; or, with ``rows``, their places in the epoch.
        cache: the clips as read before, in the order of ``samples``.
        task: what the outputs mean.
        rows: index of the clip at each place of an epoch that may repeat clips.
        cues: auxiliary targets of the clips, in the order of ``samples``.

    Raises:
        ManifestError: as ``TrainingClips``.
    """
    # Garbage of decoders must be freed here: in a forked process their threads are missing.
    gc.collect()
    return DataLoader(
        TrainingClips(samples, labels, settings, epoch, cache, task=task, rows=rows, cues=cues),
        batch_sampler=batches,
        num_workers=settings.num_workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=_collate,
        worker_init_fn=quiet_worker,
        # The loader draws a number; without a generator it would take it from torch's global state.
        generator=torch.Generator().manual_seed(0),
    )


def _collate(items: list[LabelledItem | str]) -> Any:
    return [item for item in items if isinstance(item, str)] or default_collate(items)


def find_faults(batch: Any) -> list[str]:
    """Return what is wrong with the broken clips of a batch of ``training_loader``."""
    return list(batch) if isinstance(batch[0], str) else []


def unpack_batch(batch: Any) -> LabelledBatch:
    """Unpack a batch of ``training_loader``.

    Raises:
        TrainingError: clips of the batch are broken; names all of them.
    """
    if faults := find_faults(batch):
        raise TrainingError("; ".join(faults))
    return LabelledBatch(*batch)
