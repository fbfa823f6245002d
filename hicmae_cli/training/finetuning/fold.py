"""One fold, from its clips to its scores: train, choose the epoch, test once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from hicmae_cli import __version__
from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import TrainingError, WeightsError, first_line
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.files import compute_sha256, write_atomically
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.curves import draw_curves
from hicmae_cli.training.finetuning.loop import finetune_clips
from hicmae_cli.training.finetuning.parts import check_people, split_samples
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FoldResult
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.runs import TESTED, fingerprint
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.reading import read_info


def finetune_and_test(
    folder: Path,
    task: Task,
    samples: Sequence[Sample],
    fold: str | None,
    *,
    settings: FinetuneSettings,
    init: Path | None = None,
    device: str = "auto",
    progress: FinetuningProgress | None = None,
) -> FoldResult:
    """Fine-tune on all folds of a manifest but one, or on its training split, and score the weight on the test clips.

    A finished run is not tested again if every clip could be read: its folder holds the scores.

    Args:
        folder: of the run.
        task: what the model learns.
        samples: all lines of the manifest.
        fold: the fold to test; None to split by the column ``split``.
        settings: the whole recipe.
        init: a weight to start from, as for ``finetune``; ``check_init`` checks that it may be used.
        device: as for ``finetune``.
        progress: hooks for a display.

    Returns:
        How the training ended, and the scores.

    Raises:
        HicmaeError: as ``finetune`` and ``evaluate``; people who are in both the training and the test clips.
    """
    progress = progress or FinetuningProgress()
    parts = split_samples(
        samples, fold, selection=settings.selection, validation_share=settings.validation_share, seed=settings.seed
    )
    check_people((*parts.train, *parts.validation), parts.test if settings.selection != "test-best" else (), "test")
    progress.on_split(parts)
    outcome = finetune_clips(
        folder,
        task,
        train=parts.train,
        validation=parts.validation,
        settings=settings,
        init=init,
        fold=fold,
        device=device,
        progress=progress,
    )
    if PartialState().is_main_process:
        try:
            draw_curves(folder, outcome)
        except OSError as error:  # a missing picture is no reason to stop
            progress.warn(f"the curves cannot be drawn: {first_line(error)}")
    result = FoldResult(fold or "", settings.seed, folder, outcome)
    if not result.finished or result.weight is None or not parts.test or not PartialState().is_main_process:
        return result
    evaluation = _test(folder, result.weight, parts.test, task, settings.modality, device, progress)
    return replace(result, evaluation=evaluation)


def check_init(init: Path, task: Task, fold: str | None) -> str | None:
    """Check that a weight to start from was not trained on the clips that test a fold.

    Returns:
        A warning if that cannot be known: two datasets of one's own may have the same name.

    Raises:
        WeightsError: it was, according to its metadata; or it cannot be read.
    """
    info = read_info(str(init))
    if not info.fold or not fold or info.fold == fold:
        return None
    if same_clips(info.dataset, task.dataset):
        raise WeightsError(
            f"{init}: was trained on the clips that test fold {fold}, because its own test fold is {info.fold} of "
            f"{info.dataset}; start from a pre-trained weight, or from one with the test fold {fold}"
        )
    if info.dataset != task.dataset:
        return None
    return (
        f"{init}: its own test fold is {info.fold} of {info.dataset}; if these are the same clips, it was trained on "
        f"those that test fold {fold}, and the score will be too good"
    )


def _test(
    folder: Path,
    weight: Path,
    clips: Sequence[Sample],
    task: Task,
    modality: str,
    device: str,
    progress: FinetuningProgress,
) -> Evaluation:
    """Score a weight on the test clips, or read what an earlier call found."""
    made_of = {
        "weight": compute_sha256(weight),
        "clips": fingerprint(_describe_files(sample) for sample in clips),
        "modality": modality,
        "merge_by": task.merge_by,
        "device": device,
        "version": __version__,
    }
    if (found := _read_tested(folder, made_of)) is not None:
        progress.warn(f"{folder / TESTED}: holds the scores of an earlier test; remove it to test again")
        return found
    engine = TorchEngine(*load_classifier(weight), device)
    tested = score_clips(clips, engine, modalities=(modality,), merge_by=task.merge_by, on_clip=progress.on_test_clip)
    _write_tested(folder, made_of, tested[modality])
    return tested[modality]


def _describe_files(sample: Sample) -> str:
    """A clip, with size and time of its files, so that a change of them is noticed."""
    files = [path.stat() for path in (sample.video, sample.audio) if path is not None and path.exists()]
    return f"{sample} " + " ".join(f"{file.st_size},{file.st_mtime_ns}" for file in files)


def _read_tested(folder: Path, made_of: Mapping[str, object]) -> Evaluation | None:
    """What an earlier call found, if with this weight on these clips, and if every clip could be read."""
    try:
        document = json.loads((folder / TESTED).read_text("utf-8"))
        if document["made_of"] != made_of:
            return None
        found = Evaluation.from_record(document["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if found.failures else found


def _write_tested(folder: Path, made_of: Mapping[str, object], found: Evaluation) -> None:
    text = json.dumps({"made_of": made_of, "result": found.to_record()}, allow_nan=False)
    try:
        with write_atomically(folder / TESTED) as temporary:
            temporary.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise TrainingError(f"{folder / TESTED}: cannot be written: {error.strerror}") from error
