"""Estimate the time of a study from timed steps of its own models on this machine, before anything is trained."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from hicmae_cli.bench.pretraining import make_pretraining_step
from hicmae_cli.bench.step import make_finetuning_step
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import Architecture, ModelDims
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.studies.measures import MEASURES
from hicmae_cli.studies.plan import FINETUNE, PRETRAIN, Job, Plan

READ_S: Final = 0.012
"""To read and augment a clip on one core; `hicmae bench` measures about 9 ms."""
START_S: Final = 4.0
"""Of a job: to build a model, hash and cache clips, and write weights and curves."""
_CLIPS: Final = 8
_ROUNDS: Final = 2


@dataclass(frozen=True)
class Estimate:
    """The estimated time of a study.

    Attributes:
        done: finished jobs.
        waiting: jobs that are not finished.
        core_s: seconds of one core for the waiting ones.
        wall_s: seconds with the given number of processes.
        processes: this number.
        by_kind: kind of job -> (waiting jobs, seconds of one core).
    """

    done: int
    waiting: int
    core_s: float
    wall_s: float
    processes: int
    by_kind: Mapping[str, tuple[int, float]]


def estimate(plan: Plan, processes: int, *, on_timed: Callable[[], None] = lambda: None) -> Estimate:
    """Estimate the time of the waiting jobs: steps of each kind of model are timed on one core of this machine.

    Args:
        plan: the study.
        processes: that work at the same time.
        on_timed: called after each kind of model.
    """
    timer = _Timer(on_timed)
    by_kind: dict[str, tuple[int, float]] = {}
    waves: dict[str, list[float]] = {}
    waiting = plan.waiting()
    for job in waiting:
        seconds = _estimate_job(job, plan, timer)
        count, sum_s = by_kind.get(job.kind, (0, 0.0))
        by_kind[job.kind] = count + 1, sum_s + seconds
        waves.setdefault(job.kind if job.is_training else "measure", []).append(seconds)
    core_s = sum(seconds for _, seconds in by_kind.values())
    wall_s = sum(_spread(jobs, processes) for jobs in waves.values())
    return Estimate(len(plan.jobs) - len(waiting), len(waiting), core_s, wall_s, processes, by_kind)


def _spread(seconds: Sequence[float], processes: int) -> float:
    """Spread jobs over processes, each to the one that is free first -> seconds until the last one ends."""
    free = [0.0] * processes
    for each in seconds:
        free[free.index(min(free))] += each
    return max(free)


class _Timer:
    """Times steps; models of one kind are timed once."""

    def __init__(self, on_timed: Callable[[], None]) -> None:
        self._known: dict[str, float] = {}
        self._on_timed = on_timed

    def time(self, name: str, make: Callable[[], Callable[[], object]]) -> float:
        """Return the seconds of a call of what ``make`` makes, on one core."""
        if name not in self._known:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                step = make()
                step()
                started = time.process_time()
                for _ in range(_ROUNDS):
                    step()
                self._known[name] = (time.process_time() - started) / _ROUNDS
            finally:
                torch.set_num_threads(threads)
            self._on_timed()
        return self._known[name]


def _estimate_job(job: Job, plan: Plan, timer: _Timer) -> float:
    counts = plan.data.counts
    train, validation, test = (counts.get(name, 0) for name in ("train", "validation", "test"))
    if job.kind == PRETRAIN:
        pretraining = PretrainSettings.model_validate(job.facts["recipe"], strict=False)
        small = pretraining.model_copy(update={"batch_size": _CLIPS, "accumulation": 1})
        shape = _describe(pretraining, ("video_mask", "audio_mask", "rebuilt_share"))
        step_s = timer.time(f"pretrain {shape}", lambda: make_pretraining_step(small)) / _CLIPS
        return START_S + pretraining.epochs * train * (step_s + READ_S)
    dims = _find_dims(job, plan)
    forward_s = timer.time(f"forward {dims}", lambda: _make_forward(dims))
    if job.kind == FINETUNE:
        finetuning = FinetuneSettings.model_validate(job.facts["recipe"], strict=False)
        small_one = finetuning.model_copy(update={"batch_size": _CLIPS, "accumulation": 1})
        shape = _describe(finetuning, ("drop_video_tokens", "drop_audio_tokens", "video_tokens"))
        step_s = timer.time(f"finetune {shape}", lambda: make_finetuning_step(small_one)) / _CLIPS
        clips = math.ceil(train * finetuning.label_share) * finetuning.epochs
        validated = (validation or train * finetuning.validation_share) * finetuning.epochs / finetuning.validate_every
        return START_S + clips * (step_s + READ_S) + (validated + test) * (forward_s + READ_S)
    measure = MEASURES[job.kind]
    clips = measure.count_passes(counts, {**measure.defaults, **job.changes})
    return 1 + clips * (forward_s + READ_S) + measure.more_s


def _find_dims(job: Job, plan: Plan) -> ModelDims:
    """Find the sizes of the model that a job trains or measures."""
    trained = job if job.is_training else next(each for each in plan.jobs.values() if each.folder == job.source)
    kind = PretrainSettings if trained.kind == PRETRAIN else FinetuneSettings
    return kind.model_validate(trained.facts["recipe"], strict=False).dims


def _make_forward(dims: ModelDims) -> Callable[[], object]:
    """Return a function that runs a classifier on one clip of noise."""
    model = build_classifier(Architecture(dims, outputs=1)).eval()
    video = torch.randn(1, 3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX)
    audio = torch.randn(1, 1, LOG_MEL_FRAMES, LOG_MEL_BINS)

    def forward() -> object:
        with torch.inference_mode():
            return model(video, audio)

    return forward


def _describe(settings: PretrainSettings | FinetuneSettings, keys: Sequence[str]) -> str:
    """Describe what decides the time of a step."""
    values = settings.model_dump(mode="json")
    shape: dict[str, Any] = {**settings.dims.to_dict(), **{key: values[key] for key in keys}}
    if isinstance(settings, PretrainSettings):
        shape |= {key: values[key] for key in ("decoder_width", "skip_layers", "skip_connections")}
        shape |= {"masks": [round(settings.video_mask_ratio, 2), round(settings.audio_mask_ratio, 2)]}
    return json.dumps([shape, values["mixed_precision"]], sort_keys=True)


def describe_time(seconds: float) -> str:
    """Describe a length of time in words: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
