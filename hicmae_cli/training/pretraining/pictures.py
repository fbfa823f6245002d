"""The pictures in the folder of a pre-training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.models.reconstruction import reconstruct
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.report.plots import plot_curves, reconstruction_picture
from hicmae_cli.training.pretraining.data import read_example
from hicmae_cli.training.runs import METRICS, read_metrics

PICTURES = "pictures"
CURVES = "curves.png"


def draw_example(
    run: Path, step: int, model: PretrainingModel, recordings: Sequence[Recording], settings: PretrainSettings
) -> Path:
    """Draw one clip as the model rebuilds it after some steps; always the same clip with the same mask.

    Args:
        run: folder of the run.
        step: steps made so far.
        model: in evaluation mode.
        recordings: recordings of the run.
        settings: the recipe.

    Returns:
        The picture.

    Raises:
        TrainingError: no recording can be used.
        OSError: the file cannot be written.
    """
    clip = read_example(recordings, settings)
    made = reconstruct(
        model, clip.faces, clip.audio, clip.video_mask, clip.audio_mask, frame_difference=settings.frame_difference
    )
    path = run / PICTURES / f"step-{step:08d}.png"
    return reconstruction_picture(made, path, title=f"{clip.ids[0]}, step {step}")


def draw_curves(run: Path) -> None:
    """Draw the log of a run, if it has any lines.

    Raises:
        OSError: the file cannot be written.
    """
    if lines := read_metrics(run / METRICS):
        plot_curves(lines, run / CURVES)
