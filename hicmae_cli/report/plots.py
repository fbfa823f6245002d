"""Plots: curves of a training, and clips that a pre-trained model has rebuilt."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError, one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.metric_names import format_metric
from hicmae_cli.model_input import WINDOW_S
from hicmae_cli.report.figures import INK, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Triple = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Original, masked, rebuilt."""


class Pictured(Protocol):
    """Pictures of rebuilt clips: ``models.reconstruction.Reconstruction``, without importing torch here."""

    @property
    def faces(self) -> Triple:
        """(B, T, H, W, 3) uint8 each."""

    @property
    def log_mels(self) -> Triple:
        """(B, time, mel) float each; NaN is drawn as grey."""


_POSITIONS = ("step", "epoch", "elapsed_s")  # not drawn: where a line belongs
_TITLES = {
    "grad_norm": "gradient norm",
    "clips_per_s": "clips/s",
    "peak_memory_mb": "peak memory in MB",
    "peak_gpu_mb": "peak GPU memory in MB",
}
_EXACT = {"learning_rate"}  # without noise around a trend
_COLUMNS = 4
_RAW, _SMOOTH = "#9ecae1", "#08519c"
_SMOOTHED_SHARE = 0.02  # of all steps: wide enough for a trend, narrow enough for the warm-up
_MOST_POINTS = 4000  # more than a panel has pixels; Agg gives up on much longer lines of noise
_LOG_FROM = 100.0  # times the smallest value: above this, a few peaks would hide the rest
_SMALL = 0.01  # values below get a power of ten
# Colour (from dark to light), dash and mark of the lines of a panel.
_STROKES = (("#08306b", "-", "o"), ("#d95f0e", "--", "s"), ("#41ab5d", ":", "^"), ("#999999", "-.", "D"))
_FEW_MARKS = 40  # points of a line; more would hide it
_SCORES = ("uar", "war", "weighted_f1", "ccc", "pcc", "mae")
_SCORES_OF_SETS = ("macro_f1", "exact_match", "map")
_SHOWN_FACES = 8
_FACE_GAP_PX = 6
_TITLE_LETTERS = 140
_ROWS = ("original", "masked", "rebuilt")


@readable_text()
def plot_curves(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the curves of a training, as a PNG that appears whole: one panel for every number of the log.

    Args:
        lines: lines of ``metrics.jsonl``: ``step``, perhaps ``epoch``, and the numbers to draw. Of two lines for one
            step, before and after an interruption, the later one counts.
        path: file to write.

    Raises:
        HicmaeError: there are no lines.
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    by_step = {line["step"]: line for line in lines}
    if not by_step:
        raise HicmaeError(f"{path}: cannot be drawn: the log has no steps yet")
    ordered = [by_step[step] for step in sorted(by_step)]
    steps = np.array([line["step"] for line in ordered], np.float64)
    panels = list_panels(ordered)
    columns = {key: _column(ordered, key) for key, _ in panels}
    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    figure = Figure(figsize=(15, 0.6 + 3.1 * rows), layout="constrained")
    epochs = f"epochs {ordered[0]['epoch']} to {ordered[-1]['epoch']}" if "epoch" in ordered[-1] else ""
    figure.suptitle(
        f"steps {ordered[0]['step']} to {ordered[-1]['step']}" + (f" · {epochs}" if epochs else ""),
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    for index, (key, title) in enumerate(panels):
        axes = figure.add_subplot(rows, _COLUMNS, index + 1)
        _curve(axes, steps, columns[key], noisy=key not in _EXACT)
        _dress(axes, title, columns[key], legend=index == 0)
        if index + _COLUMNS >= len(panels):  # no panel below
            axes.set_xlabel("step", fontsize=9, color=INK)
    save_figure(figure, path, dpi=110)


@readable_text()
def plot_finetuning(lines: Sequence[Mapping[str, Any]], path: Path, *, judged_on: str, best: int | None) -> None:
    """Draw the curves of a fine-tuning over its epochs: losses, scores, learning rate and gradient norm.

    Lines differ in dash and in lightness, so that they can be told apart in grey print.

    Args:
        lines: lines of ``metrics.jsonl``, one per epoch.
        path: file to write; it appears whole.
        judged_on: the clips that choose the epoch, as in the names of the numbers: ``validation`` or ``test``.
        best: the epoch whose weight was kept; None draws no mark.

    Raises:
        HicmaeError: there are no lines.
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not lines:
        raise HicmaeError(f"{path}: cannot be drawn: the log has no epochs yet")
    epochs = np.array([line["epoch"] for line in lines], np.float64)
    names = _SCORES_OF_SETS if any(f"{judged_on}.exact_match" in line for line in lines) else _SCORES
    scores = {f"{judged_on}.{name}": format_metric(name) for name in names}
    panels: list[tuple[str, dict[str, str]]] = [
        ("loss", {"loss": "training", f"{judged_on}.loss": judged_on}),
        (f"{judged_on} scores", scores),
        ("learning rate", {"learning_rate": ""}),
        ("gradient norm", {"grad_norm": ""}),
    ]
    # A run without validation has no scores to draw.
    columns = [(title, {label: _column(lines, key) for key, label in keys.items()}) for title, keys in panels]
    shown = [
        (title, drawn)
        for title, found in columns
        if (drawn := {label: values for label, values in found.items() if np.isfinite(values).any()})
    ]
    figure = Figure(figsize=(3.75 * max(1, len(shown)), 3.7), layout="constrained")
    for index, (title, drawn) in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), index + 1)
        for (label, values), (colour, dash, mark) in zip(drawn.items(), _STROKES, strict=False):
            known = np.isfinite(values)  # an epoch without validation leaves no gap
            few = mark if known.sum() < _FEW_MARKS else ""
            axes.plot(epochs[known], values[known], color=colour, linestyle=dash, marker=few, markersize=4, label=label)
        _dress(axes, title, np.concatenate([*drawn.values()]), legend=len(drawn) > 1)
        axes.set_xlabel("epoch", fontsize=9, color=INK)
        if best is not None and title in ("loss", f"{judged_on} scores"):
            axes.axvline(best, color="#bbbbbb", linewidth=1, zorder=0)
            axes.annotate("kept", (best, 1), xycoords=("data", "axes fraction"), fontsize=8, color=INK, ha="center")
    save_figure(figure, path, dpi=110)


def list_panels(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """List the numbers of a log that are worth a panel, as keys and titles, in their order in the log.

    Numbers that are nowhere finite are skipped, and so are losses that are always 0: the recipe does not use them.
    """
    keys = dict.fromkeys(key for line in lines for key in line if key not in _POSITIONS)
    panels = []
    for key in keys:
        values = _column(lines, key)
        if np.isfinite(values).any() and not (key.endswith("_loss") and not values.any()):
            panels.append((key, _TITLES.get(key, key.replace("_", " "))))
    return panels


def smooth(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Average the finite values within a window around each; at the ends the window is shorter.

    Args:
        values: (n,), NaN for a missing value.
        width: of the window, in values.

    Returns:
        (n,), NaN where a window has no value.
    """
    finite = np.isfinite(values)
    sums, counts = (np.concatenate(([0.0], np.cumsum(part))) for part in (np.where(finite, values, 0), finite))
    at = np.arange(len(values))
    first, last = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, len(values))
    held = counts[last] - counts[first]
    means: NDArray[np.float64] = np.divide(
        sums[last] - sums[first], held, out=np.full(len(values), np.nan), where=held > 0
    )
    return means


@readable_text()
def reconstruction_picture(
    pictures: Pictured, path: Path, *, title: str, start_s: float = 0.0, end_s: float = WINDOW_S, clip: int = 0
) -> Path:
    """Draw a clip, its masked version and its reconstruction, as a PNG that appears whole.

    Args:
        pictures: pictures of some clips; 8 of the frames are drawn, at their times.
        path: file to write.
        title: line above the picture.
        start_s: start of the clip.
        end_s: end of the clip.
        clip: index of the clip.

    Returns:
        ``path``.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    faces = [shown[clip] for shown in pictures.faces]
    log_mels = [shown[clip] for shown in pictures.log_mels]
    figure = Figure(figsize=(11, 9), layout="constrained")
    # Matplotlib's own wrapping would parse a file's name between two dollars as mathematics.
    lines = textwrap.fill(one_line(title), _TITLE_LETTERS)
    figure.suptitle(lines, x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    all_axes = figure.subplots(6, 1, sharex=True, gridspec_kw={"hspace": 0.04})
    for axes, name, strip in zip(all_axes[:3], _ROWS, faces, strict=True):
        axes.imshow(_film(strip), extent=(start_s, end_s, 0, 1), aspect="auto", interpolation="antialiased")
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_ylabel(f"faces\n{name}", fontsize=9, color=INK)
    # One scale for all rows, that of the original, so that a prediction that is far off looks so.
    low, high = np.percentile(log_mels[0], (0.5, 99.5))
    colours = colormaps["magma"].with_extremes(bad="#bbbbbb")
    for axes, name, mel in zip(all_axes[3:], _ROWS, log_mels, strict=True):
        axes.imshow(
            mel.T,
            origin="lower",
            extent=(start_s, end_s, 0, mel.shape[1]),
            aspect="auto",
            cmap=colours,
            vmin=low,
            vmax=max(high, low + 1e-6),
            interpolation="nearest",
        )
        axes.set_ylabel(f"mel band\n{name}", fontsize=9, color=INK)
        axes.set_yticks(range(0, mel.shape[1] + 1, mel.shape[1] // 2))
        axes.tick_params(labelsize=8, colors=INK)
    all_axes[-1].set_xlabel("time in seconds", fontsize=9, color=INK)
    save_figure(figure, path, dpi=130)
    return path


def _film(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Join eight frames of (T, H, W, 3), evenly spaced from the first, side by side with white gaps."""
    count = min(_SHOWN_FACES, len(frames))
    picked = frames[np.arange(count) * len(frames) // count]
    half = _FACE_GAP_PX // 2
    framed = np.pad(picked, ((0, 0), (0, 0), (half, half), (0, 0)), constant_values=255)
    return np.concatenate(list(framed), axis=1)


def _column(lines: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """Collect one number per line (n,); NaN where a line has none."""
    return np.array([math.nan if line.get(key) is None else line[key] for line in lines], np.float64)


def _curve(axes: Axes, steps: NDArray[np.float64], values: NDArray[np.float64], *, noisy: bool) -> None:
    thin = slice(None, None, math.ceil(len(steps) / _MOST_POINTS))
    width = int(len(steps) * _SMOOTHED_SHARE)
    if noisy and width > 1:
        axes.plot(steps[thin], values[thin], color=_RAW, linewidth=0.6, label="each step")
        trend = smooth(values, width)
        axes.plot(steps[thin], trend[thin], color=_SMOOTH, linewidth=1.6, label=f"mean of {width} steps")
    else:
        mark = "o" if len(steps) < 3 else ""  # a single point is invisible without a mark
        axes.plot(steps[thin], values[thin], color=_SMOOTH, linewidth=1.6, marker=mark)


def _dress(axes: Axes, title: str, values: NDArray[np.float64], *, legend: bool) -> None:
    """Style the axes of a curve with little ink."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    finite = values[np.isfinite(values)]
    if finite.min() > 0 and finite.max() > _LOG_FROM * finite.min():
        axes.set_yscale("log")
    elif np.abs(finite).max() < _SMALL:
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.1e}" if y else "0")
    axes.tick_params(which="both", labelsize=8, colors=INK)
    if legend and axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
