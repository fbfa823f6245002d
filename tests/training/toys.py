"""A handful of tiny clips, a model to match, and a pre-training of them in a process of its own."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.clips.windows import Recording
from hicmae_cli.models import config
from hicmae_cli.training.machine import part_from_others
from hicmae_cli.training.pretrain import Outcome, Progress, pretrain
from hicmae_cli.training.pretrain_state import StepReport
from hicmae_cli.training.recipes import parse_overrides
from hicmae_cli.training.settings import PretrainSettings

SETTINGS = PretrainSettings(
    variant="nano", batch_size=2, num_workers=0, epochs=3, warmup_epochs=0.5, base_lr=0.2, contrast_weight=0.1,
    checkpoint_every=2, picture_every=0,
)  # fmt: skip


def shrink_nano() -> None:
    """Make the nano variant a toy, in this process."""
    config.VARIANTS["nano"] = config.ModelDims(width=32, heads=1, depth=2, fusion_depth=1)
    config.DECODERS["nano"] = config.DecoderDims(width=16, heads=1, skip_layers=(0, 1))


def write_recordings(folder: Path, count: int = 6) -> list[Recording]:
    """Moving stripes and tones that go with them, and in every patch the same slope."""
    slope = np.tile(np.arange(16) * 6.0, (160, 10))[..., None]
    time_s = np.arange(40960) / 16000
    for index in range(count):
        rng = np.random.default_rng(index)
        pitch = 1 + index % 4
        wave = np.sin(np.arange(160) / 160 * 2 * np.pi * pitch + rng.uniform(0, 6))
        frames = [
            80 + slope + 40 * np.roll(wave, 4 * t)[None, :, None] + rng.normal(0, 5, (160, 160, 3))
            for t in range(16)
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
    progress: Progress | None = None,
) -> Outcome:
    return pretrain(
        folder, recordings=recordings, dataset="toys", licence="MIT", front_end="none", source="a test",
        settings=settings, device="cpu", progress=progress,
    )  # fmt: skip


def main(folder: str, clips: str, *overrides: str) -> None:
    """``python -m tests.training.toys RUN CLIPS key=value…``, alone or under torchrun."""
    shrink_nano()
    settings = SETTINGS.model_copy(update=parse_overrides(overrides))

    def announce(report: StepReport) -> None:
        sys.stdout.write(f"{report.step}\n")
        sys.stdout.flush()

    run(Path(folder), recordings_in(Path(clips)), settings, Progress(on_step=announce))
    part_from_others()


if __name__ == "__main__":
    main(*sys.argv[1:])
