"""Fine-tuning from start to end (HiCMAE, section 3.5 and 4.2); reads top to bottom.

Everything random follows from (seed, epoch, clip), and the checkpoint is written between epochs, so a run that
was killed goes on to the same weights it would have reached.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor

from hicmae_cli.clips import PreparedClip, read_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError, ManifestError, SettingsError, TrainingError
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.files import sha256_of
from hicmae_cli.models.classifier import Classifier, use_last_layer
from hicmae_cli.models.config import AUDIO_GRID, PATCH_PX, VARIANTS, VIDEO_GRID
from hicmae_cli.models.masking import cut_patches, keep_patches, spread_tokens
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.training.data import to_video, training_loader, unbroken
from hicmae_cli.training.machine import new_accelerator
from hicmae_cli.training.optimiser import cosine_schedule, parameter_groups, set_learning_rate
from hicmae_cli.training.runs import begin_run, check_same_run, fingerprint, read_checkpoint, save_checkpoint
from hicmae_cli.training.settings import OF_THE_MACHINE, FinetuneSettings
from hicmae_cli.training.start import Look, fit_start, freeze_patches
from hicmae_cli.training.transfer import Transfer, take_over
from hicmae_cli.weights.checkpoint import load_state, save_classifier
from hicmae_cli.weights.info import WeightInfo

CHECKPOINT = "checkpoint.pt"
BEST = "best.safetensors"
LOG = "log.jsonl"


@dataclass(frozen=True)
class EpochReport:
    """One line of the log."""

    epoch: int
    loss: float
    learning_rate: float
    clips_per_s: float
    validation_uar: float | None
    validation_war: float | None
    best_uar: float


@dataclass
class Progress:
    """What a caller may watch.

    Attributes:
        on_start: called with what was taken from ``init``.
        on_step: after each step, with (epoch, step, steps, loss).
        on_epoch: after each epoch.
    """

    on_start: Callable[[Transfer], None] = lambda _: None
    on_step: Callable[[int, int, int, float], None] = lambda *_: None
    on_epoch: Callable[[EpochReport], None] = lambda _: None


def finetune(
    run: Path,
    *,
    train: Sequence[Sample],
    validation: Sequence[Sample],
    labels: Sequence[str],
    dataset: str,
    licence: str,
    front_end: str,
    source: str,
    settings: FinetuneSettings,
    init: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Train a classifier and keep the epoch with the best UAR on the validation split.

    Args:
        run: folder of the run; one that holds a checkpoint is resumed.
        train: clips to learn from.
        validation: clips of other people, which only choose the epoch.
        labels: canonical names, in the order of the outputs.
        dataset: name written into the weight.
        licence: what the weight may be used under.
        front_end: how the faces of the clips were cut.
        source: what made the weight, for its metadata.
        settings: the whole recipe.
        init: a weight (safetensors) to start from, a classifier or a pre-trained one; see ``take_over``.
        device: ``auto``, ``cpu`` or what accelerate finds.
        progress: hooks for a display.

    Returns:
        Path of the best weight.

    Raises:
        ManifestError: no clips, people shared by the splits, or labels the model does not know.
        SettingsError: the folder holds a run of other settings, labels, clips or start.
    """
    _check_splits(train, validation, labels)
    progress = progress or Progress()
    accelerator = new_accelerator(settings.mixed_precision, device)
    if accelerator.num_processes > 1:
        raise SettingsError("fine-tuning runs on one device for now; start it without `accelerate launch`")
    set_seed(settings.seed)
    dims = VARIANTS[settings.variant]
    bare = Classifier(dims, len(labels), settings.drop_path)
    transfer = None
    if init is not None:
        transfer = take_over(bare, init, labels)
        progress.on_start(transfer)
    if not settings.layer_fusion:
        use_last_layer(bare)
    info = WeightInfo(
        variant=settings.variant, dims=dims.to_dict(), labels=tuple(labels), dataset=dataset,
        sampling_rate=settings.sampling_rate, front_end=front_end, licence=licence, source=source,
    )  # fmt: skip
    if settings.freeze_patches:
        freeze_patches(bare.video_encoder, bare.audio_encoder)
    groups = parameter_groups(
        bare, dims, layer_decay=settings.layer_decay, weight_decay=settings.weight_decay
    )
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=settings.betas)
    facts = {
        **settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE)),
        "labels": list(labels),
        "dataset": dataset,
        "init": sha256_of(init) if init else None,
        "clips": _fingerprint(train, validation),
    }
    first_epoch, best_uar = _resume(run, bare, optimiser, facts)

    # Read before the loader's processes are forked, which share what is there.
    cache = [read_prepared_clip(s.video, s.audio) for s in train] if settings.cache_clips else None

    if first_epoch < settings.epochs:
        _check_readable(validation)
    # A classifier's features are scaled already; those of encoders that were pre-trained are not.
    unscaled = transfer is None or "feature_norm.weight" in transfer.fresh
    if settings.fit_start_clips and unscaled and first_epoch == 0:
        _fit_start(bare, train, labels, settings, cache, pretrained=transfer is not None)
    model, optimiser = accelerator.prepare(bare, optimiser)

    for epoch in range(first_epoch, settings.epochs):
        set_seed((settings.seed * 100_003 + epoch) % 2**32)  # drop path and token dropping
        loss, rate, speed = _train_epoch(
            accelerator, model, optimiser, train, labels, settings, epoch, progress, cache
        )
        uar = war = None
        last = epoch + 1 == settings.epochs
        if accelerator.is_main_process and (last or (epoch + 1) % settings.validate_every == 0):
            engine = TorchEngine(accelerator.unwrap_model(model), info, str(accelerator.device))
            evaluation = evaluate(validation, engine)["av"]
            if evaluation.failures:
                raise TrainingError("; ".join(f"clip {clip}: {why}" for clip, why in evaluation.failures))
            metrics = evaluation.metrics
            uar, war = metrics["uar"], metrics["war"]
            if uar > best_uar:
                best_uar = uar
                scores = {"validation": {**metrics, "epoch": epoch + 1, "clips": len(validation)}}
                unwrapped = accelerator.unwrap_model(model)
                (run / BEST).with_suffix(".onnx").unlink(missing_ok=True)  # exported from an earlier epoch
                save_classifier(run / BEST, unwrapped, info.model_copy(update={"metrics": scores}))
        if accelerator.is_main_process:
            _save(run, accelerator.unwrap_model(model), optimiser, facts, epoch + 1, best_uar)
            report = EpochReport(epoch + 1, loss, rate, speed, uar, war, best_uar)
            with (run / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(report.__dict__) + "\n")
            progress.on_epoch(report)
        accelerator.wait_for_everyone()
    return run / BEST


def _train_epoch(
    accelerator: Accelerator,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    train: Sequence[Sample],
    labels: Sequence[str],
    settings: FinetuneSettings,
    epoch: int,
    progress: Progress,
    cache: Sequence[PreparedClip] | None,
) -> tuple[float, float, float]:
    """One pass over the training clips -> mean loss, last learning rate, clips per second."""
    model.train()
    loader = accelerator.prepare(training_loader(train, labels, settings, epoch, cache))
    steps = len(loader)
    total, rate, clips = 0.0, 0.0, 0
    started = time.perf_counter()
    for step, batch in enumerate(loader):
        faces, seen, audio, target = unbroken(batch)
        rate = cosine_schedule(
            epoch * steps + step, base_lr=settings.peak_lr, min_lr=settings.final_lr,
            total_steps=settings.epochs * steps, warmup_steps=round(settings.warmup_epochs * steps),
        )  # fmt: skip
        set_learning_rate(optimiser, rate)
        keep_video = _kept_tokens(faces, VIDEO_GRID, settings.drop_video_tokens)
        keep_audio = _kept_tokens(audio, AUDIO_GRID, settings.drop_audio_tokens)
        video = to_video(faces, seen, keep_video)
        if keep_audio is not None:
            audio = keep_patches(cut_patches(audio, (PATCH_PX, PATCH_PX)), keep_audio)
        with accelerator.autocast():
            logits = model(video, audio, keep_video, keep_audio)
        loss = F.cross_entropy(logits.float(), target, label_smoothing=settings.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss.item()} in epoch {epoch + 1}: lower base_lr or clip gradients"
            )
        accelerator.backward(loss)
        if settings.clip_grad_norm:
            accelerator.clip_grad_norm_(model.parameters(), settings.clip_grad_norm)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        total += loss.item()
        clips += len(faces) * accelerator.num_processes
        progress.on_step(epoch + 1, step + 1, steps, total / (step + 1))
    return total / steps, rate, clips / (time.perf_counter() - started)


def _kept_tokens(inputs: Tensor, grid: tuple[int, ...], dropped: float) -> Tensor | None:
    """Random tokens to look at in a step (B, K), or None for all of them; see ``spread_tokens``.

    Leaving a share of the tokens out (PatchDropout, Liu et al. 2022) buys many more clips for the same time.
    """
    count = math.ceil(math.prod(grid) * (1 - dropped))
    if count >= math.prod(grid):
        return None
    return spread_tokens(len(inputs), grid, count, inputs.device)


def _fit_start(
    model: Classifier,
    train: Sequence[Sample],
    labels: Sequence[str],
    settings: FinetuneSettings,
    cache: Sequence[PreparedClip] | None,
    *,
    pretrained: bool,
) -> None:
    """Fit a fresh model to the first batches; every process of a distributed run does the same."""
    loader = training_loader(train, labels, settings, 0, cache)
    looks = []
    for batch in islice(loader, math.ceil(settings.fit_start_clips / settings.batch_size)):
        faces, seen, audio, _ = unbroken(batch)
        keep_video = spread_tokens(len(faces), VIDEO_GRID, math.prod(VIDEO_GRID[1:]), faces.device)
        keep_audio = spread_tokens(len(faces), AUDIO_GRID, math.prod(AUDIO_GRID) // 2, faces.device)
        patches = keep_patches(cut_patches(audio, (PATCH_PX, PATCH_PX)), keep_audio)
        looks.append(Look(to_video(faces, seen, keep_video), patches, keep_video, keep_audio))
    fit_start(model, looks, torch.Generator().manual_seed(settings.seed), pretrained=pretrained)


def _check_splits(train: Sequence[Sample], validation: Sequence[Sample], labels: Sequence[str]) -> None:
    for name, split in (("training", train), ("validation", validation)):
        if not split:
            raise ManifestError(
                f"no {name} clips: give the manifest a split column with train and validation"
            )
    unknown = {sample.label for sample in (*train, *validation)} - set(labels)
    if unknown:
        raise ManifestError(f"labels {', '.join(sorted(unknown))} are not among {', '.join(labels)}")
    shared = {s.speaker for s in train if s.speaker} & {s.speaker for s in validation if s.speaker}
    if shared:
        raise ManifestError(
            f"{len(shared)} people are in both the training and the validation split, e.g. {min(shared)}; "
            "scores on people seen in training say little"
        )


def _check_readable(validation: Sequence[Sample]) -> None:
    """Read the validation clips once, so that a broken one is named now and not after the first epoch."""
    faults = [fault for sample in validation if (fault := _fault(sample))]
    if faults:
        raise TrainingError("; ".join(faults))


def _fault(sample: Sample) -> str | None:
    try:
        read_prepared_clip(sample.video, sample.audio)
    except HicmaeError as error:
        return f"clip {sample.id}: {error}"
    return None


def _fingerprint(*splits: Sequence[Sample]) -> str:
    """Short hash of which clips are learned from, whatever folder they lie in."""
    return fingerprint(f"{s.id},{s.label},{s.split},{s.speaker}" for split in splits for s in split)


def _resume(
    run: Path, model: Classifier, optimiser: torch.optim.Optimizer, facts: dict[str, Any]
) -> tuple[int, float]:
    """Load the run's checkpoint, if there is one -> (first epoch to train, best validation UAR so far)."""
    path, defaults = run / CHECKPOINT, FinetuneSettings().model_dump(mode="json")
    if not path.exists():
        begin_run(run, facts, defaults, stale=(LOG,))
        return 0, -1.0
    checkpoint = read_checkpoint(path)
    check_same_run(run, checkpoint["facts"], facts, defaults)
    if checkpoint["best_uar"] >= 0 and not (run / BEST).is_file():
        raise TrainingError(f"{run / BEST}: is gone; choose another --output or remove the folder")
    load_state(model, checkpoint["model"], path)
    optimiser.load_state_dict(checkpoint["optimiser"])
    return int(checkpoint["epoch"]), float(checkpoint["best_uar"])


def _save(
    run: Path,
    model: Classifier,
    optimiser: torch.optim.Optimizer,
    facts: dict[str, Any],
    epoch: int,
    best_uar: float,
) -> None:
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "facts": json.dumps(facts),
        "epoch": epoch,
        "best_uar": best_uar,
    }
    save_checkpoint(run / CHECKPOINT, state)
