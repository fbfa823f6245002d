"""Make a fine-tuning run ready: devices, model, optimiser, folder and checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hicmae_cli.clips import PreparedClip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import SettingsError, TrainingError
from hicmae_cli.files import compute_sha256
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture, find_variant
from hicmae_cli.models.layers import mimic_trained_attention
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.recipes.settings import OF_THE_MACHINE, FinetuneSettings
from hicmae_cli.training.extension import CHANGED, EXTENDED_FROM, extend_facts
from hicmae_cli.training.finetuning.adaptation import add_low_rank_updates, freeze_parts
from hicmae_cli.training.finetuning.auxiliary import AuxiliaryHead, AuxiliaryLearner, Cues, read_cues
from hicmae_cli.training.finetuning.draws import EpochSampler
from hicmae_cli.training.finetuning.parts import (
    fingerprint_clips,
    fingerprint_corpora,
    measure_step_s,
    read_calibration,
)
from hicmae_cli.training.finetuning.state import FinetuningState
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.finetuning.task_loss import TaskLoss, build_task_loss
from hicmae_cli.training.finetuning.transfer import Transfer, load_compatible
from hicmae_cli.training.finetuning.validation import ValidationReader
from hicmae_cli.training.loop import Schedule, raise_together
from hicmae_cli.training.machine import check_one_folder, hold_freed_memory, new_accelerator, restore, seeded
from hicmae_cli.training.optimiser import parameter_groups
from hicmae_cli.training.order import check_batch
from hicmae_cli.training.runs import METRICS, TESTED, open_run
from hicmae_cli.training.whitening import fit_start
from hicmae_cli.weights.checkpoint import load_state
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.run_folder import BEST, LAST


@dataclass
class FinetuningRun:
    """Everything a run works with.

    Attributes:
        folder: of the run.
        task: what the model learns.
        settings: the recipe.
        train: clips to train on.
        sampler: draws which of them an epoch takes.
        validation: clips to choose the epoch on.
        reader: reads this process's share of them.
        cache: the training clips as read before, or None.
        accelerator: the devices.
        task_loss: what to minimise.
        cues: auxiliary targets of the training clips, or None.
        auxiliary: the head that learns them, which is dropped after training; or None.
        bare: the classifier without the auxiliary head and the accelerator's wrappers.
        model: what learns, with both, as the accelerator prepared it.
        optimiser: as the accelerator prepared it.
        average: moving average of the weights, or None.
        judged: a plain model to validate and save, which gets the weights of the other after each epoch: without the
            wrappers of mixed precision, and with LoRA's updates added to the weights.
        generator: on the device, for the draws of a step.
        info: metadata of the weight.
        facts: what decides the run's numbers, for its folder.
        state: what a checkpoint counts.
        stopped: whether a signal asked for an end.
    """

    folder: Path
    task: Task
    settings: FinetuneSettings
    train: Sequence[Sample]
    sampler: EpochSampler
    validation: Sequence[Sample]
    reader: ValidationReader
    cache: Sequence[PreparedClip] | None
    accelerator: Accelerator
    task_loss: TaskLoss
    cues: Cues | None
    auxiliary: AuxiliaryHead | None
    bare: Classifier
    model: torch.nn.Module
    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    judged: Classifier
    generator: torch.Generator
    info: WeightInfo
    facts: Mapping[str, Any]
    state: FinetuningState
    stopped: bool = False

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return bool(self.accelerator.is_main_process)

    @property
    def schedule(self) -> Schedule:
        """Steps and epochs of the run."""
        return Schedule.plan(self.settings, self.sampler.size)

    @property
    def stops_early(self) -> bool:
        """Whether early stopping ends the run before its last step."""
        return self.state.exhausts(self.settings.patience) and self.state.step < self.schedule.total_steps

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.state.step >= self.schedule.total_steps or self.state.exhausts(self.settings.patience)

    @property
    def at_epoch_end(self) -> bool:
        """Whether the last step was the last of its epoch."""
        return self.schedule.ends_epoch(self.state.step - 1)

    @property
    def chosen(self) -> Path:
        """Where the weight of the chosen epoch is."""
        return self.folder / (LAST if self.settings.selection == "last" else BEST)

    @property
    def judged_on(self) -> str:
        """Name of the clips that choose the epoch."""
        return "test" if self.settings.selection == "test-best" else "validation"

    def to_checkpoint(self) -> dict[str, Any]:
        """Return all that a resumed run needs."""
        scaler = self.accelerator.scaler
        return {
            "model": self.bare.state_dict(),
            **({} if self.auxiliary is None else {"auxiliary": self.auxiliary.state_dict()}),
            "average": None if self.average is None else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "facts": json.dumps(self.facts),
            **self.state.to_dict(),
        }


def set_up(
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
    on_init: Callable[[Transfer], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> FinetuningRun:
    """Build a run, or resume the one that the folder holds; arguments and errors as for ``finetune_clips``."""
    accelerator = new_accelerator(settings.mixed_precision, device)
    # What "auto" means here, so that the run's facts say it.
    settings = settings.model_copy(update={"mixed_precision": accelerator.mixed_precision})
    _check_task(settings, task)
    cues = read_cues(train, settings.auxiliary_weight)
    sampler = EpochSampler.plan(train, settings)
    check_batch(settings, accelerator.num_processes, sampler.size)
    task_loss = build_task_loss(
        task,
        [sample.target for sample in train],
        loss=settings.loss,
        weighting=settings.class_weights,
        draws=sampler.mean_draws().tolist(),
    )
    hold_freed_memory()
    use_wide_products()
    bare, transfer = _build_model(task, settings, init)
    if transfer is not None and accelerator.is_main_process:
        on_init(transfer)
    if transfer is None and settings.frozen in ("streams", "encoders") and accelerator.is_main_process:
        warn("the frozen encoders keep random values; start from a pre-trained weight")
    head = None if cues is None else AuxiliaryHead(cues, bare.head.in_features, settings.seed)
    learner = bare if head is None else AuxiliaryLearner(bare, head)
    optimiser = _build_optimiser(learner, settings)
    facts = _collect_facts(task, settings, init, (train, validation), accelerator.num_processes)
    if extends:
        facts = extend_facts(folder, facts, Schedule.plan(settings, sampler.size).steps_per_epoch)
    checkpoint = _open_folder(folder, facts, extends=extends, main=accelerator.is_main_process, warn=warn)
    state = FinetuningState(checkpoint)
    check_one_folder(accelerator, folder, state.step)
    run = FinetuningRun(
        folder=folder,
        task=task,
        settings=settings,
        train=train,
        sampler=sampler,
        validation=validation,
        reader=ValidationReader(validation, settings, accelerator),
        cache=None,
        accelerator=accelerator,
        task_loss=task_loss.to(accelerator.device),
        cues=cues,
        auxiliary=head,
        bare=bare,
        model=learner,
        optimiser=optimiser,
        average=None,
        judged=bare,
        generator=torch.Generator(accelerator.device),
        info=_make_weight_info(task, settings, fold, facts, train),
        facts=facts,
        state=state,
    )
    _check_weight_is_there(run)
    _load_clips(run)
    _load_weights(run, checkpoint, transfer)
    return run


def _check_task(settings: FinetuneSettings, task: Task) -> None:
    """Check that the task has what the keys for several corpora need: labels to compare or to average."""
    if task.is_regression:
        off = {"balance": "none", "pair_streams": 0, "teacher_weight": 0}
        wrong = next((key for key, value in off.items() if getattr(settings, key) != value), None)
        if wrong is not None:
            raise SettingsError(f"{wrong}: needs labels, but a regression has numbers; use {wrong}={off[wrong]}")
    if task.kind == "multilabel" and settings.teacher_weight:
        raise SettingsError("teacher_weight: needs one label for each clip, but these are sets; use teacher_weight=0")


def _build_model(task: Task, settings: FinetuneSettings, init: Path | None) -> tuple[Classifier, Transfer | None]:
    """A fresh model, with what a weight to start from gives to it."""
    architecture = Architecture(
        settings.dims,
        outputs=len(task.labels),
        layer_fusion=settings.layer_fusion,
        one_token=settings.modality != "av",
        video_tokens=settings.video_tokens,
    )
    with seeded(settings.seed, torch.device("cpu")):
        model = build_classifier(architecture, drop_path=settings.drop_path, recompute=settings.gradient_checkpointing)
        if settings.attention_start == "mimetic":
            for block in (*model.video_encoder.blocks, *model.audio_encoder.blocks):
                mimic_trained_attention(block.attention)
    transfer = None if init is None else load_compatible(model, init, task.labels)
    freeze_parts(model, settings.frozen)
    if settings.lora_rank:
        add_low_rank_updates(model, settings.lora_rank, settings.seed)
    model.withhold(settings.modality)
    model.skips_absent = settings.skip_absent_streams
    return model, transfer


def _build_optimiser(model: Classifier | AuxiliaryLearner, settings: FinetuneSettings) -> torch.optim.Optimizer:
    groups = parameter_groups(
        model, model.list_depths(), layer_decay=settings.layer_decay, weight_decay=settings.weight_decay
    )
    return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas, fused=True)


def _make_weight_info(
    task: Task, settings: FinetuneSettings, fold: str | None, facts: Mapping[str, Any], train: Sequence[Sample]
) -> WeightInfo:
    return WeightInfo(
        variant=find_variant(settings.dims),
        dims=settings.dims.to_dict(),
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
        protocol=task.protocol,
        split_seed=settings.split_seed,
        label_share=settings.label_share,
        extended_from=tuple(facts.get(EXTENDED_FROM, ())),
        layer_fusion=settings.layer_fusion,
        withheld="zeros" if settings.modality == "av" else "mean token",
        video_tokens=settings.video_tokens,
        run=task.run,
        seen=task.seen,
        sampling=settings.sampling,
        frame_step_s=measure_step_s(train, settings.frame_stride),
    )


def _collect_facts(
    task: Task, settings: FinetuneSettings, init: Path | None, splits: Sequence[Sequence[Sample]], processes: int
) -> dict[str, Any]:
    """What decides the numbers of a run: a folder is resumed by the same facts only."""
    return {
        **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
        "labels": list(task.labels),
        "dataset": task.dataset,
        "metric": task.chosen_by,
        "init": compute_sha256(init) if init else None,
        "clips": fingerprint_clips(*splits),
        **fingerprint_corpora(splits[0], settings),
        # Stochastic depth depends on how a step is split over processes.
        "processes": processes,
        # Earlier versions trained the encoder of the withheld stream on zeros, and fused all of its tokens.
        **({} if settings.modality == "av" else {"withheld_encoder": "frozen, mean token"}),
    }


def _open_folder(
    folder: Path, facts: Mapping[str, Any], *, extends: bool, main: bool, warn: Callable[[str], None]
) -> dict[str, Any] | None:
    """The newest checkpoint of the folder, or None in a fresh one."""
    # Earlier versions drew the validation people by `seed`.
    earlier = {"split_seed": facts["seed"], EXTENDED_FROM: []}
    return open_run(
        folder,
        facts,
        defaults={**FinetuneSettings().model_dump(mode="json"), **earlier},
        results=(BEST, LAST),
        logs=(METRICS, TESTED),
        main=main,
        warn=warn,
        may_change=CHANGED if extends else (),
    )


def _check_weight_is_there(run: FinetuningRun) -> None:
    """Check that the weight of an epoch that was chosen before is still in the folder."""
    if (run.state.best is not None or run.finished) and not run.chosen.is_file():
        raise TrainingError(f"{run.chosen}: is missing; choose another `output`, or remove the folder")


def _load_clips(run: FinetuningRun) -> None:
    """Read the training clips into the cache if asked, and check that all validation clips can be read.

    The loader's processes are forked later, and share what is in memory then.
    """
    if run.finished:
        return
    settings, accelerator = run.settings, run.accelerator
    if settings.cache_clips:
        clips = (read_prepared_clip(sample.video, sample.audio) for sample in run.train)
        # One picture is decoded in a millisecond; a hundred thousand of them would fill the memory.
        run.cache = [clip if clip.is_still else clip.decode_all(exact=False) for clip in clips]
    raise_together(accelerator, run.reader.check())


def _load_weights(run: FinetuningRun, checkpoint: dict[str, Any] | None, transfer: Transfer | None) -> None:
    """Give the model its weights, from the checkpoint if there is one, and wrap it for the devices."""
    settings, bare = run.settings, run.bare
    if checkpoint is not None:
        load_state(bare, checkpoint["model"], run.folder)
        if run.auxiliary is not None:
            load_state(run.auxiliary, checkpoint["auxiliary"], run.folder)
    elif settings.fit_start_clips:
        _fit_start(run, transfer)
    if settings.ema_decay is not None:
        run.average = AveragedModel(bare, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay))  # type: ignore[no-untyped-call]
        if checkpoint is not None:
            run.average.load_state_dict(checkpoint["average"])
        run.average.to(run.accelerator.device)
    with seeded(settings.seed, torch.device("cpu")):
        run.judged = build_classifier(run.info.architecture)
    model = torch.compile(run.model) if settings.compile else run.model
    run.model, run.optimiser = run.accelerator.prepare(model, run.optimiser)
    if checkpoint is not None:
        restore(run.accelerator, run.optimiser, checkpoint)


def _fit_start(run: FinetuningRun, transfer: Transfer | None) -> None:
    """Fit a fresh model to some clips, except one that starts from a classifier: its features are scaled already."""
    if transfer is not None and "feature_norm.weight" not in transfer.fresh:
        return
    generator = torch.Generator().manual_seed(run.settings.seed)
    found = read_calibration(run.train, run.task, run.settings, run.cache, generator)
    # Features of the whole network: stochastic depth is for steps.
    fit_start(run.bare.eval(), found, generator, pretrained=transfer is not None)
