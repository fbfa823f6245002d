"""Measure how much faster a validation in batches is than clip by clip; see ``measure.py`` for ratios."""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from hicmae_cli.bench.measure import Measure, alternate, run_alone
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.clips import read_prepared_clip, stack_clips, write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError
from hicmae_cli.media import read_audio, read_frames
from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.models.losses import LOSSES
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.runtime.engine import softmax
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.finetuning.validation import ValidationReader, validate_clips
from hicmae_cli.training.machine import hold_freed_memory, new_accelerator
from hicmae_cli.weights.info import WeightInfo

_CLIPS = 32
_FRAMES, _FPS = 75, 30  # as a clip of CREMA-D: 2.5 s
_LABELS = ("a", "b", "c")


class FreeNetwork(nn.Module):
    """A network that costs next to nothing on a CPU, as a real one does on a GPU: reading decides the time."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, len(_LABELS))  # the engine reads its size

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """(B, 3, 16, 160, 160) and (B, 1, 256, 128) -> logits (B, 3) that differ between views."""
        return video[..., ::16, ::16].mean(dim=(2, 3, 4)) + audio.mean(dim=(1, 2, 3))[:, None]


def measure_validation() -> Measure:
    """Measure the time of a validation clip by clip over that of one in batches.

    Raises:
        HicmaeError: the losses of the two differ.
    """
    times_s = run_alone(__name__, "time_validation(None)", "time_validation('nano', 2, 1)")
    (batched_s, alone_s), (nano_batched_s, nano_alone_s) = times_s
    detail = (
        f"{_CLIPS} clips of {_FRAMES} frames with sound, whose views stay in memory, and a network that costs "
        f"next to nothing, as on a GPU: {alone_s:.2f} s clip by clip, {batched_s:.2f} s in batches; with nano on this "
        f"CPU, where the network takes most of the time, {nano_alone_s / nano_batched_s:.2f} x; one thread for "
        "the network, medians of 3"
    )
    return Measure("validation, batched / clip by clip", alone_s / batched_s, "x", 2, False, detail)


def count_workers() -> int:
    """Count the loader's processes of the measure: one for each core, at most 8."""
    return min(8, os.cpu_count() or 1)


def time_validation(variant: str | None, clips: int = _CLIPS, rounds: int = 3) -> tuple[float, float]:
    """Time a validation in batches, and the same clip by clip, on this machine's CPU.

    Args:
        variant: of the model; None for one that costs next to nothing.
        clips: number of clips.
        rounds: repetitions.

    Returns:
        The median times (s) of both.

    Raises:
        HicmaeError: the losses of the two differ.
    """
    hold_freed_memory()
    dims = VARIANTS[variant or "nano"]
    info = WeightInfo(
        variant=variant or "nano",
        dims=dims.to_dict(),
        labels=_LABELS,
        dataset="none",
        sampling_rate=2,  # with the paper's 4, these clips would have two equal views
        front_end="none",
        licence="MIT",
        source="random numbers for a benchmark",
    )
    model: Any = FreeNetwork() if variant is None else build_classifier(info.architecture)
    engine = TorchEngine(model, info, "cpu")
    settings = FinetuneSettings(sampling_rate=info.sampling_rate, num_workers=count_workers())
    task_loss = TaskLoss(LOSSES["cross_entropy"])
    with tempfile.TemporaryDirectory() as folder:
        samples = write_clips(Path(folder), clips)
        reader = ValidationReader(samples, settings, new_accelerator("no", "cpu"))
        if faults := reader.check():  # as a run does at its start
            raise HicmaeError(faults[0])
        loss = validate_clips(model, info, reader, task_loss).loss
        if abs(loss - score_alone(samples, engine)) > 1e-4:
            raise HicmaeError("the losses of a validation in batches and clip by clip differ")
        return alternate(
            lambda: validate_clips(model, info, reader, task_loss), lambda: score_alone(samples, engine), rounds
        )


def score_alone(samples: list[Sample], engine: TorchEngine) -> float:
    """Read and run one clip after the other, all in this process -> the mean cross entropy over all views.

    Equal views of a clip are run once here too.
    """
    entropies = []
    for sample in samples:
        clips = read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(engine.info.sampling_rate)
        distinct = {id(clip): clip for clip in clips}
        rows = {key: softmax(engine.logits(*stack_clips([clip])))[0] for key, clip in distinct.items()}
        target = engine.info.labels.index(str(sample.target))
        entropies += [-np.log(rows[id(clip)][target]) for clip in clips]
    return float(np.mean(entropies))


def write_clips(folder: Path, count: int) -> list[Sample]:
    """Write one prepared clip of a face and its sound, and list it under so many names."""
    pictures = [frame.rgb for frame in read_frames(find_sample_clip())][:_FRAMES]
    sides = range(FACE_SIZE_PX, 2 * FACE_SIZE_PX)  # the person on the right
    faces = [np.ascontiguousarray(picture[20 : 20 + FACE_SIZE_PX, sides]) for picture in pictures]
    path = folder / "clip.mkv"
    write_prepared_clip(path, faces, Fraction(_FPS), read_audio(find_sample_clip())[: 16000 * _FRAMES // _FPS])
    return [Sample(str(index), path, path, _LABELS[index % len(_LABELS)]) for index in range(count)]
