"""Pre-training from start to end (HiCMAE, sections 3.3 and 3.4); reads top to bottom.

Everything random follows from (seed, epoch, clip) or (seed, step, process). A checkpoint therefore needs no random
states, and a run that was killed goes on to the losses it would have had, to the last bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch import Tensor

from hicmae_cli.clips.recording import RandomWindow, Recording
from hicmae_cli.errors import SettingsError, TrainingError
from hicmae_cli.models.config import AUDIO_PATCH, AUDIO_TOKENS, VARIANTS, VIDEO_TOKENS
from hicmae_cli.models.inputs import normalise_patches
from hicmae_cli.models.masking import cut_faces, cut_patches, keep_patches
from hicmae_cli.models.objectives import contrastive_logits, contrastive_loss, embed_layers, reconstruction_loss
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.models.targets import audio_targets, video_targets
from hicmae_cli.training.machine import (
    StopRequest,
    batches_in,
    check_one_folder,
    hold_freed_memory,
    new_accelerator,
    of_all,
    restore,
)
from hicmae_cli.training.optimiser import decay_groups, rate_of, set_learning_rate, take_step
from hicmae_cli.training.order import batches_of, check_batch, epoch_order, step_seed
from hicmae_cli.training.pretraining.data import Batch, Fault, pretraining_loader, read_short, usable
from hicmae_cli.training.pretraining.state import (
    SKIPPED,
    RunState,
    StepReport,
    describe_weight,
    write_skipped,
    write_weights,
)
from hicmae_cli.training.runs import METRICS, fingerprint, keep_checkpoint, metrics_log, open_run
from hicmae_cli.training.settings import OF_THE_MACHINE, PretrainSettings
from hicmae_cli.training.whitening import freeze_patches, whiten_patches
from hicmae_cli.weights.checkpoint import load_state
from hicmae_cli.weights.run_folder import BEST, LAST


@dataclass
class Progress:
    """What a caller may watch.

    Attributes:
        on_start: called with the first step to come, counted from 0, and the number of all steps.
        on_step: after each step, in the main process.
        on_epoch: after each epoch, with its number and mean loss, in the main process.
        on_picture: every ``picture_every`` steps, with the step and the model in evaluation mode, in the main process.
        warn: with a line about something that was passed over.
    """

    on_start: Callable[[int, int], None] = lambda *_: None
    on_step: Callable[[StepReport], None] = lambda _: None
    on_epoch: Callable[[int, float], None] = lambda *_: None
    on_picture: Callable[[int, PretrainingModel], None] = lambda *_: None
    warn: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        weight: the last epoch's weight; None when no epoch was finished.
        step: steps that were made.
        total_steps: steps of the whole run.
        skipped: recordings that could not be used, and why.
    """

    weight: Path | None
    step: int
    total_steps: int
    skipped: dict[str, str]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.step == self.total_steps


def pretrain(
    run: Path,
    *,
    recordings: Sequence[Recording],
    dataset: str,
    licence: str,
    front_end: str,
    source: str,
    settings: PretrainSettings,
    device: str = "auto",
    progress: Progress | None = None,
) -> Outcome:
    """Pre-train on unlabelled recordings, in one process or as one of several.

    Args:
        run: folder of the run; one that holds a checkpoint is resumed.
        recordings: talking faces; those that are broken are skipped and listed.
        dataset: name written into the weight.
        licence: what the weight may be used under.
        front_end: how the faces were cut.
        source: what made the weight, for its metadata.
        settings: the whole recipe.
        device: ``auto``, ``cpu`` or what accelerate finds.
        progress: hooks for a display.

    Returns:
        How it ended: finished, or stopped by Ctrl-C after a checkpoint was written.

    Raises:
        ManifestError: fewer recordings than a step takes.
        SettingsError: the folder holds another run, or the batch cannot be dealt to the processes.
        TrainingError: a loss that is not finite, a corpus that is broken altogether, a disk that is full.
    """
    progress = progress or Progress()
    accelerator = new_accelerator(settings.mixed_precision, device)
    check_batch(settings, accelerator.num_processes, len(recordings))
    _check_contrast(settings, accelerator.num_processes)
    hold_freed_memory()
    use_wide_products()
    torch.manual_seed(settings.seed)
    bare = PretrainingModel(
        VARIANTS[settings.variant],
        settings.decoder,
        settings.drop_path,
        skips=settings.skip_connections,
        contrast_layers=settings.contrasted,
        recompute=settings.gradient_checkpointing,
    )
    if settings.freeze_patches:
        freeze_patches(bare.video_encoder, bare.audio_encoder)
    info = describe_weight(settings, dataset, licence, front_end, source)
    optimiser = torch.optim.AdamW(
        decay_groups(bare, weight_decay=settings.weight_decay), lr=0.0, betas=settings.betas, fused=True
    )
    facts = {
        **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
        "dataset": dataset,
        "clips": fingerprint(recording.id for recording in recordings),
        # Local negatives and drop path depend on how a step is dealt out.
        "processes": accelerator.num_processes,
    }
    steps_per_epoch = len(recordings) // settings.batch_size
    total_steps = settings.epochs * steps_per_epoch
    main = accelerator.is_main_process
    checkpoint = open_run(
        run,
        facts,
        defaults=PretrainSettings().model_dump(mode="json"),
        results=(LAST, BEST),
        logs=(METRICS, SKIPPED),
        main=main,
        warn=progress.warn,
    )
    state = RunState(checkpoint)
    check_one_folder(accelerator, run, state.step)
    if checkpoint is not None:
        load_state(bare, checkpoint["model"], run)
    # Read before the loader's processes are forked, which share what is there.
    cache = read_short(recordings) if settings.cache_clips and state.step < total_steps else {}
    if settings.fit_start_clips and state.step == 0:
        _fit_start(bare, recordings, settings, cache)
    model, optimiser = accelerator.prepare(torch.compile(bare) if settings.compile else bare, optimiser)
    if checkpoint is not None:
        restore(accelerator, optimiser, checkpoint)
        del checkpoint  # loaded: no second copy is kept

    progress.on_start(state.step, total_steps)
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        log = stack.enter_context(metrics_log(run, state.step)) if main else None
        stopping = False
        while state.step < total_steps and not stopping:
            epoch, first = divmod(state.step, steps_per_epoch)
            order = epoch_order(len(recordings), settings.seed, epoch)
            mine = batches_of(order, settings, accelerator.num_processes, accelerator.process_index, first)
            with batches_in(pretraining_loader(recordings, settings, epoch, mine, cache)) as batches:
                for step in range(state.step, (epoch + 1) * steps_per_epoch):
                    started = time.perf_counter()
                    rounds = [usable(next(batches)).to(accelerator.device) for _ in range(settings.accumulation)]
                    rate = rate_of(settings, step, steps_per_epoch)
                    set_learning_rate(optimiser, rate)
                    torch.manual_seed(step_seed(settings.seed, step, accelerator.process_index))  # drop path
                    losses, norm = train_step(accelerator, model, optimiser, rounds, settings, step)
                    faults = [fault for batch in rounds for fault in batch.faults]
                    stopping, faults = _agree(accelerator, stop.requested, faults)
                    state.after(step + 1, losses[0], faults)
                    speed = settings.batch_size / (time.perf_counter() - started)
                    ends = (step + 1) % steps_per_epoch == 0
                    mean = state.end_epoch() if ends else math.nan
                    if log is not None:
                        report = StepReport(step + 1, epoch + 1, *losses, rate, norm, speed)
                        log(asdict(report))
                        progress.on_step(report)
                        if settings.picture_every and (step + 1) % settings.picture_every == 0:
                            bare.eval()
                            progress.on_picture(step + 1, bare)
                        if ends:
                            write_weights(run, bare, info, epoch + 1, mean, best=mean == state.best_loss)
                            progress.on_epoch(epoch + 1, mean)
                        if stopping or ends or (step + 1) % settings.checkpoint_every == 0:
                            keep_checkpoint(
                                run, state.to_checkpoint(bare, optimiser, accelerator, facts), settings.keep_checkpoints
                            )
                            write_skipped(run, state.skipped)
                    if stopping:
                        break
    weight = run / LAST if (run / LAST).exists() else None
    return Outcome(weight, state.step, total_steps, dict(state.skipped))


def _fit_start(
    model: PretrainingModel,
    recordings: Sequence[Recording],
    settings: PretrainSettings,
    cache: Mapping[int, RandomWindow],
) -> None:
    """Whiten the patches of a fresh model over the first clips; every process does the same (``training/start.py``)."""
    order = epoch_order(len(recordings), settings.seed, 0)[: settings.fit_start_clips]
    batches = [order[i : i + settings.batch_size] for i in range(0, len(order), settings.batch_size)]
    video, audio = [], []
    with batches_in(pretraining_loader(recordings, settings, 0, batches, cache)) as read:
        for batch in map(usable, read):
            faces = cut_faces(batch.faces)
            video.append(normalise_patches(keep_patches(faces, batch.video_mask[0])))
            audio.append(keep_patches(cut_patches(batch.audio, AUDIO_PATCH), batch.audio_mask[0]))
    generator = torch.Generator().manual_seed(settings.seed)
    whiten_patches(model.video_encoder, torch.cat(video), generator)
    whiten_patches(model.audio_encoder, torch.cat(audio), generator)


def train_step(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    rounds: Sequence[Batch],
    settings: PretrainSettings,
    step: int,
) -> tuple[tuple[float, float, float, float], float]:
    """One optimiser step over some rounds -> (loss, video, audio, contrastive), all processes' means; gradient norm."""
    model.train()
    sums = torch.zeros(4, device=accelerator.device)
    for index, batch in enumerate(rounds):
        last = index + 1 == len(rounds)
        with nullcontext() if last else accelerator.no_sync(model):
            video, audio, contrast = _losses(accelerator, model, batch, settings)
            # With gathered negatives every process sees the whole contrast, but moves only its own clips in it: the
            # average over processes would be too small by their number.
            share = accelerator.num_processes if settings.negatives == "all" else 1
            accelerator.backward((video + audio + settings.contrast_weight * share * contrast) / len(rounds))
        total = video + audio + settings.contrast_weight * contrast
        sums += torch.stack((total, video, audio, contrast)).detach() / len(rounds)
    values = (accelerator.reduce(sums, "mean") if accelerator.num_processes > 1 else sums).tolist()
    if not all(map(math.isfinite, values)):
        raise _not_finite("loss", values[0], step, rounds, accelerator)
    norm, made = take_step(accelerator, model, optimiser, settings.clip_grad_norm)
    if not made:
        raise _not_finite("gradient", norm, step, rounds, accelerator)
    return (values[0], values[1], values[2], values[3]), norm


def _losses(
    accelerator: Accelerator, model: torch.nn.Module, batch: Batch, settings: PretrainSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """Reconstruction losses of video and audio, and the contrast, of one forward pass; not yet weighted."""
    faces = cut_faces(batch.faces)  # (B, 800, P) uint8
    mels = cut_patches(batch.audio, AUDIO_PATCH)  # (B, 128, P)
    (video_visible, video_masked), (audio_visible, audio_masked) = batch.video_mask, batch.audio_mask
    rebuilt = math.ceil(settings.rebuilt_share * len(faces))
    with accelerator.autocast():
        outputs = model(
            normalise_patches(keep_patches(faces, video_visible)),
            keep_patches(mels, audio_visible),
            batch.video_mask,
            batch.audio_mask,
            rebuilt,
        )
    pixels = keep_patches(faces[:rebuilt], video_masked[:rebuilt])
    video = reconstruction_loss(outputs.video, video_targets(pixels, frame_difference=settings.frame_difference))
    audio = reconstruction_loss(outputs.audio, audio_targets(keep_patches(mels[:rebuilt], audio_masked[:rebuilt])))
    if not settings.contrasted:
        return video, audio, video.new_zeros(())
    seen = embed_layers(outputs.video_layers, settings.contrast_segments, video_visible, VIDEO_TOKENS)
    heard = embed_layers(outputs.audio_layers, settings.contrast_segments, audio_visible, AUDIO_TOKENS)
    if settings.negatives == "all" and accelerator.num_processes > 1:
        seen, heard = (_gathered(own, accelerator.process_index) for own in (seen, heard))
    logits = contrastive_logits(seen, heard, settings.temperature, centred=settings.contrast_centred)
    return video, audio, contrastive_loss(logits)


def _gathered(own: Tensor, process: int) -> Tensor:
    """Embeddings (L, B, D) of all processes -> (L, processes * B, D); gradients flow to the own ones."""
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own.detach().contiguous())
    parts[process] = own
    return torch.cat(parts, dim=1)


def _agree(accelerator: Accelerator, stop: bool, faults: list[Fault]) -> tuple[bool, list[Fault]]:
    """What every process must know after a step: whether one was told to stop, and what was skipped anywhere."""
    heard = of_all(accelerator, (stop, faults))
    return any(each[0] for each in heard), [fault for each in heard for fault in each[1]]


def _not_finite(what: str, value: float, step: int, rounds: Sequence[Batch], accelerator: Accelerator) -> TrainingError:
    ids = ", ".join(id_ for batch in rounds for id_ in batch.ids)
    where = f" of process {accelerator.process_index}" if accelerator.num_processes > 1 else ""
    return TrainingError(
        f"the {what} became {value} in step {step + 1}; earlier checkpoints, if any, are kept. Lower base_lr, or set "
        f"clip_grad_norm. Clips of the step{where}: {ids}"
    )


def _check_contrast(settings: PretrainSettings, processes: int) -> None:
    at_once = settings.batch_size // (processes * settings.accumulation)
    if settings.contrasted and at_once * (processes if settings.negatives == "all" else 1) < 2:
        raise SettingsError(
            'one clip at a time has nothing to be told apart from: raise batch_size, set negatives = "all" or '
            "contrast_weight = 0"
        )
