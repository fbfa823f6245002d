"""Draw the charts of a study as pictures."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

import numpy as np

from hicmae_cli.errors import one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.report.figures import INK, save_figure
from hicmae_cli.studies.result import Chart

# Colour, mark and dashes of each series, which grey print keeps apart.
_STROKES: Final = (
    ("#08306b", "o", "-"),
    ("#d95f0e", "s", "--"),
    ("#41ab5d", "^", ":"),
    ("#7a3e9d", "D", "-."),
    ("#c48300", "v", "-"),
    ("#2797cd", "P", "--"),
)
_LETTERS: Final = 96  # that fit side by side below the x axis
_MANY: Final = 6  # names on the x axis; more are written on the y axis


@readable_text()
def draw_chart(chart: Chart, path: Path) -> None:
    """Draw a chart as a file that appears whole: points with intervals, and lines between them if x is a number.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    named = bool(chart.x) and isinstance(chart.x[0], str)
    letters = _LETTERS // max(1, len(chart.x))
    sideways = named and (len(chart.x) > _MANY or any(len(str(name)) > letters for name in chart.x))
    places = np.arange(len(chart.x), dtype=np.float64) if named else np.array(chart.x, np.float64)
    height = max(2.6, 0.9 + 0.34 * len(chart.x)) if sideways else 4.2
    figure = Figure(figsize=(8.4, height), layout="constrained")
    figure.suptitle(textwrap.fill(one_line(chart.title), 96), x=0.01, ha="left", fontsize=10, color=INK)
    axes = figure.subplots()
    width = 0.12 if named else 0.0
    for index, series in enumerate(chart.series):
        colour, mark, dashes = _STROKES[index % len(_STROKES)]
        at = places + width * (index - (len(chart.series) - 1) / 2)
        y = np.array(series.y, np.float64)
        bounds = None
        if series.low:
            bounds = np.abs(np.stack([y - np.array(series.low), np.array(series.high) - y]))
        style = {"color": colour, "marker": mark, "markersize": 5, "capsize": 3, "linewidth": 1.2}
        if sideways:
            axes.errorbar(y, at, xerr=bounds, linestyle="", label=one_line(series.name), **style)  # type: ignore[arg-type]
        else:
            line = dashes if len(chart.series) > 1 or not named else ""
            axes.errorbar(at, y, yerr=bounds, linestyle=line, label=one_line(series.name), **style)  # type: ignore[arg-type]
    names = [textwrap.fill(one_line(str(name)), letters if not sideways else 60) for name in chart.x]
    if sideways:
        axes.set_yticks(places, names, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlabel(chart.y_title, fontsize=9, color=INK)
        axes.set_ylabel(chart.x_title, fontsize=9, color=INK)
    else:
        if named:
            axes.set_xticks(places, names, parse_math=False)
        axes.set_xlabel(chart.x_title, fontsize=9, color=INK)
        axes.set_ylabel(chart.y_title, fontsize=9, color=INK)
    if chart.zero:
        (axes.axvline if sideways else axes.axhline)(0, color="#999999", linewidth=1)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    if len(chart.series) > 1:
        axes.legend(fontsize=8, frameon=False)
    save_figure(figure, path, dpi=120)
