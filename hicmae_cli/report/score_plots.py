"""Plots of scores: confusion matrix, reliability, true against predicted values, and robustness.

The colours survive a grey print: those of areas differ in lightness, and those of lines also in marker and dashes.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError, one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.metric_names import TITLES
from hicmae_cli.report.figures import INK, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_LETTERS = 24  # longer names leave no room for the matrix
_ROOMY_CLASSES = 16  # with more, numbers no longer fit into the cells
_DARK_SHARE = 0.55
_DARK, _LIGHT, _GREY = "#08519c", "#9ecae1", "#888888"
_LINES = (("o", "-", "#08306b"), ("s", "--", "#d95f0e"), ("^", ":", "#74a9cf"))  # marker, dashes, colour
_PANEL_INCHES = 3.4
_MOST_COLUMNS = 3
_CLEAN = "clean"


@readable_text()
def plot_confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], path: Path, *, title: str) -> None:
    """Draw a confusion matrix as a file that appears whole: per cent of each true class, with counts below.

    Args:
        counts: (C, C), one row per true class, one column per predicted class; a row without clips is grey.
        labels: names of the C classes.
        path: file to write: .png, or .svg or .pdf for print.
        title: lines above the picture.

    Raises:
        SettingsError: another suffix.
        HicmaeError: there are no classes.
        OSError: the file cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    table = np.array(counts, np.float64)
    size = len(labels)
    if not size or table.shape != (size, size):
        raise HicmaeError(f"{path}: cannot be drawn: got {size} labels and counts of shape {table.shape}")
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.full_like(table, np.nan), where=totals > 0)
    side = max(4.2, (0.62 if size <= _ROOMY_CLASSES else 0.26) * size + 2.0)
    figure = Figure(figsize=(side + 1.0, side + 0.6), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)  # type: ignore[union-attr,call-arg]  # inches
    lines = "\n".join(textwrap.fill(one_line(line), max(40, int(side * 13))) for line in title.splitlines())
    figure.suptitle(lines, x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    axes = figure.subplots()
    colours = colormaps["Blues"].with_extremes(bad="#dddddd")
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    names = [_shorten(one_line(label)) for label in labels]
    axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    rows = [f"{name} ({int(total)})" for name, total in zip(names, totals[:, 0], strict=True)]
    axes.set_yticks(range(size), rows, parse_math=False)
    axes.set_xlabel("predicted", fontsize=9, color=INK)
    axes.set_ylabel("true (clips)", fontsize=9, color=INK)
    axes.tick_params(length=0, labelsize=9 if size <= _ROOMY_CLASSES else 6, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(1, size) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, size) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    if size <= _ROOMY_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            if table[row, column]:
                ink = "white" if share > _DARK_SHARE else INK
                text = f"{share:.0%}\n{int(table[row, column])}"
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, format=lambda share, _: f"{share:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=INK)
    bar.set_label("of the true class", fontsize=9, color=INK)
    save_figure(figure, path, dpi=130)


def _shorten(name: str) -> str:
    return name if len(name) <= _LABEL_LETTERS else f"{name[: _LABEL_LETTERS - 1]}…"


@readable_text()
def plot_reliability(calibration: Mapping[str, Any], path: Path, *, title: str) -> None:
    """Draw accuracy against confidence, and the clips in each bin below, before and after calibration.

    Args:
        calibration: as in the document of an evaluation.
        path: file to write: .png, or .svg or .pdf for print.
        title: lines above the picture.

    Raises:
        SettingsError: another suffix.
        OSError: the file cannot be written.
    """
    panels = [("as predicted", calibration["bins"], calibration["before"])]
    if "temperature" in calibration:
        temperature = calibration["temperature"]
        words = f"temperature {temperature:.2f}" if isinstance(temperature, float) else "a temperature per fold"
        panels.append((words, calibration["calibrated_bins"], calibration["after"]))
    figure = _make_figure(title, len(panels) * 3.9, 4.6)
    all_axes = figure.subplots(
        2, len(panels), squeeze=False, sharex=True, gridspec_kw={"height_ratios": (4, 1), "hspace": 0.03}
    )
    for place, (words, bins, scores) in enumerate(panels):
        axes, below = all_axes[0, place], all_axes[1, place]
        left = [one["lower"] for one in bins]
        width = bins[0]["upper"] - bins[0]["lower"]
        # Bars up to the accuracy, and a point at the mean confidence of the bin.
        bar_style: dict[str, Any] = {"width": width, "align": "edge", "edgecolor": "white", "linewidth": 0.8}
        axes.bar(left, [one["accuracy"] for one in bins], color=_LIGHT, label="accuracy", **bar_style)
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", label="perfect calibration")
        points = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
        axes.plot(*points, color=_DARK, marker="o", markersize=4, linewidth=0, label="mean confidence of the bin")
        axes.set_ylim(0, 1.02)
        _dress(axes, f"{words}: ECE {scores['ece']:.3f}, NLL {scores['nll']:.3f}", "", "accuracy" if not place else "")
        total = sum(one["clips"] for one in bins)
        bars = below.bar(left, [one["clips"] / total for one in bins], color=_DARK, **bar_style)
        below.bar_label(bars, [str(one["clips"]) for one in bins], fontsize=6, color=INK, padding=1)
        below.margins(y=0.3)
        _dress(below, "", f"confidence, {round(1 / width)} bins of equal width", "clips" if not place else "")
        below.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        below.set_xlim(0, 1)
    # A bar of a few clips may be anywhere, so no place inside is free.
    handles, names = all_axes[0, 0].get_legend_handles_labels()
    columns = 1 + len(panels)
    figure.legend(handles, names, frameon=False, fontsize=8, labelcolor=INK, loc="outside lower left", ncols=columns)
    save_figure(figure, path, dpi=130)


@readable_text()
def plot_scatter(
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    targets: Sequence[str],
    metrics: Mapping[str, float],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw predicted against true values, one panel for each target, with the line where they are equal.

    Args:
        truth: true values (n, T).
        predicted: predicted values (n, T).
        targets: names of the T targets.
        metrics: has ``ccc_<target>`` of each.
        path: file to write: .png, or .svg or .pdf for print.
        title: lines above the picture.

    Raises:
        SettingsError: another suffix.
        OSError: the file cannot be written.
    """
    figure, panels = _make_panels(title, len(targets))
    for axes, number, target in zip(panels, range(len(targets)), targets, strict=True):
        x, y = truth[:, number], predicted[:, number]
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        margin = 0.05 * (high - low) or 0.5
        bounds = (low - margin, high + margin)
        axes.plot(bounds, bounds, color=_GREY, linewidth=1, linestyle="--")
        # Vector files with thousands of points are slow to open.
        axes.plot(x, y, "o", color=_DARK, markersize=3.5, alpha=0.5, markeredgewidth=0, rasterized=len(x) > 2000)
        axes.set_xlim(bounds)
        axes.set_ylim(bounds)
        axes.set_aspect("equal")
        own = f"{_shorten(one_line(target))}: CCC {metrics[f'ccc_{target}']:.3f}"
        _dress(axes, own, "true", "predicted" if number % _MOST_COLUMNS == 0 else "")
    save_figure(figure, path, dpi=130)


@readable_text()
def plot_robustness(curves: Sequence[Mapping[str, Any]], metric: str, path: Path, *, title: str) -> None:
    """Draw a metric against the level of each degradation, with its interval, and the clean score at the start.

    Args:
        curves: ``robustness`` of the document of an evaluation.
        metric: the metric.
        path: file to write: .png, or .svg or .pdf for print.
        title: lines above the picture.

    Raises:
        SettingsError: another suffix.
        OSError: the file cannot be written.
    """
    names = list(dict.fromkeys(curve["degradation"] for curve in curves))
    modalities = list(dict.fromkeys(curve["modality"] for curve in curves))
    figure, panels = _make_panels(title, len(names))
    for number, (axes, name) in enumerate(zip(panels, names, strict=True)):
        own = [curve for curve in curves if curve["degradation"] == name]
        for curve in own:
            marker, dashes, colour = _LINES[modalities.index(curve["modality"]) % len(_LINES)]
            places = np.arange(len(curve["levels"]))
            scores = [level["metrics"][metric] for level in curve["levels"]]
            bounds = np.array([level["intervals"]["bounds"][metric] for level in curve["levels"]])
            axes.fill_between(places, bounds[:, 0], bounds[:, 1], color=colour, alpha=0.15, linewidth=0)
            style: dict[str, Any] = {"marker": marker, "linestyle": dashes, "color": colour}
            axes.plot(places, scores, label=curve["modality"], linewidth=1.6, markersize=5, **style)
        levels = [_CLEAN if level["level"] is None else f"{level['level']:g}" for level in own[0]["levels"]]
        axes.set_xticks(range(len(levels)), levels)
        axes.set_ylim(None if metric == "ccc" else -0.02, 1.02)
        unit = "" if own[0]["unit"] == "share" else f" ({own[0]['unit']})"
        _dress(axes, f"{name}{unit}", own[0]["meaning"], TITLES[metric] if number % _MOST_COLUMNS == 0 else "")
        axes.xaxis.label.set_fontsize(8)
        if len(modalities) > 1:
            axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left")
    save_figure(figure, path, dpi=130)


def _make_figure(title: str, width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(4.6, width), height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # type: ignore[union-attr,call-arg]  # inches
    lines = "\n".join(textwrap.fill(one_line(line), max(50, int(width * 13))) for line in title.splitlines())
    figure.suptitle(lines, x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    return figure


def _make_panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    columns, rows = min(count, _MOST_COLUMNS), math.ceil(count / _MOST_COLUMNS)
    figure = _make_figure(title, _PANEL_INCHES * columns, _PANEL_INCHES * rows + 0.4)
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    """Style axes with little ink."""
    axes.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
