"""The picture of a fine-tuning run: its losses and scores over the epochs."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.report.plots import plot_finetuning
from hicmae_cli.training.finetuning.results import FinetuningOutcome
from hicmae_cli.training.runs import METRICS, read_metrics
from hicmae_cli.weights.reading import read_info

CURVES = "curves.png"


def draw_curves(folder: Path, outcome: FinetuningOutcome) -> None:
    """Draw the log of a run, if it has any lines, with a mark at the epoch whose weight was kept.

    Raises:
        OSError: the file cannot be written.
    """
    lines = read_metrics(folder / METRICS)
    if not lines:
        return
    scores = {} if outcome.weight is None else read_info(str(outcome.weight)).metrics
    judged_on = "test" if "test" in scores else "validation"
    kept = scores.get(judged_on, {}).get("epoch")
    plot_finetuning(lines, folder / CURVES, judged_on=judged_on, best=None if kept is None else int(kept))
