"""Fine-tuning from start to end (HiCMAE, sections 3.5 and 4.2); reads top to bottom.

Everything random follows from (seed, epoch, clip) or (seed, step, process). A checkpoint therefore needs no random
states, and a run that was killed goes on to the weights it would have had, to the last bit.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError, TrainingError
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.files import compute_sha256
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture, find_variant
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.finetuning.data import faults_of, training_loader, unbroken
from hicmae_cli.training.finetuning.parts import (
    absent_classes,
    check_splits,
    clips_fingerprint,
    first_looks,
    unreadable,
)
from hicmae_cli.training.finetuning.state import EpochReport, RunState
from hicmae_cli.training.finetuning.step import learning_of, train_step
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.finetuning.transfer import Transfer, take_over
from hicmae_cli.training.machine import (
    StopRequest,
    batches_in,
    check_one_folder,
    gather_objects,
    hold_freed_memory,
    new_accelerator,
    restore,
)
from hicmae_cli.training.optimiser import learning_rate_at, parameter_groups, set_learning_rate
from hicmae_cli.training.order import check_batch, deal_batches, epoch_order, step_seed
from hicmae_cli.training.runs import METRICS, TESTED, keep_checkpoint, metrics_log, open_run
from hicmae_cli.training.settings import OF_THE_MACHINE, FinetuneSettings
from hicmae_cli.training.whitening import fit_start, freeze_patches
from hicmae_cli.weights.checkpoint import load_state, save_classifier
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.run_folder import BEST, LAST


@dataclass
class Progress:
    """What a caller may watch, in the main process.

    Attributes:
        on_init: called with what was taken from ``init``.
        on_start: called with the first step to come, counted from 0, and the number of all steps.
        on_step: after each step, with (epoch, step of the epoch, steps, mean loss of the epoch so far).
        on_epoch: after each epoch.
        warn: with a line about something that was passed over.
    """

    on_init: Callable[[Transfer], None] = lambda _: None
    on_start: Callable[[int, int], None] = lambda *_: None
    on_step: Callable[[int, int, int, float], None] = lambda *_: None
    on_epoch: Callable[[EpochReport], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        weight: the weight that was chosen; None where there is none yet.
        step: steps that were made.
        total_steps: steps of the whole run.
        early: whether it ended before, since nothing better came.
        stopped: whether it was told to stop.
    """

    weight: Path | None
    step: int
    total_steps: int
    early: bool
    stopped: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.early or self.step == self.total_steps


def finetune(
    run: Path,
    task: Task,
    *,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    settings: FinetuneSettings,
    init: Path | None = None,
    fold: str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Outcome:
    """Train a classifier or a regressor, in one process or as one of several.

    Args:
        run: folder of the run; one that holds a checkpoint is resumed.
        task: what is to be learned.
        train: clips to learn from.
        validation: clips of other people, which only choose the epoch; none where the last one is taken.
        settings: the whole recipe.
        init: a weight (safetensors) to start from, a classifier or a pre-trained one; see ``take_over``.
        fold: the one that is not learned from, to be written into the weight.
        device: ``auto``, ``cpu`` or what accelerate finds.
        progress: hooks for a display.

    Returns:
        How it ended: finished, or stopped by Ctrl-C after a checkpoint was written.

    Raises:
        ManifestError: too few clips, people shared by the splits, or labels the model does not know.
        SettingsError: the folder holds a run of other settings, labels, clips or start; or a setting that does not fit.
        TrainingError: broken clips, all of a step named; a loss that is not finite; a disk that is full.
    """
    check_splits(train, validation, task, settings)
    progress = progress or Progress()
    accelerator = new_accelerator(settings.mixed_precision, device)
    processes, process, main = (accelerator.num_processes, accelerator.process_index, accelerator.is_main_process)
    check_batch(settings, processes, len(train))
    learn = learning_of([sample.label for sample in train], task.labels, settings, regression=task.is_regression).to(
        accelerator.device
    )
    hold_freed_memory()
    use_wide_products()
    torch.manual_seed(settings.seed)
    dims = settings.dims
    architecture = Architecture(dims, outputs=len(task.labels), layer_fusion=settings.layer_fusion)
    bare = build_classifier(architecture, drop_path=settings.drop_path)
    transfer = None
    if init is not None:
        transfer = take_over(bare, init, task.labels)
        if main:
            progress.on_init(transfer)
    if settings.freeze_patches:
        freeze_patches(bare.video_encoder, bare.audio_encoder)
    info = WeightInfo(
        variant=find_variant(dims),
        dims=dims.to_dict(),
        task=task.kind,
        labels=task.labels,
        dataset=task.dataset,
        sampling_rate=settings.sampling_rate,
        front_end=task.front_end,
        licence=task.licence,
        source=task.source,
        selection=settings.selection,
        modality=settings.modality,
        fold=fold or "",
        layer_fusion=settings.layer_fusion,
    )
    groups = parameter_groups(
        bare, bare.list_depths(), layer_decay=settings.layer_decay, weight_decay=settings.weight_decay
    )
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=settings.betas, fused=True)
    facts = {
        **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
        "labels": list(task.labels),
        "dataset": task.dataset,
        "metric": task.chosen_by,
        "init": compute_sha256(init) if init else None,
        "clips": clips_fingerprint(train, validation),
        "processes": processes,  # drop path depends on how a step is dealt out
    }
    checkpoint = open_run(
        run,
        facts,
        defaults=FinetuneSettings().model_dump(mode="json"),
        results=(BEST, LAST),
        logs=(METRICS, TESTED),
        main=main,
        warn=progress.warn,
    )
    state = RunState(checkpoint)
    check_one_folder(accelerator, run, state.step)
    if checkpoint is not None:
        load_state(bare, checkpoint["model"], run)
    steps_per_epoch = len(train) // settings.batch_size
    total_steps = settings.epochs * steps_per_epoch
    unfinished = state.step < total_steps and not state.exhausted(settings.patience)
    chosen = run / (LAST if settings.selection == "last" else BEST)
    if (state.best is not None or not unfinished) and not chosen.is_file():
        raise TrainingError(f"{chosen}: is gone; choose another `output` or remove the folder")
    # Read before the loader's processes are forked, which share what is there.
    cache = None
    if settings.cache_clips and unfinished:
        cache = [read_prepared_clip(s.video, s.audio).decode_all(exact=False) for s in train]
    if unfinished:
        _raise_together(accelerator, unreadable(validation[process::processes], settings))
    # A classifier's features are scaled already; those of encoders that were pre-trained are not.
    unscaled = transfer is None or "feature_norm.weight" in transfer.fresh
    if settings.fit_start_clips and unscaled and state.step == 0:
        looks = first_looks(train, task, settings, cache)
        generator = torch.Generator().manual_seed(settings.seed)
        fit_start(bare, looks, generator, pretrained=transfer is not None)
    average = None
    if settings.ema_decay is not None:
        average = AveragedModel(bare, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay))  # type: ignore[no-untyped-call]
        if checkpoint is not None:
            average.load_state_dict(checkpoint["average"])
        average.to(accelerator.device)
    judged = copy.deepcopy(bare)  # what is validated and saved: without the wrappers of mixed precision
    model, optimiser = accelerator.prepare(bare, optimiser)
    if checkpoint is not None:
        restore(accelerator, optimiser, checkpoint)
        del checkpoint  # loaded: no second copy is kept

    if main:
        progress.on_start(state.step, total_steps)
        for clips, part in ((train, "training"), (validation, _judged_on(settings))):
            if not task.is_regression and clips and (line := absent_classes(clips, task.labels, part)):
                progress.warn(line)
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        log = stack.enter_context(metrics_log(run, state.step)) if main else None
        stopping = False
        while state.step < total_steps and not state.exhausted(settings.patience) and not stopping:
            epoch, first = divmod(state.step, steps_per_epoch)
            order = epoch_order(len(train), settings.seed, epoch)
            mine = deal_batches(order, settings, processes, process, first)
            loader = training_loader(train, task.labels, settings, epoch, mine, cache, regression=task.is_regression)
            started = time.perf_counter()
            with batches_in(loader) as batches:
                for step in range(state.step, (epoch + 1) * steps_per_epoch):
                    read = [next(batches) for _ in range(settings.accumulation)]
                    _raise_together(accelerator, [fault for each in read for fault in faults_of(each)])
                    rounds = [unbroken(each).to(accelerator.device) for each in read]
                    rate = learning_rate_at(settings, step, steps_per_epoch)
                    set_learning_rate(optimiser, rate)
                    torch.manual_seed(step_seed(settings.seed, step, process))  # drop path, dropped tokens, mixing
                    loss = train_step(accelerator, model, optimiser, rounds, settings, learn)
                    if not math.isfinite(loss):
                        at = (step - epoch * steps_per_epoch) * settings.batch_size
                        raise _not_finite(loss, step, [train[i].id for i in order[at : at + settings.batch_size]])
                    if average is not None:
                        average.update_parameters(bare)
                    state.after(step + 1, loss)
                    stopping = any(gather_objects(accelerator, stop.requested))
                    done = step + 1 - epoch * steps_per_epoch
                    if main:
                        progress.on_step(epoch + 1, done, steps_per_epoch, state.epoch_loss / done)
                    if (step + 1) % steps_per_epoch == 0:
                        speed = (done - first) * settings.batch_size / (time.perf_counter() - started)
                        scores: dict[str, float] = {}
                        judged.load_state_dict((average.module if average is not None else bare).state_dict())
                        if validation and _is_validated(epoch, settings):
                            scores = _validate(accelerator, judged, info, validation)
                            if state.judge(scores[task.chosen_by], task.chosen_by) and main:
                                about = {**scores, "epoch": epoch + 1, "clips": len(validation)}
                                _write(chosen, judged, info, {_judged_on(settings): about})
                        if step + 1 == total_steps and settings.selection == "last" and main:
                            _write(chosen, judged, info, {"training": {"epoch": epoch + 1}})
                        if log is not None:
                            report = EpochReport(
                                step + 1,
                                epoch + 1,
                                state.epoch_loss / steps_per_epoch,
                                rate,
                                speed,
                                _judged_on(settings),
                                scores,
                                task.chosen_by,
                                state.best,
                            )
                            log(report.to_log())
                            progress.on_epoch(report)
                        state.epoch_loss = 0.0
                    ends = (step + 1) % steps_per_epoch == 0
                    if main and (stopping or ends or (step + 1) % settings.checkpoint_every == 0):
                        keep_checkpoint(
                            run,
                            state.to_checkpoint(bare, average, optimiser, accelerator, facts),
                            settings.keep_checkpoints,
                        )
                    if stopping:
                        break
    accelerator.wait_for_everyone()
    early = state.exhausted(settings.patience) and state.step < total_steps
    return Outcome(chosen if chosen.is_file() else None, state.step, total_steps, early, stopping)


def _not_finite(value: float, step: int, ids: Sequence[str]) -> TrainingError:
    return TrainingError(
        f"the loss or a gradient became {value} in step {step + 1}; the last checkpoint is kept. Lower base_lr, or set "
        f"clip_grad_norm. Clips of the step: {', '.join(ids)}"
    )


def _raise_together(accelerator: Accelerator, faults: Sequence[str]) -> None:
    """Stop all processes where one of them has found something wrong; one that just ends leaves the others waiting."""
    told = [fault for each in gather_objects(accelerator, list(faults)) for fault in each]
    if told:
        raise TrainingError("; ".join(told))


def _is_validated(epoch: int, settings: FinetuneSettings) -> bool:
    return (epoch + 1) % settings.validate_every == 0 or epoch + 1 == settings.epochs


def _judged_on(settings: FinetuneSettings) -> str:
    """What the clips that choose the epoch are called."""
    return "test" if settings.selection == "test-best" else "validation"


def _validate(
    accelerator: Accelerator, model: Classifier, info: WeightInfo, validation: Sequence[Sample]
) -> dict[str, float]:
    """Scores on the validation clips, every process judging its share of them."""
    share = validation[accelerator.process_index :: accelerator.num_processes]
    own: Evaluation | None = None
    faults: list[str] = []
    if share:
        engine = TorchEngine(model, info, str(accelerator.device))
        try:
            own = evaluate(share, engine, modalities=(info.modality,))[info.modality]
            faults = [f"clip {clip}: {why}" for clip, why in own.failures]
        except HicmaeError as error:
            faults = [str(error)]
    _raise_together(accelerator, faults)
    parts = [part for part in gather_objects(accelerator, own) if part is not None]
    whole = replace(parts[0], samples=tuple(sample for part in parts for sample in part.samples))
    return dict(whole.metrics)


def _write(path: Path, model: Classifier, info: WeightInfo, metrics: dict[str, dict[str, float]]) -> None:
    path.with_suffix(".onnx").unlink(missing_ok=True)  # exported from an earlier epoch
    save_classifier(path, model, info.model_copy(update={"metrics": metrics}))
