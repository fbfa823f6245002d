"""Validation: the test views of many clips, read ahead by the loader's processes, in batches over all processes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hicmae_cli.augmentation.mixing import soft_targets
from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import Sample, describe_fault
from hicmae_cli.evaluation.results import Evaluation, SampleResult, decide
from hicmae_cli.evaluation.scoring import restrict_views
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.inputs import to_video
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.runtime.engine import to_outputs
from hicmae_cli.training.finetuning.data import NO_FACES, NO_SOUND, make_targets
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.loop import raise_together
from hicmae_cli.training.machine import batches_in, gather_objects, quiet_worker
from hicmae_cli.weights.info import WeightInfo

_MOST_CLIPS = 16
"""Clips of a batch; a process of the loader reads two batches ahead, at up to 2.7 MB a clip."""
_TENSORS = ("faces", "has_faces", "audio")
_KEPT_BYTES = 10**9
"""Views that a process keeps in memory between validations, even without the recipe's ``cache_clips``."""


ClipViews = tuple[Tensor, Tensor, Tensor, tuple[int, ...]]
"""The V different test views of a clip: faces (V, 16, 160, 160, 3) uint8, whether there are any (V,), log-mels
(V, 1, 256, 128), and the place in V of each test view; a short clip has two equal ones."""


class ViewBatch(NamedTuple):
    """The different test views of some clips, one after the other.

    Attributes:
        faults: what is wrong with the clips that cannot be read, which are not in the rest.
        clips: place of each clip in the list of all.
        rows: for each clip, the places in V of its test views.
        faces: (V, 16, 160, 160, 3) uint8.
        has_faces: (V,) bool.
        audio: log-mels (V, 1, 256, 128).
    """

    faults: list[str]
    clips: list[int]
    rows: list[list[int]]
    faces: Tensor
    has_faces: Tensor
    audio: Tensor


@dataclass(frozen=True)
class Validation:
    """What a model scores on the validation clips.

    Attributes:
        evaluation: the decisions and their scores.
        loss: mean over all test views of the loss that training minimises, without label smoothing.
    """

    evaluation: Evaluation
    loss: float

    @property
    def scores(self) -> dict[str, float]:
        """The metrics of the task."""
        return dict(self.evaluation.metrics)


class ValidationClips(Dataset[tuple[int, ClipViews | str]]):
    """Clips and their test views.

    Args:
        samples: the clips.
        frame_stride: every n-th frame is sampled; None to sample by time.
        modality: the streams that the model gets.
    """

    def __init__(self, samples: Sequence[Sample], frame_stride: int | None, modality: str) -> None:
        self.samples, self.frame_stride, self.modality = samples, frame_stride, modality

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[int, ClipViews | str]:
        """Return the index of a clip and its views, or what is wrong with it if it is broken."""
        sample = self.samples[index]
        try:
            clips = read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(
                self.frame_stride, self.modality
            )
        except Exception as error:  # a file, a decoder or a disk may raise anything
            return index, f"clip {sample.id}: {describe_fault(sample, error)}"
        views = restrict_views(clips, self.modality)
        if not views:
            return index, f"clip {sample.id}: has no {self.modality}"
        shown = {id(view): view for view in views}
        faces = [NO_FACES if clip.video is None else clip.video for clip in shown.values()]
        audio = [NO_SOUND if clip.audio is None else clip.audio[None] for clip in shown.values()]
        places = {key: place for place, key in enumerate(shown)}
        return index, (
            torch.from_numpy(np.stack(faces)),
            torch.tensor([clip.video is not None for clip in shown.values()]),
            torch.from_numpy(np.stack(audio)),
            tuple(places[id(view)] for view in views),
        )


def collate_views(items: Sequence[tuple[int, ClipViews | str]]) -> ViewBatch:
    """Join the items of ``ValidationClips``."""
    faults = [item for _, item in items if isinstance(item, str)]
    good = [(index, item) for index, item in items if not isinstance(item, str)]
    rows, start = [], 0
    for _, (views, _, _, order) in good:
        rows.append([start + place for place in order])
        start += len(views)
    if not good:
        return ViewBatch(faults, [], [], *(torch.empty(0) for _ in _TENSORS))
    faces, has_faces, audio, _ = zip(*(item for _, item in good), strict=True)
    return ViewBatch(
        faults, [index for index, _ in good], rows, torch.cat(faces), torch.cat(has_faces), torch.cat(audio)
    )


class ValidationReader:
    """Reads this process's share of the validation clips, batch after batch, as often as it is asked.

    Args:
        samples: all validation clips, of which process p of n reads each n-th from p on. No clip is read twice.
        settings: the recipe.
        accelerator: the devices.
    """

    def __init__(self, samples: Sequence[Sample], settings: FinetuneSettings, accelerator: Accelerator) -> None:
        self.samples, self.accelerator, self.settings = samples, accelerator, settings
        self.clips = ValidationClips(samples, settings.frame_stride, settings.modality)
        self.share = range(accelerator.process_index, len(samples), accelerator.num_processes)
        self._kept: list[ViewBatch] = []

    def check(self) -> list[str]:
        """Return what is wrong with clips that cannot be read; better now than after the first epoch.

        The views of the first clips stay in memory: up to 1 GB, or all of them with the recipe's ``cache_clips``.
        """
        faults: list[str] = []
        self._kept, room = [], float("inf") if self.settings.cache_clips else _KEPT_BYTES
        for batch in self._read(0):
            faults += batch.faults
            room -= sum(getattr(batch, name).nbytes for name in _TENSORS)
            if room >= 0:
                # A loader's process hands its tensors over in shared memory, which is scarce.
                self._kept.append(batch._replace(**{name: getattr(batch, name).clone() for name in _TENSORS}))
        return faults

    def batches(self) -> Iterator[ViewBatch]:
        """Iterate over the batches of the share: those in memory, then those that are read again."""
        yield from self._kept
        yield from self._read(sum(len(batch.clips) for batch in self._kept))

    def _read(self, first: int) -> Iterator[ViewBatch]:
        """Read the share from a clip on."""
        if first >= len(self.share):
            return
        # Garbage of decoders must be freed here: in a forked process their threads are missing.
        gc.collect()
        of_step = self.settings.batch_size // (self.accelerator.num_processes * self.settings.accumulation)
        size = min(of_step, _MOST_CLIPS)
        loader: DataLoader[Any] = DataLoader(
            self.clips,
            batch_sampler=[list(self.share[start : start + size]) for start in range(first, len(self.share), size)],
            num_workers=self.settings.num_workers,
            pin_memory=torch.cuda.is_available(),
            collate_fn=collate_views,
            worker_init_fn=quiet_worker,
            # The loader draws a number; without a generator it would take it from torch's global state.
            generator=torch.Generator().manual_seed(0),
        )
        with batches_in(loader) as batches:
            yield from batches


def validate_clips(
    model: Classifier,
    info: WeightInfo,
    reader: ValidationReader,
    task_loss: TaskLoss,
    on_clips: Callable[[int], None] = lambda _: None,
) -> Validation:
    """Score a model on the validation clips of all processes; the result does not depend on their number.

    Args:
        model: the classifier, not wrapped.
        info: its metadata.
        reader: of the clips.
        task_loss: what training minimises.
        on_clips: called with the number of clips of this process that are done, after each batch.

    Raises:
        TrainingError: clips that cannot be read any more, or an output that is not finite, in any process.
    """
    outputs: dict[int, NDArray[np.float32]] = {}
    faults: list[str] = []
    for batch in reader.batches():
        faults += batch.faults
        if faults:
            break
        outputs |= _run_views(model, batch, info.modality, reader.accelerator.device)
        on_clips(len(outputs))
    if not all(np.isfinite(rows).all() for rows in outputs.values()):
        faults.append("the model's output is not finite: its weights are damaged; lower base_lr")
    raise_together(reader.accelerator, faults)
    whole: dict[int, NDArray[np.float32]] = {}
    for part in gather_objects(reader.accelerator, outputs):
        whole |= part
    return _score([whole[index] for index in range(len(reader.samples))], reader.samples, info, task_loss)


@torch.inference_mode()
def _run_views(
    model: Classifier, batch: ViewBatch, modality: str, device: torch.device
) -> dict[int, NDArray[np.float32]]:
    """Run the model on the views of some clips -> outputs (V, C) for the test views of each clip, by its index."""
    model.to(device).eval()
    # The caches of a CPU hold one view but not two.
    size = 1 if device.type == "cpu" else len(batch.faces)
    outputs = []
    for views in zip(*(getattr(batch, name).split(size) for name in _TENSORS), strict=True):
        faces, has_faces, audio = (view.to(device, non_blocking=True) for view in views)
        video = None if modality == "audio" else to_video(faces, has_faces)
        outputs.append(model(video, None if modality == "video" else audio).float())
    found = torch.cat(outputs).cpu().numpy()
    return {clip: found[rows] for clip, rows in zip(batch.clips, batch.rows, strict=True)}


@torch.no_grad()
def _score(
    rows: Sequence[NDArray[np.float32]], samples: Sequence[Sample], info: WeightInfo, task_loss: TaskLoss
) -> Validation:
    """Compute the scores and the loss of the outputs (V, C) of every clip."""
    results = []
    for sample, outputs in zip(samples, rows, strict=True):
        views = to_outputs(outputs, info.kind)
        undecided = SampleResult(sample.id, sample.target, "", (), tuple(map(tuple, views.tolist())), sample.speaker)
        results.append(decide(undecided, info.labels, info.kind))
    evaluation = Evaluation(info, "torch", info.modality, info.frame_stride, tuple(results))
    every = torch.from_numpy(np.concatenate(rows))
    targets = torch.from_numpy(make_targets(samples, info.labels, info.kind))
    targets = targets.repeat_interleave(torch.tensor([len(outputs) for outputs in rows]), dim=0)
    if task_loss.mixes:
        targets = soft_targets(targets, every.shape[1], 0.0)
    return Validation(evaluation, float(task_loss.to(torch.device("cpu")).terms(every, targets)["loss"]))
