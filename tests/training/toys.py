"""A few tiny clips, recipes of a tiny model, and training in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.recipes.recipe import parse_overrides
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.training.finetuning.loop import finetune_clips
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.results import FinetuningOutcome
from hicmae_cli.training.finetuning.task import Task
from hicmae_cli.training.machine import leave_process_group
from hicmae_cli.training.pretraining.loop import pretrain_recordings
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.results import PretrainingOutcome

SETTINGS = PretrainSettings(
    variant="nano",
    encoder_width=32,
    encoder_heads=1,
    encoder_depth=2,
    fusion_depth=1,
    decoder_width=16,
    decoder_heads=1,
    skip_layers=(0, 1),
    batch_size=2,
    num_workers=0,
    epochs=3,
    warmup_epochs=0.5,
    base_lr=0.2,
    contrast_weight=0.1,
    checkpoint_every=2,
    picture_every=0,
)
ROOT = Path(__file__).parent.parent.parent
LABELS = ("happiness", "sadness")
TASK = Task(LABELS, dataset="toys", licence="MIT", front_end="none", source="a test")
FINETUNE_SETTINGS = FinetuneSettings(
    variant="nano",
    encoder_width=32,
    encoder_heads=1,
    encoder_depth=2,
    fusion_depth=1,
    sampling_rate=1,
    batch_size=4,
    num_workers=0,
    epochs=3,
    warmup_epochs=0,
    base_lr=0.1,
    layer_decay=1.0,
    drop_path=0.1,
    drop_video_tokens=0.9,
    drop_audio_tokens=0.5,
    mixup=0,
    cutmix=0,
    rand_augment="",
    crop_area=(0.9, 1.0),
    erase=0.0,
    drop_stream=0.2,
    audio_gain=False,
)


def write_recordings(folder: Path, count: int = 6) -> list[Recording]:
    """Write clips of moving stripes with matching tones, and the same slope in every patch."""
    slope = np.tile(np.arange(16) * 6.0, (160, 10))[..., None]
    time_s = np.arange(40960) / 16000
    for index in range(count):
        rng = np.random.default_rng(index)
        pitch = 1 + index % 4
        wave = np.sin(np.arange(160) / 160 * 2 * np.pi * pitch + rng.uniform(0, 6))
        frames = [
            80 + slope + 40 * np.roll(wave, 4 * t)[None, :, None] + rng.normal(0, 5, (160, 160, 3)) for t in range(16)
        ]
        sound = 0.3 * np.sin(2 * np.pi * 200 * pitch * time_s) + rng.normal(0, 0.01, 40960)
        faces = [frame.clip(0, 255).astype(np.uint8) for frame in frames]
        write_prepared_clip(folder / f"{index:02d}.mkv", faces, Fraction(25, 4), sound.astype(np.float32))
    return recordings_in(folder)


def recordings_in(folder: Path) -> list[Recording]:
    return [Recording(path.stem, path, None) for path in sorted(folder.glob("*.mkv"))]


def run(
    folder: Path,
    recordings: list[Recording],
    settings: PretrainSettings = SETTINGS,
    progress: PretrainingProgress | None = None,
    device: str = "cpu",
    *,
    extends: bool = False,
) -> PretrainingOutcome:
    return pretrain_recordings(
        folder,
        recordings=recordings,
        dataset="toys",
        licence="MIT",
        front_end="none",
        source="a test",
        settings=settings,
        extends=extends,
        device=device,
        progress=progress,
    )


def write_samples(folder: Path) -> list[Sample]:
    """Write clips of eight people: bright faces with a high tone are happy, dark ones with a low tone sad."""
    for index in range(12):
        rng = np.random.default_rng(index)
        level, pitch_hz = (190, 900) if index % 2 == 0 else (60, 150)
        faces = rng.integers(level - 40, level + 40, (16, 160, 160, 3)).astype(np.uint8)
        sound = (0.2 * np.sin(2 * np.pi * pitch_hz * np.arange(40960) / 16000)).astype(np.float32)
        write_prepared_clip(folder / f"{index:02d}.mkv", list(faces), 25, sound)
    return samples_in(folder)


def samples_in(folder: Path) -> list[Sample]:
    found = []
    for index, path in enumerate(sorted(folder.glob("[01][0-9].mkv"))):
        split = "validation" if index >= 8 else "train"
        speaker = f"{split}-{index % 4}"
        cues = {"aux_face_level": "" if index % 3 == 1 else str(index % 2), "aux_voice_pitch_hz": str(100 + index)}
        found.append(Sample(path.stem, path, path, LABELS[index % 2], split=split, speaker=speaker, extra=cues))
    return found


def tune(
    folder: Path,
    samples: list[Sample],
    settings: FinetuneSettings = FINETUNE_SETTINGS,
    task: Task = TASK,
    **more: object,
) -> FinetuningOutcome:
    given: dict[str, object] = {
        "train": [s for s in samples if s.split == "train"],
        "validation": [s for s in samples if s.split == "validation"],
    }
    return finetune_clips(
        folder,
        task,
        settings=settings,
        device="cpu",
        **{**given, **more},  # type: ignore[arg-type]
    )


def tuned(
    folder: Path,
    samples: list[Sample],
    settings: FinetuneSettings = FINETUNE_SETTINGS,
    task: Task = TASK,
    **more: object,
) -> Path:
    """Train to the end -> the weight."""
    weight = tune(folder, samples, settings, task, **more).weight
    assert weight is not None
    return weight


USE = ("clips_per_s", "elapsed_s", "peak_memory_mb", "peak_gpu_mb")


class KilledError(Exception):
    """Ends a training run in a test."""


def numbers(folder: Path) -> list[dict[str, Any]]:
    """Read the lines of a run's metrics, without its speed and memory."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in USE} for line in lines]


def start(kind: str, folder: Path, clips: Path, *more: str) -> subprocess.Popen[str]:
    """Start a training run in a process group of its own; it prints its steps."""
    command = [sys.executable, "-m", "tests.training.toys", kind, str(folder), str(clips), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def follow(process: subprocess.Popen[str], until: int) -> None:
    """Wait until a step is done."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == until:
            return


def together(kind: str, folder: Path, clips: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a training in two processes to its end."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "tests.training.toys",
        kind,
        str(folder),
        str(clips),
        *more,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def main(kind: str, folder: str, clips: str, *overrides: str) -> None:
    """``python -m tests.training.toys pretrain|finetune RUN CLIPS key=value…``, alone or under torchrun."""
    changes = parse_overrides(overrides)

    def announce(step: int) -> None:
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()

    if kind == "pretrain":
        progress = PretrainingProgress(on_step=lambda report: announce(report.step))
        run(Path(folder), recordings_in(Path(clips)), SETTINGS.model_copy(update=changes), progress)
    else:
        hooks = FinetuningProgress(on_step=lambda epoch, step, steps, _: announce((epoch - 1) * steps + step))
        settings = FINETUNE_SETTINGS.model_copy(update=changes)
        tune(Path(folder), samples_in(Path(clips)), settings, progress=hooks)
    leave_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
