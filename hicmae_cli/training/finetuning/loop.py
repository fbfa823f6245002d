"""Fine-tuning from start to end (HiCMAE, sections 3.5 and 4.2); reads top to bottom.

Every random draw follows from (seed, epoch), (seed, epoch, clip) or (seed, step, process). So a checkpoint needs no
random states, and a killed run resumes to the weights it would have had, to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.evaluation.calibration import find_temperature
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.adaptation import merge_state
from hicmae_cli.training.finetuning.data import find_faults, training_loader, unpack_batch
from hicmae_cli.training.finetuning.parts import check_splits, describe_absent_classes
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningOutcome
from hicmae_cli.training.finetuning.setup import FinetuningRun, set_up
from hicmae_cli.training.finetuning.state import EpochReport
from hicmae_cli.training.finetuning.step import finetune_step
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.finetuning.validation import validate_clips
from hicmae_cli.training.loop import agree, explain_not_finite, raise_together
from hicmae_cli.training.machine import StopRequest, batches_in
from hicmae_cli.training.optimiser import learning_rate_at, set_learning_rate
from hicmae_cli.training.order import deal_batches, step_seed
from hicmae_cli.training.runs import keep_checkpoint
from hicmae_cli.training.trackers import open_log
from hicmae_cli.weights.checkpoint import save_classifier
from hicmae_cli.weights.suffixes import EXPORT_SUFFIXES


def finetune_clips(
    folder: Path,
    task: Task,
    *,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    settings: FinetuneSettings,
    init: Path | None = None,
    fold: str | None = None,
    extends: bool = False,
    device: str = "auto",
    progress: FinetuningProgress | None = None,
) -> FinetuningOutcome:
    """Train a classifier or a regressor, in one process or as one of several.

    Args:
        folder: of the run; one that holds a checkpoint is resumed.
        task: what the model learns.
        train: clips to train on.
        validation: clips of other people to choose the epoch on; none with selection ``last``.
        settings: the whole recipe.
        init: a weight (.safetensors) to start from, a classifier or a pre-trained one; see ``load_compatible``.
        fold: the fold that is not trained on, to be written into the weight.
        extends: go on with the finished run in the folder up to ``settings.epochs``; see ``training.extension``.
        device: ``auto``, ``cpu`` or what accelerate finds.
        progress: hooks for a display.

    Returns:
        How it ended: finished, or stopped by Ctrl-C after a checkpoint was written.

    Raises:
        ManifestError: too few clips, people shared by the splits, or labels the model does not know.
        SettingsError: the folder holds a run of other settings, labels, clips or start; or a setting does not fit.
        TrainingError: broken clips, all of a step named; a loss that is not finite; a disk that is full.
    """
    progress = progress or FinetuningProgress()
    check_splits(train, validation, task, settings.selection)
    run = set_up(
        folder,
        task,
        train=train,
        validation=validation,
        settings=settings,
        init=init,
        fold=fold,
        extends=extends,
        device=device,
        on_init=progress.on_init,
        warn=progress.warn,
    )
    if run.is_main:
        announce_start(run, progress)
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        log = stack.enter_context(open_log(run.accelerator, folder, settings, run.state.step)) if run.is_main else None
        while not run.finished and not run.stopped:
            clips_per_s = train_epoch(run, stop, progress)
            if run.at_epoch_end:
                report = end_epoch(run, clips_per_s, progress)
                if log is not None:
                    log(report.to_log())
                    progress.on_epoch(report)
            checkpoint_run(run)
    run.accelerator.wait_for_everyone()
    weight = run.chosen if run.chosen.is_file() else None
    return FinetuningOutcome(weight, run.state.step, run.schedule.total_steps, run.stops_early, run.stopped)


def announce_start(run: FinetuningRun, progress: FinetuningProgress) -> None:
    """Report where the run starts, and warn about classes without clips."""
    progress.on_start(run.state.step, run.schedule.total_steps)
    if run.task.is_regression:
        return
    for clips, split in ((run.train, "training"), (run.validation, run.judged_on)):
        if clips and (absent := describe_absent_classes(clips, run.task.labels, split)):
            progress.warn(absent)


def train_epoch(run: FinetuningRun, stop: StopRequest, progress: FinetuningProgress) -> float:
    """Train to the end of the epoch, or to the first step after a signal -> training speed (clips/s)."""
    settings, accelerator, state = run.settings, run.accelerator, run.state
    steps = run.schedule.steps_per_epoch
    epoch, first = run.schedule.locate(state.step)
    drawn = run.sampler.draw(epoch)
    mine = deal_batches(drawn.keys, settings, accelerator.num_processes, accelerator.process_index, first)
    loader = training_loader(
        run.train,
        run.task.labels,
        settings,
        epoch,
        mine,
        run.cache,
        task=run.task.kind,
        rows=drawn.row_of_key,
        cues=run.cues,
    )
    started = time.perf_counter()
    with batches_in(loader) as batches:
        for done in range(first + 1, steps + 1):
            clips = drawn.rows[(done - 1) * settings.batch_size : done * settings.batch_size]
            run_step(run, batches, [run.train[index].id for index in clips])
            run.stopped, _ = agree(accelerator, stop.requested, [])
            if run.is_main:
                progress.on_step(epoch + 1, done, steps, state.mean_losses(done))
            if run.stopped or run.at_epoch_end:
                break
            if state.step % settings.checkpoint_every == 0:
                checkpoint_run(run)
    return (done - first) * settings.batch_size / (time.perf_counter() - started)


def run_step(run: FinetuningRun, batches: Iterator[Any], clips: Sequence[str]) -> None:
    """Read the batches of the next step and make it; ``clips`` are the ids of its clips in all processes.

    Raises:
        TrainingError: broken clips, or a loss or a gradient that is not finite.
    """
    settings, accelerator, step = run.settings, run.accelerator, run.state.step
    read = [next(batches) for _ in range(settings.accumulation)]
    raise_together(accelerator, [fault for each in read for fault in find_faults(each)])
    set_learning_rate(run.optimiser, learning_rate_at(settings, step, run.schedule.steps_per_epoch))
    seed = step_seed(settings.seed, step, accelerator.process_index)
    made = finetune_step(
        accelerator,
        run.model,
        run.optimiser,
        [unpack_batch(each).to(accelerator.device) for each in read],
        settings,
        run.task_loss,
        auxiliary=run.auxiliary,
        rng=np.random.default_rng(seed),
        generator=run.generator.manual_seed(seed),
    )
    if made is None:
        raise explain_not_finite("the loss or a gradient is not finite", step, clips)
    if run.average is not None:
        run.average.update_parameters(run.bare)
    run.state.add_step(made.losses, made.grad_norm)


def end_epoch(run: FinetuningRun, clips_per_s: float, progress: FinetuningProgress) -> EpochReport:
    """Validate the epoch that just ended if it is time to, and write its weight if it is the one to keep."""
    settings, state = run.settings, run.state
    epoch, _ = run.schedule.locate(state.step)
    last = epoch == settings.epochs
    source = run.average.module if run.average is not None else run.bare
    run.judged.load_state_dict(merge_state(source))
    scores: dict[str, float] = {}
    judged_loss: float | None = None
    if run.reader.samples and (last or epoch % settings.validate_every == 0):
        total = len(run.reader.share)
        follow = (lambda done: progress.on_validation(epoch, done, total)) if run.is_main else (lambda _: None)
        found = validate_clips(run.judged, run.info, run.reader, run.task_loss, follow)
        scores, judged_loss = found.scores, found.loss
        if state.judge(scores[run.task.chosen_by], run.task.chosen_by) and run.is_main:
            # Test clips that choose the epoch must not calibrate it, too.
            temperature = find_temperature(found.evaluation) if run.judged_on == "validation" else None
            facts = {run.judged_on: {**scores, "epoch": epoch, "clips": len(run.validation)}}
            write_weight(run, facts, temperature)
    if last and settings.selection == "last" and run.is_main:
        write_weight(run, {"training": {"epoch": epoch}})
    report = EpochReport(
        step=state.step,
        epoch=epoch,
        losses=state.mean_losses(run.schedule.steps_per_epoch),
        learning_rate=learning_rate_at(settings, state.step - 1, run.schedule.steps_per_epoch),
        grad_norm=state.mean_grad_norm(),
        clips_per_s=clips_per_s,
        judged_on=run.judged_on,
        scores=scores,
        judged_loss=judged_loss,
        metric=run.task.chosen_by,
        best=state.best,
    )
    state.end_epoch()
    return report


def write_weight(
    run: FinetuningRun, metrics: Mapping[str, Mapping[str, float]], temperature: float | None = None
) -> None:
    """Write the judged model as the chosen weight."""
    # An export of an earlier epoch would be another model under the same name.
    for suffix in EXPORT_SUFFIXES:
        run.chosen.with_suffix(suffix).unlink(missing_ok=True)
    save_classifier(run.chosen, run.judged, run.info.with_metrics(metrics, temperature))


def checkpoint_run(run: FinetuningRun) -> None:
    """Write a checkpoint of the last step, and remove old ones; only the main process does."""
    if run.is_main:
        keep_checkpoint(run.folder, run.to_checkpoint(), run.settings.keep_checkpoints)
