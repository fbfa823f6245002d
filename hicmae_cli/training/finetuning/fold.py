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
from hicmae_cli.corpora.splits import Split
from hicmae_cli.errors import TrainingError, WeightsError, first_line
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.files import compute_sha256, write_text_atomically
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.records.seen import ScoredClips, SeenData, find_overlap, note_seen
from hicmae_cli.runtime.torch_engine import TorchEngine, choose_device
from hicmae_cli.training.finetuning.curves import draw_curves
from hicmae_cli.training.finetuning.draws import keep_sources
from hicmae_cli.training.finetuning.loop import finetune_clips
from hicmae_cli.training.finetuning.parts import check_people, split_samples
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FoldResult
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.machine import resolve_precision
from hicmae_cli.training.recorder import record_run
from hicmae_cli.training.runs import SETTINGS, TESTED, fingerprint
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
    extends: bool = False,
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
        extends: as for ``finetune_clips``.
        device: as for ``finetune``.
        progress: hooks for a display.

    Returns:
        How the training ended, and the scores.

    Raises:
        HicmaeError: as ``finetune`` and ``evaluate``; people who are in both the training and the test clips.
    """
    progress = progress or FinetuningProgress()
    # The record says what "auto" meant.
    precision = resolve_precision(settings.mixed_precision, choose_device(device).type)
    settings = keep_split_seed(folder, settings.model_copy(update={"mixed_precision": precision}))
    parts = split_samples(
        samples,
        fold,
        selection=settings.selection,
        validation_share=settings.validation_share,
        seed=settings.split_seed,
        label_share=settings.label_share,
    )
    parts = replace(parts, train=keep_sources(parts.train, settings.source_shares))
    if not task.may_share_people:  # the scores carry a warning
        check_people((*parts.train, *parts.validation), parts.test if settings.selection != "test-best" else (), "test")
    progress.on_split(parts)
    with record_run(
        folder,
        phase="fine-tuning",
        settings=settings,
        command=task.source,
        fold=fold or "",
        init=init,
        data=task.data,
        manifest=task.manifest,
        warn=progress.warn,
    ) as recorder:
        outcome = finetune_clips(
            folder,
            replace(task, run=recorder.facts, seen=_list_seen(task, parts, fold, settings.selection, init)),
            train=parts.train,
            validation=parts.validation,
            settings=settings,
            init=init,
            fold=fold,
            extends=extends,
            device=device,
            progress=replace(progress, on_start=recorder.watch_start(progress.on_start)),
        )
        if PartialState().is_main_process:
            try:
                draw_curves(folder, outcome)
            except OSError as error:  # a missing picture is no reason to stop
                progress.warn(f"the curves cannot be drawn: {first_line(error)}")
        result = FoldResult(fold or "", settings.seed, folder, outcome)
        if result.finished and result.weight is not None and parts.test and PartialState().is_main_process:
            evaluation = _test(folder, result.weight, parts.test, task, settings.modality, device, progress)
            result = replace(result, evaluation=evaluation)
        scores = result.evaluation.metrics if result.evaluation is not None else {}
        recorder.end(finished=result.finished, step=outcome.step, weight=result.weight, scores=scores)
    return result


def keep_split_seed(folder: Path, settings: FinetuneSettings) -> FinetuneSettings:
    """Return the settings with the validation people of a run of an earlier version, which drew them by ``seed``."""
    try:
        before = json.loads((folder / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError):
        return settings
    if not isinstance(before, dict) or "split_seed" in before or "seed" not in before or settings.split_seed:
        return settings
    return settings.model_copy(update={"split_seed": before["seed"]})


def _list_seen(
    task: Task, parts: Split[Sample], fold: str | None, selection: str, init: Path | None
) -> tuple[SeenData, ...]:
    """List the trainings behind a weight: those of its start, and this one with the people who choose its epoch."""
    before = read_info(str(init)).history if init is not None else ()
    chosen_on = parts.validation if selection == "val" else ()
    clips = [(sample.speaker, sample.id) for sample in (*parts.train, *chosen_on)]
    manifest = task.data.manifest_sha256 if task.data is not None else ""
    return (*before, note_seen(task.dataset, "fine-tuning", clips, fold=fold or "", manifest_sha256=manifest))


def check_init(init: Path, task: Task, fold: str | None, samples: Sequence[Sample] = ()) -> str | None:
    """Check that a weight to start from has not learned from the clips that test a fold, nor have its own starts.

    Args:
        init: the weight.
        task: what the model learns.
        fold: the fold to test; None for the test split.
        samples: all lines of the manifest; without them, only folds are compared.

    Returns:
        A warning if it has learned from them without labels, or if that cannot be known: two datasets of one's own may
        have the same name.

    Raises:
        WeightsError: it was fine-tuned on them, according to its metadata; or it cannot be read.
    """
    tested = ScoredClips(
        task.dataset,
        fold or "",
        [
            (sample.speaker, sample.id)
            for sample in samples
            if (sample.fold == fold if fold else sample.split == "test")
        ],
        task.data.manifest_sha256 if task.data is not None else "",
    )
    found = [
        overlap
        for entry in read_info(str(init)).history
        if (overlap := find_overlap(entry, tested, same_clips(entry.dataset, task.dataset)))
    ]
    where = f"fold {fold}" if fold else "the test clips"
    if refused := [overlap for overlap in found if overlap.refused]:
        raise WeightsError(
            f"{init}: was trained on the clips or people that test {where}: {refused[0].reason}; start from a "
            "pre-trained weight, or from one with the same test fold"
        )
    return "; ".join(f"{init}: {overlap}" for overlap in found) or None


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
        write_text_atomically(folder / TESTED, text + "\n")
    except OSError as error:
        raise TrainingError(f"{folder / TESTED}: cannot be written: {error.strerror}") from error
