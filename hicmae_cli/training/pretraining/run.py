"""Pre-train by one call, as ``hicmae pretrain`` does: find the recordings, train, and draw pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from accelerate import PartialState

from hicmae_cli.errors import HicmaeError, first_line, one_line
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.records.calls import recorded
from hicmae_cli.records.facts import DataFacts
from hicmae_cli.records.hashes import hash_data
from hicmae_cli.records.seen import SeenData, note_seen
from hicmae_cli.runtime.torch_engine import choose_device
from hicmae_cli.training.extension import extend_settings
from hicmae_cli.training.machine import check_precision, resolve_precision
from hicmae_cli.training.pretraining.loop import pretrain_recordings
from hicmae_cli.training.pretraining.pictures import draw_curves, draw_example
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.recordings import RecordingList, choose_recipe, find_recordings
from hicmae_cli.training.pretraining.results import PretrainingOutcome
from hicmae_cli.training.recorder import record_run
from hicmae_cli.training.trackers import choose_trackers
from hicmae_cli.weights.reading import find_parameters, read_info


@recorded
def pretrain(
    dataset: str | None = None,
    *,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    videos: str | Path | None = None,
    fold: str | None = None,
    recipe: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    profile: str | None = None,
    seed: int | None = None,
    init: str | Path | None = None,
    extend_epochs: int = 0,
    output: str | Path = "runs/pretrain",
    licence: str = "",
    device: str = "auto",
    draw_puppets: Callable[[Path], Path] | None = None,
    progress: PretrainingProgress | None = None,
) -> PretrainingOutcome:
    """Pre-train on unlabelled videos of talking faces.

    The same call resumes a run that was stopped, and does nothing if it is finished. The folder of the run gets the
    weights, checkpoints, the log, and pictures (``docs/pretrain.md``).

    Args:
        dataset: a dataset by name, whose labels are not read; or give ``manifest`` or ``videos``.
        root: folder of the dataset, or of the faces that are cut out of ``videos``.
        manifest: a CSV of prepared clips; labels are not read.
        videos: a folder of any videos; their faces are cut first, once, in worker processes (a script needs
            ``if __name__ == "__main__":`` around the call).
        fold: the fold of the dataset or the manifest to exclude, with all clips of its people, so that it can test a
            model that is fine-tuned from the weight.
        recipe: a recipe that ships with hicmae, or a .toml file; by default the dataset's.
        overrides: other values of recipe keys; None keeps the recipe's.
        profile: values for a kind of machine, such as ``laptop``, which replace the recipe's but not ``overrides``.
        seed: another seed than the recipe's.
        init: a pre-trained weight of the same architecture to start from, by name or file; by default the model
            starts from scratch.
        extend_epochs: go on with the finished run in ``output`` for so many more epochs than the recipe's.
        output: folder of the run.
        licence: licence of the weight; by default the dataset's.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        draw_puppets: draws the generated corpus into a folder and returns its manifest; without it, puppets that are
            not drawn are an error.
        progress: functions to call during the run; without them, warnings are Python warnings.

    Returns:
        How the run ended, with the weight; Ctrl-C stops it after a checkpoint.

    Raises:
        SettingsError: parameters or recipe keys that cannot be used, or ``output`` holds another run.
        ManifestError: no recordings that can be used, or fewer than a step takes.
        WeightsError: ``init`` is missing, or has another architecture than the recipe.
        TrainingError: a loss is not finite, all recordings are broken, or the disk is full.
    """
    progress = progress or PretrainingProgress(warn=warnings.warn)
    run = Path(output)
    recipe = choose_recipe(recipe, dataset, manifest, videos)
    changes = dict(overrides or {}) if seed is None else {**(overrides or {}), "seed": seed}
    changes = {key: value for key, value in changes.items() if value is not None}
    settings = extend_settings(load_settings(PretrainSettings, recipe, changes, profile=profile), extend_epochs)
    device_type = choose_device(device).type
    check_precision(settings.mixed_precision, device_type)
    # The record says what "auto" meant.
    precision = resolve_precision(settings.mixed_precision, device_type)
    settings = settings.model_copy(update={"mixed_precision": precision})
    start = find_parameters(init, "start from") if init is not None else None
    choose_trackers(settings.trackers)
    processes = PartialState(cpu=device == "cpu", timeout=timedelta(days=7))
    if not processes.is_main_process:
        progress = PretrainingProgress()
    # The main process draws puppets or cuts faces, which may take days; the others wait.
    with processes.main_process_first():
        found = find_recordings(
            dataset=dataset,
            root=root,
            manifest=manifest,
            videos=videos,
            fold=fold,
            draw_puppets=draw_puppets,
            on_listing=progress.on_listing,
            on_video=progress.on_video,
            on_wait=progress.on_wait,
        )
        data = hash_data(found.files, found.manifest, on_clip=progress.on_hash)
    for name, reason in found.skipped:
        progress.warn(one_line(f"skipped {name}: {reason}"))
    progress.on_recordings(found, settings)
    source = _describe_command(dataset, manifest, videos, recipe, profile, changes, extend_epochs, init, fold)
    with record_run(
        run,
        phase="pre-training",
        settings=settings,
        command=source,
        fold=fold or "",
        init=start,
        data=data,
        manifest=found.manifest,
        root=found.root,
        warn=progress.warn,
    ) as recorder:
        outcome = pretrain_recordings(
            run,
            recordings=found.recordings,
            dataset=found.name,
            licence=licence or found.licence,
            front_end=found.front_end,
            source=source,
            settings=settings,
            init=start,
            extends=extend_epochs > 0,
            fold=fold or "",
            record=recorder.facts,
            seen=_list_seen(found, fold, data, start),
            device=device,
            progress=replace(
                progress,
                on_start=recorder.watch_start(progress.on_start),
                on_picture=_draw_pictures(run, found, settings, progress),
            ),
        )
        scores = read_info(str(outcome.weight)).metrics["pretraining"] if outcome.weight is not None else {}
        recorder.end(finished=outcome.finished, step=outcome.step, weight=outcome.weight, scores=scores)
    if processes.is_main_process:
        try:
            draw_curves(run)
        except OSError as error:
            progress.warn(f"the curves cannot be drawn: {first_line(error)}")
    return outcome


def _list_seen(found: RecordingList, fold: str | None, data: DataFacts, init: Path | None) -> tuple[SeenData, ...]:
    """List the trainings behind the weight: those of its start, and this one."""
    before = read_info(str(init)).history if init is not None else ()
    now = note_seen(found.name, "pre-training", found.people, fold=fold or "", manifest_sha256=data.manifest_sha256)
    return (*before, now)


def _draw_pictures(
    run: Path, found: RecordingList, settings: PretrainSettings, progress: PretrainingProgress
) -> Callable[[int, PretrainingModel], None]:
    """Return a hook that draws an example before it calls the caller's own hook."""

    def draw(step: int, model: PretrainingModel) -> None:
        try:
            draw_example(run, step, model, found.recordings, settings)
        except (HicmaeError, OSError) as error:  # a missing picture is no reason to stop a run
            progress.warn(f"the picture of step {step} cannot be drawn: {first_line(error)}")
        progress.on_picture(step, model)

    return draw


def _describe_command(
    dataset: str | None,
    manifest: str | Path | None,
    videos: str | Path | None,
    recipe: str | Path,
    profile: str | None,
    changes: Mapping[str, Any],
    extend_epochs: int,
    init: str | Path | None,
    fold: str | None,
) -> str:
    """Write the command that does the same, without paths, for the metadata of the weight."""
    if dataset is not None:
        data = f"--dataset {dataset}"
    elif manifest is not None:
        data = f"--manifest {Path(manifest).name}"
    else:
        data = f"--videos {Path(videos or '').name}"
    words = ["hicmae pretrain", data, f"--recipe {Path(recipe).name}"]
    words += [f"--profile {profile}"] if profile else []
    words += [f"--fold {fold}"] if fold is not None else []
    words += [f"--init {Path(init).name}"] if init is not None else []
    words += [f"--set {key}={value}" for key, value in changes.items()]
    return " ".join([*words, *([f"--extend-epochs {extend_epochs}"] if extend_epochs else [])])
