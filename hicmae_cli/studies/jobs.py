"""Do one job of a study in any process: train a model or measure one, and leave ``done.json``."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import torch
from filelock import FileLock, Timeout

from hicmae_cli.errors import HicmaeError, TrainingError, first_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.records.surroundings import describe_machine
from hicmae_cli.studies.data import StudyData
from hicmae_cli.studies.measuring import Measured, Measurement, measure
from hicmae_cli.studies.plan import DONE, FINETUNE, PRETRAIN, SCHEMA, Job
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.run import pretrain
from hicmae_cli.training.runs import CHECKPOINTS
from hicmae_cli.weights.run_folder import find_weight_in
from hicmae_cli.workers import Report

_WAIT_S: Final = 5.0


def run_job(job: Job, report: Report, *, data: StudyData, device: str = "cpu") -> str:
    """Do a job, or nothing if it is done -> why it failed, or an empty text.

    On a CPU, one thread computes, so that the numbers do not depend on the number of cores.

    Args:
        job: what to do.
        report: called now and then, with nothing of interest: the job is alive.
        data: the clips.
        device: ``cpu``, or the kind of GPU.
    """
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        with _hold(job, report):
            if job.read_done() is not None:
                return ""
            started = time.monotonic()
            found = _DOING.get(job.kind, _measure)(job, data, device, report)
            write_done(job, found, time.monotonic() - started)
            # A finished training is not resumed.
            shutil.rmtree(job.run / CHECKPOINTS, ignore_errors=True)
    except (HicmaeError, OSError) as error:
        return f"{job.name}: {first_line(error)}"
    except Exception as error:  # such as a GPU without free memory; the other jobs go on
        return f"{job.name}: {type(error).__name__}: {first_line(error)}"
    return ""


@contextmanager
def _hold(job: Job, report: Report) -> Iterator[None]:
    """Keep a job from other studies that run at the same time and share it; the lock ends with its process."""
    job.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job.folder / ".lock")
    while not lock.is_locked:
        report(None)
        with suppress(Timeout):
            lock.acquire(timeout=_WAIT_S)
    try:
        yield
    finally:
        lock.release()


def write_done(job: Job, found: Measured, duration_s: float) -> None:
    """Write that a job is done, and what it found.

    Raises:
        TrainingError: the file cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "key": job.key,
        "name": job.name,
        "facts": job.facts,
        "measures": found,
        "duration_s": round(duration_s, 1),
        "machine": describe_machine(),
    }
    try:
        write_text_atomically(job.folder / DONE, json.dumps(document, indent=2, allow_nan=False) + "\n")
    except (OSError, ValueError) as error:
        raise TrainingError(f"{job.folder / DONE}: cannot be written: {first_line(error)}") from error


def _pretrain(job: Job, data: StudyData, device: str, report: Report) -> Measured:
    outcome = pretrain(
        manifest=data.manifest,
        fold=data.fold or None,
        recipe=job.recipe,
        overrides=job.changes,
        output=job.run,
        device=device,
        progress=PretrainingProgress(
            on_step=lambda _: report(None), on_hash=lambda *_: report(None), on_start=lambda *_: report(None)
        ),
    )
    if not outcome.finished or outcome.weight is None:
        raise TrainingError("was stopped; start the study again to resume")
    return {}


def _finetune(job: Job, data: StudyData, device: str, report: Report) -> Measured:
    clips: Counter[str] = Counter()
    result = finetune_folds(
        data.dataset,
        manifest=data.manifest,
        fold=data.fold or None,
        recipe=job.recipe,
        overrides=job.changes,
        init=find_weight(job.source) if job.source is not None else None,
        output=job.run,
        device=device,
        progress=FinetuningProgress(
            on_step=lambda *_: report(None),
            on_validation=lambda *_: report(None),
            on_test_clip=lambda: report(None),
            on_hash=lambda *_: report(None),
            on_split=lambda parts: clips.update(label for sample in parts.train for label in sample.labels),
        ),
    )
    if not result.finished or result.pooled is None:
        raise TrainingError("was stopped; start the study again to resume")
    scores = {name: float(value) for name, value in result.pooled.metrics.items()}
    recalls = {f"recall {label}": value for label, value in result.pooled.recalls.items()}
    scores |= {f"train clips {label}": float(count) for label, count in sorted(clips.items())}
    return scores | {name: float(value) for name, value in recalls.items() if value is not None}


def _measure(job: Job, data: StudyData, device: str, report: Report) -> Measured:
    assert job.source is not None
    of = Measurement(find_weight(job.source), data, job.changes, job.folder, device, lambda: report(None))
    return measure(job.kind, of)


_DOING: dict[str, Callable[[Job, StudyData, str, Report], Measured]] = {PRETRAIN: _pretrain, FINETUNE: _finetune}


def find_weight(folder: Path) -> Path:
    """Find the weight of a finished training.

    Raises:
        TrainingError: there is none.
    """
    for run in (folder / "run", *sorted((folder / "run").glob("fold-*"))):
        if (found := find_weight_in(run)) is not None:
            return found
    raise TrainingError(f"{folder}: has no weight; remove the folder and start the study again")
