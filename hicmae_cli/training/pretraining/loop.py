"""The loop of pre-training (HiCMAE, sections 3.3 and 3.4).

All random numbers follow from (seed, epoch, clip) or (seed, step, process). A checkpoint therefore needs no random
states, and a killed run resumes to the losses it would have had, to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from hicmae_cli.clips.recording import RandomWindow, Recording
from hicmae_cli.errors import WeightsError
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.models.config import AUDIO_PATCH
from hicmae_cli.models.inputs import normalise_patches
from hicmae_cli.models.masking import cut_faces, cut_patches, keep_patches
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.recipes.settings import OF_THE_MACHINE, PretrainSettings
from hicmae_cli.records.facts import RunFacts
from hicmae_cli.records.hashes import hash_tensors
from hicmae_cli.records.seen import SeenData
from hicmae_cli.training.extension import CHANGED, EXTENDED_FROM, extend_facts
from hicmae_cli.training.loop import Schedule, agree, is_checkpoint_due
from hicmae_cli.training.machine import (
    StopRequest,
    batches_in,
    check_one_folder,
    hold_freed_memory,
    new_accelerator,
    restore,
    seeded,
)
from hicmae_cli.training.optimiser import decay_groups, learning_rate_at, set_learning_rate, warmup_warning
from hicmae_cli.training.order import check_batch, deal_batches, epoch_order, first_batches, step_seed
from hicmae_cli.training.pretraining.data import pretraining_loader, read_short, unwrap_batch
from hicmae_cli.training.pretraining.objectives import check_objectives
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.results import PretrainingOutcome
from hicmae_cli.training.pretraining.state import (
    SKIPPED,
    PretrainingState,
    StepReport,
    make_weight_info,
    write_skipped,
    write_weights,
)
from hicmae_cli.training.pretraining.step import pretrain_step
from hicmae_cli.training.runs import METRICS, fingerprint, keep_checkpoint, open_run
from hicmae_cli.training.trackers import open_log
from hicmae_cli.training.whitening import freeze_patches, whiten_patches
from hicmae_cli.weights.checkpoint import load_state, read_state
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.run_folder import BEST, LAST

Log = Callable[[Mapping[str, Any]], None]


@dataclass
class _Training:
    """Everything that a run uses between its steps."""

    run: Path
    recordings: Sequence[Recording]
    settings: PretrainSettings
    progress: PretrainingProgress
    info: WeightInfo
    facts: Mapping[str, Any]
    schedule: Schedule
    state: PretrainingState
    accelerator: Accelerator
    network: PretrainingModel
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    cache: Mapping[int, RandomWindow]


def pretrain_recordings(
    run: Path,
    *,
    recordings: Sequence[Recording],
    dataset: str,
    licence: str,
    front_end: str,
    source: str,
    settings: PretrainSettings,
    extends: bool = False,
    init: Path | None = None,
    fold: str = "",
    record: RunFacts | None = None,
    seen: tuple[SeenData, ...] = (),
    device: str = "auto",
    progress: PretrainingProgress | None = None,
) -> PretrainingOutcome:
    """Pre-train on unlabelled recordings, in one process or as one of several.

    Args:
        run: folder of the run; a run that was stopped there resumes.
        recordings: videos of talking faces; broken ones are skipped and listed.
        dataset: name of the dataset, for the metadata of the weight.
        licence: licence of the weight.
        front_end: how the faces were cut.
        source: how the weight was made.
        settings: the whole recipe.
        extends: go on with the finished run in the folder up to ``settings.epochs``; see ``training.extension``.
        init: a pre-trained weight of the same architecture to start from; None starts from scratch.
        fold: the fold that the recordings exclude, for the metadata of the weight.
        record: what the weight records about its run.
        seen: the trainings behind the weight.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: functions to call during the run.

    Returns:
        How the run ended: finished, or stopped by Ctrl-C with a checkpoint.

    Raises:
        ManifestError: fewer recordings than a step takes.
        SettingsError: the folder holds another run, or the batch cannot be split among the processes.
        TrainingError: a loss is not finite, no recording can be used, or the disk is full.
        WeightsError: ``init`` cannot be read, or has another architecture.
    """
    progress = progress or PretrainingProgress()
    accelerator = new_accelerator(settings.mixed_precision, device)
    # What "auto" means here, so that the run's facts say it.
    settings = settings.model_copy(update={"mixed_precision": accelerator.mixed_precision})
    check_batch(settings, accelerator.num_processes, len(recordings))
    check_objectives(settings, accelerator.num_processes)
    hold_freed_memory()
    use_wide_products()
    info = make_weight_info(settings, dataset, licence, front_end, source, fold=fold, run=record, seen=seen)
    training = _set_up(run, recordings, settings, progress, info, accelerator, init, extends=extends)
    state, total_steps = training.state, training.schedule.total_steps
    if accelerator.is_main_process:
        _announce(training)
    stopping = False
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        log = (
            stack.enter_context(open_log(accelerator, run, settings, state.step))
            if accelerator.is_main_process
            else None
        )
        while state.step < total_steps and not stopping:
            stopping = _train_epoch(training, stop, log)
    weight = run / LAST if (run / LAST).exists() else None
    return PretrainingOutcome(run, weight, state.step, total_steps, dict(state.skipped))


def _set_up(
    run: Path,
    recordings: Sequence[Recording],
    settings: PretrainSettings,
    progress: PretrainingProgress,
    info: WeightInfo,
    accelerator: Accelerator,
    init: Path | None,
    *,
    extends: bool,
) -> _Training:
    """Build the model and the optimiser, and load the newest checkpoint or initialise the model."""
    schedule = Schedule.plan(settings, len(recordings))
    network = _build_network(settings, init)
    optimiser = torch.optim.AdamW(
        decay_groups(network, weight_decay=settings.weight_decay), lr=0.0, betas=settings.betas, fused=True
    )
    facts = {
        **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
        "dataset": info.dataset,
        "clips": fingerprint(recording.id for recording in recordings),
        # Not of the whole file: its metadata have a date.
        "init": hash_tensors(init) if init is not None else None,
        # Local negatives and drop path depend on how a step is split among processes.
        "processes": accelerator.num_processes,
    }
    if extends:
        facts = extend_facts(run, facts, schedule.steps_per_epoch)
        info = info.model_copy(update={"extended_from": tuple(facts[EXTENDED_FROM])})
    checkpoint = open_run(
        run,
        facts,
        defaults={**PretrainSettings().model_dump(mode="json"), EXTENDED_FROM: []},
        results=(LAST, BEST),
        logs=(METRICS, SKIPPED),
        main=accelerator.is_main_process,
        warn=progress.warn,
        may_change=CHANGED if extends else (),
    )
    state = PretrainingState(checkpoint)
    check_one_folder(accelerator, run, state.step)
    if checkpoint is not None:
        load_state(network, checkpoint["model"], run)
    # Fill the cache before the loader's processes are forked, so that they share it.
    cache = read_short(recordings) if settings.cache_clips and state.step < schedule.total_steps else {}
    if settings.fit_start_clips and state.step == 0 and init is None:
        _whiten(network, recordings, settings, cache)
    model, optimiser = accelerator.prepare(torch.compile(network) if settings.compile else network, optimiser)
    if checkpoint is not None:
        restore(accelerator, optimiser, checkpoint)
    return _Training(
        run, recordings, settings, progress, info, facts, schedule, state, accelerator, network, model, optimiser, cache
    )


def _build_network(settings: PretrainSettings, init: Path | None) -> PretrainingModel:
    with seeded(settings.seed, torch.device("cpu")):
        network = build_pretraining_model(
            settings.architecture, drop_path=settings.drop_path, recompute=settings.gradient_checkpointing
        )
    if init is not None:
        _load_start(network, settings, init)
    if settings.freeze_patches:
        freeze_patches(network.video_encoder, network.audio_encoder)
    return network


def _load_start(network: PretrainingModel, settings: PretrainSettings, init: Path) -> None:
    """Fill a new model with the tensors of a pre-trained weight.

    Raises:
        WeightsError: the weight is fine-tuned, or its architecture is not the recipe's.
    """
    info, state = read_state(init)
    if info.pretraining is None:
        raise WeightsError(f"{init}: is fine-tuned and has no decoders; expected a pre-trained weight")
    own, wanted = info.architecture, settings.architecture
    if own != wanted:
        changed = [
            f"{field.name} {getattr(own, field.name)} -> {getattr(wanted, field.name)}"
            for field in fields(wanted)
            if getattr(own, field.name) != getattr(wanted, field.name)
        ]
        raise WeightsError(f"{init}: has another architecture than the recipe: {', '.join(changed)}")
    load_state(network, {name: tensor.float() for name, tensor in state.items()}, init)


def _whiten(
    network: PretrainingModel,
    recordings: Sequence[Recording],
    settings: PretrainSettings,
    cache: Mapping[int, RandomWindow],
) -> None:
    """Whiten the patches of a new model over the first clips; every process computes the same."""
    batches = first_batches(epoch_order(len(recordings), settings.seed, 0), settings, settings.fit_start_clips)
    video, audio = [], []
    with batches_in(pretraining_loader(recordings, settings, 0, batches, cache)) as read:
        for batch in map(unwrap_batch, read):
            video.append(normalise_patches(keep_patches(cut_faces(batch.faces), batch.video_mask[0])))
            audio.append(keep_patches(cut_patches(batch.audio, AUDIO_PATCH), batch.audio_mask[0]))
    generator = torch.Generator().manual_seed(settings.seed)
    whiten_patches(network.video_encoder, torch.cat(video), generator)
    whiten_patches(network.audio_encoder, torch.cat(audio), generator)


def _announce(training: _Training) -> None:
    """Tell the caller where the run starts, and what looks wrong in its recipe."""
    step, total_steps = training.state.step, training.schedule.total_steps
    training.progress.on_start(step, total_steps)
    if step < total_steps and (line := warmup_warning(training.settings)):
        training.progress.warn(line)


def _train_epoch(training: _Training, stop: StopRequest, log: Log | None) -> bool:
    """Train to the end of the epoch, or until a stop is requested -> whether it is."""
    settings, accelerator, state = training.settings, training.accelerator, training.state
    epoch, first = training.schedule.locate(state.step)
    order = epoch_order(len(training.recordings), settings.seed, epoch)
    own = deal_batches(order, settings, accelerator.num_processes, accelerator.process_index, first)
    loader = pretraining_loader(training.recordings, settings, epoch, own, training.cache)
    with batches_in(loader) as batches:
        for step in training.schedule.rest_of_epoch(state.step):
            started = time.perf_counter()
            rounds = [unwrap_batch(next(batches)).to(accelerator.device) for _ in range(settings.accumulation)]
            rate = learning_rate_at(settings, step, training.schedule.steps_per_epoch)
            set_learning_rate(training.optimiser, rate)
            # Drop path draws from torch's global state.
            with seeded(step_seed(settings.seed, step, accelerator.process_index), accelerator.device):
                made = pretrain_step(accelerator, training.model, training.optimiser, rounds, settings, step)
            faults = [fault for batch in rounds for fault in batch.faults]
            stopping, faults = agree(accelerator, stop.requested, faults)
            state.add_step(step + 1, made.total, faults)
            mean = state.end_epoch() if training.schedule.ends_epoch(step) else None
            if log is not None:
                speed = settings.batch_size / (time.perf_counter() - started)
                report = StepReport(step + 1, epoch + 1, made.total, made.losses, rate, made.grad_norm, speed)
                log(report.to_log())
                _show_and_save(training, report, mean, stopping=stopping)
            if stopping:
                return True
    return False


def _show_and_save(training: _Training, report: StepReport, mean_loss: float | None, *, stopping: bool) -> None:
    """Report a step, and write what is due after it: a picture, the weights of an epoch, a checkpoint.

    Args:
        training: the run.
        report: numbers of the step.
        mean_loss: mean loss of the epoch; None if the epoch goes on.
        stopping: whether the run stops after this step.
    """
    settings, state, network, progress = training.settings, training.state, training.network, training.progress
    progress.on_step(report)
    if settings.picture_every and report.step % settings.picture_every == 0:
        network.eval()
        progress.on_picture(report.step, network)
    epoch_ends = mean_loss is not None
    if mean_loss is not None:
        best = mean_loss == state.best_loss
        write_weights(training.run, network, training.info, report.epoch, mean_loss, best=best)
        progress.on_epoch(report.epoch, mean_loss)
    if is_checkpoint_due(report.step - 1, settings.checkpoint_every, epoch_ends=epoch_ends, stopping=stopping):
        checkpoint = state.to_checkpoint(network, training.optimiser, training.accelerator, training.facts)
        keep_checkpoint(training.run, checkpoint, settings.keep_checkpoints)
        write_skipped(training.run, state.skipped)
