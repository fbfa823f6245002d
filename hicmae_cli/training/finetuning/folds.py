"""Fine-tuning of a whole task: every fold and seed trained, tested and reported by one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hicmae_cli.cards.card import CARD, write_card
from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.clip_list import ClipList, find_clips
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.fold_protocols import parse_protocol
from hicmae_cli.corpora.manifest import ALL_FOLDS, list_files
from hicmae_cli.errors import SettingsError, first_line
from hicmae_cli.evaluation.columns import find_people_columns
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.models.losses import resolve_loss
from hicmae_cli.records.calls import recorded
from hicmae_cli.records.hashes import hash_data
from hicmae_cli.report.experiment import write_experiment
from hicmae_cli.report.score_files import write_scores
from hicmae_cli.runtime.torch_engine import choose_device
from hicmae_cli.training.finetuning.arms import (
    Arm,
    check_finished,
    check_starts,
    describe_doubts,
    load_seeds,
    plan_arms,
)
from hicmae_cli.training.finetuning.fold import finetune_and_test
from hicmae_cli.training.finetuning.parts import keep_usable
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningResult, FoldResult, SeedResult, combine_folds
from hicmae_cli.training.finetuning.task import Task, choose_kind, choose_labels, read_task
from hicmae_cli.training.machine import check_precision
from hicmae_cli.training.optimiser import warmup_warning
from hicmae_cli.training.trackers import choose_trackers
from hicmae_cli.weights.reading import find_parameters
from hicmae_cli.weights.run_folder import FOLDS, locate_fold


@recorded
def finetune_folds(
    dataset: str | None = None,
    *,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    seeds: Sequence[int] = (),
    protocol: str | None = None,
    recipe: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    profile: str | None = None,
    init: str | Path | None = None,
    extend_epochs: int = 0,
    output: str | Path = "runs/finetune",
    task: str | None = None,
    labels: Sequence[str] = (),
    licence: str = "",
    source: str = "",
    device: str = "auto",
    draw_puppets: Callable[[Path], Path] | None = None,
    progress: FinetuningProgress | None = None,
) -> FinetuningResult:
    """Fine-tune a model on a labelled dataset, fold by fold, and test each fold once.

    The same call resumes what was stopped, and does not repeat what is finished. Every fold gets ``result.json``,
    ``result.md``, ``confusion.png`` and a model card, ``card.md``, in its folder; several folds get them together in
    ``output``, or in the folder of their seed and repetition. Several seeds or repetitions get a table of all in
    ``output``: ``result.json`` (schema ``hicmae.finetune/1``), ``result.md`` and ``result.csv``.

    Args:
        dataset: a dataset by name; gives the default of most parameters below.
        root: the dataset's folder; by default the one in ``HICMAE_DATA``.
        manifest: a list of prepared clips, instead of or of the dataset.
        fold: the fold to test, or ``all``; by default all that there are, one by one.
        seeds: seeds to repeat all folds with, in folders ``seed-N`` of ``output``; by default the recipe's seed alone.
        protocol: ``official`` (the default) takes the folds or the split of the list. ``loso`` leaves one speaker out
            in every fold. ``kfold:N`` draws N folds over people by the recipe's ``split_seed``. ``repeated:NxM`` draws
            them M times, in folders ``repeat-R``.
        recipe: a recipe that ships with hicmae, or a .toml file; by default the dataset's.
        overrides: keys of the recipe -> other values; None keeps the recipe's.
        profile: values for a kind of machine, such as ``laptop``, which replace the recipe's but not ``overrides``.
        init: a weight to start from, by name or file; by default the model starts from scratch.
        extend_epochs: go on with finished runs for so many more epochs than the recipe's; see ``training.extension``.
        output: folder of the run, or of the runs of several folds or seeds.
        task: ``classification``, ``multilabel`` or ``regression``; by default the dataset's.
        labels: names of the outputs in order; by default the dataset's, or all labels in alphabetical order. Clips of
            other classes are skipped.
        licence: to write into the weights; by default the dataset's.
        source: what makes the weights, for their metadata; by default the command that does the same.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        draw_puppets: draws the generated corpus into a folder and returns its manifest; without it, puppets that are
            not there are an error.
        progress: hooks for a display; without them, warnings are Python warnings.

    Returns:
        Weights and scores of every fold and seed. A run that Ctrl-C stopped is the last one in it.

    Raises:
        SettingsError: parameters or recipe keys that cannot be used.
        ManifestError: clips that are missing, that cannot be read, or that do not fit the task.
        WeightsError: ``init`` is missing, does not fit, or was trained on the clips that test a fold.
        TrainingError: broken clips, a loss that is not finite, or a full disk.
    """
    progress = progress or FinetuningProgress(warn=warnings.warn)
    known = find_dataset(dataset) if dataset is not None else None
    kind = choose_kind(task, known)
    choose_labels(labels, known, kind)
    dealing = parse_protocol(protocol)
    recipe = _choose_recipe(recipe, known)
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    defaults = {"sampling": known.sampling} if known else {}
    plans = load_seeds(recipe, changes, seeds, extend_epochs, profile=profile, defaults=defaults)
    settings = plans[0][1]
    resolve_loss(settings.loss, kind)
    check_precision(settings.mixed_precision, choose_device(device).type)
    choose_trackers(settings.trackers)
    start = find_parameters(init, "start from") if init is not None else None
    # The main process draws puppets, which may take long; the others wait.
    with PartialState(cpu=device == "cpu", timeout=timedelta(days=7)).main_process_first():
        clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    learned, samples = read_task(
        clips.manifest, known, name=clips.name, source=source, labels=labels, kind=kind, licence=licence
    )
    samples, skipped = keep_usable(samples, learned, settings.modality)
    arms = plan_arms(Path(output), clips, samples, dealing, fold, plans, several_seeds=bool(seeds))
    if extend_epochs:
        check_finished(arms)
    # The main process keeps the hashes beside the manifest, where the others find them.
    with PartialState().main_process_first():
        data = hash_data(list_files(samples), clips.manifest, on_clip=progress.on_hash)
    learned = replace(learned, manifest=clips.manifest, data=data)
    doubts = [check_starts(arm, start, learned) for arm in arms]
    warned = [*skipped, warmup_warning(settings), *(doubt for arm in arms for doubt in describe_doubts(arm, learned))]
    # Most starts raise the same doubt for every fold, which is said once.
    warned += [doubt for by_fold in doubts for doubt in by_fold.values()]
    for warning in dict.fromkeys(filter(None, warned)):
        progress.warn(warning)
    progress.on_plan(sum(len(arm.folds) for arm in arms))
    found: list[SeedResult] = []
    for arm in arms:
        options = _describe_options(profile, task, learned.labels if labels else (), arm, init, extend_epochs)
        command = _describe_command(clips, recipe, options)
        named = replace(learned, source=source or command, protocol=arm.protocol)
        found.append(_finetune_arm(arm, named, start, extends=extend_epochs > 0, device=device, progress=progress))
        result = FinetuningResult(clips.name, tuple(found), str(dealing), settings.split_seed, settings.label_share)
        if len(arms) > 1 and found[-1].document is not None:
            whole = result.finished and len(found) == len(arms)
            write_experiment({**result.to_dict(), "finished": whole}, Path(output))
        if not found[-1].finished:
            break
    return result


def _choose_recipe(recipe: str | Path | None, dataset: Dataset | None) -> str | Path:
    if recipe is not None:
        return recipe
    if dataset is None:
        raise SettingsError(
            "`manifest` needs a `recipe` (a .toml file, or a name such as crema-d), or the `dataset` that it lists"
        )
    return dataset.recipe


def _finetune_arm(
    arm: Arm, task: Task, init: Path | None, *, extends: bool, device: str, progress: FinetuningProgress
) -> SeedResult:
    """Train and test every fold of an arm."""
    if PartialState().is_main_process:
        if arm.drawn is not None:
            arm.drawn.write(arm.folder / FOLDS)
        else:
            (arm.folder / FOLDS).unlink(missing_ok=True)
    runs: list[FoldResult] = []
    document, report = None, None
    for fold in arm.folds:
        progress.on_fold(fold, arm.settings)
        run = finetune_and_test(
            locate_fold(arm.folder, fold),
            task,
            arm.samples,
            fold,
            settings=arm.settings,
            init=init,
            extends=extends,
            device=device,
            progress=progress,
        )
        runs.append(run)
        if not run.finished:
            return SeedResult(arm.settings.seed, tuple(runs), repetition=arm.repetition)
        if run.evaluation is not None:
            document, report = _write_scores([run], arm, run.folder)
        if run.weight is not None and PartialState().is_main_process:
            _write_card(run.weight, run.folder, document if run.evaluation is not None else None, progress)
        progress.on_result(run)
    scored = [run for run in runs if run.evaluation is not None]
    if len(scored) > 1:
        document, report = _write_scores(scored, arm, arm.folder)
        _write_card(arm.folder, arm.folder, document, progress)
    return SeedResult(arm.settings.seed, tuple(runs), document, report, arm.repetition)


def _write_scores(runs: Sequence[FoldResult], arm: Arm, folder: Path) -> tuple[dict[str, Any], Path]:
    """Write the scores of one fold or several, beside the paper's -> their document, and its tables."""
    scores = combine_folds(runs)
    assert scores is not None
    fold = ALL_FOLDS if len(runs) > 1 else runs[0].fold
    rule = arm.drawn.rule if arm.drawn else ""
    protocol = Protocol(arm.clips.name, arm.clips.dataset, fold, "" if fold else "test", drawn_rule=rule)
    weights = folder if len(runs) > 1 else runs[0].weight
    columns = find_people_columns(arm.samples)
    document = ScoreSheet(str(weights), protocol, {scores.pooled.modality: scores}, columns=columns).to_dict()
    report = folder / "result.md"
    picture = folder / "confusion.png" if document.get("confusion") else None
    write_scores(document, str(weights), folder / "result.json", report, picture)
    return document, report


def _write_card(weight: Path, folder: Path, document: Mapping[str, Any] | None, progress: FinetuningProgress) -> None:
    """Write the model card of a weight, or of the weights of all folds; a missing card is no reason to stop."""
    try:
        write_card(weight, folder / CARD, document)
    except Exception as error:  # its weight is safe, and the other folds wait
        progress.warn(f"the model card cannot be written: {first_line(error)}")


def _describe_options(
    profile: str | None, task: str | None, labels: Sequence[str], arm: Arm, init: str | Path | None, extend_epochs: int
) -> list[str]:
    """Return the options of the command that makes a weight of an arm."""
    words = [f"--profile {profile}"] if profile else []
    words += [f"--protocol {arm.protocol}"] if arm.protocol else []
    words += [f"--task {task}"] if task else []
    words += [f"--labels {','.join(labels)}"] if labels else []
    words += [f"--set {key}={value}" for key, value in arm.changes.items()]
    words += [f"--extend-epochs {extend_epochs}"] if extend_epochs else []
    return words + ([f"--init {Path(init).name}"] if init else [])


def _describe_command(clips: ClipList, recipe: str | Path, options: Sequence[str]) -> str:
    """Return the command that makes the weight, for its metadata."""
    data = f"--dataset {clips.dataset.name}" if clips.dataset else f"--manifest {clips.manifest.name}"
    return " ".join(["hicmae finetune", data, f"--recipe {Path(recipe).name}", *options])
