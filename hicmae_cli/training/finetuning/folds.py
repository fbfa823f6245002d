"""Fine-tuning of a whole task: every fold and seed trained, tested and reported by one call."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.clip_list import ClipList, find_clips
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.models.losses import resolve_loss
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.report.score_files import write_scores
from hicmae_cli.runtime.torch_engine import choose_device
from hicmae_cli.training.finetuning.fold import check_init, finetune_and_test
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningResult, FoldResult, SeedResult, combine_folds
from hicmae_cli.training.finetuning.task import Task, choose_kind, choose_labels, folds_to_run, read_task
from hicmae_cli.training.machine import check_precision
from hicmae_cli.training.optimiser import warmup_warning
from hicmae_cli.weights.catalogue import find_weight
from hicmae_cli.weights.run_folder import locate_fold


def finetune_folds(
    dataset: str | None = None,
    *,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    seeds: Sequence[int] = (),
    recipe: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    profile: str | None = None,
    output: str | Path = "runs/finetune",
    init: str | Path | None = None,
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
    ``result.md`` and ``confusion.png`` in its folder; several folds get them together in ``output``.

    Args:
        dataset: a dataset by name; gives the default of most parameters below.
        root: the dataset's folder; by default the one in ``HICMAE_DATA``.
        manifest: a list of prepared clips, instead of or of the dataset.
        fold: the fold to test, or ``all``; by default all that there are, one by one.
        seeds: seeds to repeat all folds with, in folders ``seed-N`` of ``output``; by default the recipe's seed alone.
        recipe: a recipe that ships with hicmae, or a .toml file; by default the dataset's.
        overrides: keys of the recipe -> other values; None keeps the recipe's.
        profile: values for a kind of machine, such as ``laptop``, which replace the recipe's but not ``overrides``.
        output: folder of the run, or of the runs of several folds or seeds.
        init: a weight to start from, by name or file; by default the model starts from scratch.
        task: ``classification`` or ``regression``; by default the dataset's.
        labels: names of the outputs in order; by default the dataset's, or all labels in alphabetical order.
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
    if repeated := sorted(seed for seed, count in Counter(seeds).items() if count > 1):
        raise SettingsError(f"seeds={list(seeds)}: got {repeated[0]} more than once; every seed is a run of its own")
    recipe = _choose_recipe(recipe, known)
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    plans = [{**changes, "seed": seed} for seed in seeds] or [changes]
    defaults = {"sampling": known.sampling} if known else {}
    runs = [load_settings(FinetuneSettings, recipe, plan, profile=profile, defaults=defaults) for plan in plans]
    resolve_loss(runs[0].loss, kind)
    check_precision(runs[0].mixed_precision, choose_device(device).type)
    start = _find_init(init)
    # The main process draws puppets, which may take long; the others wait.
    with PartialState(cpu=device == "cpu", timeout=timedelta(days=7)).main_process_first():
        clips = find_clips(dataset, _path(root), _path(manifest), draw_puppets=draw_puppets)
    learned, samples = read_task(
        clips.manifest, known, name=clips.name, source=source, labels=labels, kind=kind, licence=licence
    )
    folds = folds_to_run(samples, fold, clips.manifest)
    doubts = {name: check_init(start, learned, name) if start else None for name in folds}
    if warning := warmup_warning(runs[0]):
        progress.warn(warning)
    found: list[SeedResult] = []
    for plan, settings in zip(plans, runs, strict=True):
        folder = Path(output) / f"seed-{settings.seed}" if seeds else Path(output)
        command = _describe_command(clips, recipe, profile, plan, init, task, learned.labels if labels else ())
        named = replace(learned, source=source or command)
        found.append(
            _finetune_seed(folder, named, samples, doubts, clips, settings, start, device=device, progress=progress)
        )
        if not found[-1].finished:
            break
    return FinetuningResult(clips.name, tuple(found))


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _choose_recipe(recipe: str | Path | None, dataset: Dataset | None) -> str | Path:
    if recipe is not None:
        return recipe
    if dataset is None:
        raise SettingsError(
            "`manifest` needs a `recipe` (a .toml file, or a name such as crema-d), or the `dataset` that it lists"
        )
    return dataset.recipe


def _find_init(init: str | Path | None) -> Path | None:
    if init is None:
        return None
    found = find_weight(str(init), ".safetensors")
    if found is None:
        raise WeightsError(f"{init}: has no .safetensors file to start from")
    return found


def _finetune_seed(
    folder: Path,
    task: Task,
    samples: Sequence[Sample],
    doubts: Mapping[str | None, str | None],
    clips: ClipList,
    settings: FinetuneSettings,
    init: Path | None,
    *,
    device: str,
    progress: FinetuningProgress,
) -> SeedResult:
    """Train and test every fold with one seed; ``doubts`` has a warning, or None, about the start of each."""
    runs: list[FoldResult] = []
    document, report = None, None
    for fold, doubt in doubts.items():
        progress.on_fold(fold, settings)
        if doubt:
            progress.warn(doubt)
        run = finetune_and_test(
            locate_fold(folder, fold),
            task,
            samples,
            fold,
            settings=settings,
            init=init,
            device=device,
            progress=progress,
        )
        runs.append(run)
        if not run.finished:
            return SeedResult(settings.seed, tuple(runs))
        if run.evaluation is not None:
            document, report = _write_scores([run], clips, run.folder)
        progress.on_result(run)
    scored = [run for run in runs if run.evaluation is not None]
    if len(scored) > 1:
        document, report = _write_scores(scored, clips, folder)
    return SeedResult(settings.seed, tuple(runs), document, report)


def _write_scores(runs: Sequence[FoldResult], clips: ClipList, folder: Path) -> tuple[dict[str, Any], Path]:
    """Write the scores of one fold or several, beside the paper's -> their document, and its tables."""
    scores = combine_folds(runs)
    assert scores is not None
    fold = ALL_FOLDS if len(runs) > 1 else runs[0].fold
    document = Protocol(clips.name, clips.dataset, fold, "" if fold else "test").to_dict(scores)
    weights = folder if len(runs) > 1 else runs[0].weight
    report = folder / "result.md"
    picture = folder / "confusion.png" if document.get("confusion") else None
    write_scores(document, str(weights), folder / "result.json", report, picture)
    return document, report


def _describe_command(
    clips: ClipList,
    recipe: str | Path,
    profile: str | None,
    overrides: Mapping[str, Any],
    init: str | Path | None,
    task: str | None,
    labels: Sequence[str],
) -> str:
    """Return the command that makes the weight, for its metadata."""
    data = f"--dataset {clips.dataset.name}" if clips.dataset else f"--manifest {clips.manifest.name}"
    words = ["hicmae finetune", data, f"--recipe {Path(recipe).name}"]
    words += [f"--profile {profile}"] if profile else []
    words += [f"--task {task}"] if task else []
    words += [f"--labels {','.join(labels)}"] if labels else []
    words += [f"--set {key}={value}" for key, value in overrides.items()]
    return " ".join(words + ([f"--init {Path(init).name}"] if init else []))
