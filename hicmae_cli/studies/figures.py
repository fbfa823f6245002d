"""Draw the charts of a study as pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.report.figures import INK, save_figure
from hicmae_cli.studies.result import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colour, mark and dashes of each series, which grey print keeps apart; after these they come again with hollow marks.
# page.js and page.css have the same.
_STROKES: Final = (
    ("#08306b", "o", "-"),
    ("#c14f06", "s", "--"),
    ("#2c7d41", "^", ":"),
    ("#7a3e9d", "D", "-."),
    ("#8f6000", "v", "-"),
    ("#146f9c", "P", "--"),
)
_WIDTH: Final = 8.4  # inches
_LETTERS: Final = 96  # that fit side by side below the x axis
_SIDE_LETTERS: Final = 46  # that fit beside the y axis
_MANY: Final = 6  # names on the x axis; more are written on the y axis
_MOST_TICKS: Final = 12  # numbers on the x axis; more get round ticks
_REFERENCE_LETTERS: Final = 14
_GREY: Final = "#777777"


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
    names = [textwrap.fill(one_line(str(name)), _SIDE_LETTERS if sideways else letters) for name in chart.x]
    rows = [max(0.3, 0.12 * len(chart.series) + 0.12, 0.14 * name.count("\n") + 0.28) for name in names]
    height = max(2.4, 0.9 + len(rows) * max(rows)) if sideways else 4.2
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    title = textwrap.fill(one_line(chart.title), _LETTERS)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    axes = figure.subplots()
    places = np.arange(len(chart.x), dtype=np.float64) if named else np.array(chart.x, np.float64)
    _draw_series(axes, chart, places, sideways=sideways)
    _dress(axes, chart, places, names, sideways=sideways)
    if chart.reference is not None:
        _draw_reference(axes, *chart.reference, sideways=sideways)
    if len(chart.series) > 1:
        legend = figure.legend(fontsize=8, frameon=False, loc="outside lower left", ncols=3)
        for text in legend.get_texts():
            text.set_parse_math(False)
    save_figure(figure, path, dpi=120)


def _draw_series(axes: Axes, chart: Chart, places: NDArray[np.float64], *, sideways: bool) -> None:
    """Draw points, intervals and lines; points of several series at the same place stand a little apart."""
    named = isinstance(chart.x[0], str) if chart.x else False
    steps = np.diff(np.unique(places))
    most, whole = (0.12, 0.8) if named else (0.06, 0.3)
    gap = min(most, whole / max(1, len(chart.series))) * (steps.min() if len(steps) else 1.0)
    for index, series in enumerate(chart.series):
        colour, mark, dashes = _STROKES[index % len(_STROKES)]
        at = places + gap * (index - (len(chart.series) - 1) / 2)
        y = np.array(series.y, np.float64)
        bounds = np.abs(np.stack([y - np.array(series.low), np.array(series.high) - y])) if series.low else None
        style: dict[str, Any] = {
            "color": colour,
            "marker": mark,
            "markerfacecolor": colour if index < len(_STROKES) else "white",
            "linestyle": "" if named else dashes,
            "label": one_line(series.name),
        }
        style |= {"markersize": 5, "capsize": 3, "linewidth": 1.2, "zorder": 3}
        if sideways:
            axes.errorbar(y, at, xerr=bounds, **style)
        else:
            axes.errorbar(at, y, yerr=bounds, **style)


def _dress(axes: Axes, chart: Chart, places: NDArray[np.float64], names: Sequence[str], *, sideways: bool) -> None:
    """Name the axes and the places, and draw the lines behind the points."""
    along, values = (axes.yaxis, axes.xaxis) if sideways else (axes.xaxis, axes.yaxis)
    for axis, title in ((along, chart.x_title), (values, chart.y_title)):
        axis.set_label_text(one_line(title), fontsize=9, color=INK, parse_math=False)
    if chart.x and isinstance(chart.x[0], str):
        along.set_ticks(places, names, parse_math=False)
        ends = (-0.5, len(names) - 0.5)
        if sideways:
            axes.set_ylim(*ends[::-1])
        else:
            axes.set_xlim(*ends)
    elif len(places) <= _MOST_TICKS:
        along.set_ticks(places, _label_numbers(places))
    if chart.zero:
        (axes.axvline if sideways else axes.axhline)(0, color=_GREY, linewidth=1)
    values.grid(color="#e8e8e8", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _label_numbers(places: NDArray[np.float64]) -> list[str]:
    """Write the numbers of an axis, without those that would stand on the one before."""
    near = 0.04 * np.ptp(places)
    shown: list[float] = []
    for place in places:
        if all(abs(place - other) > near for other in shown):
            shown.append(place)
    return [f"{place:g}" if place in shown else "" for place in places]


def _draw_reference(axes: Axes, value: float, name: str, *, sideways: bool) -> None:
    """Draw a dashed line, and write its name at its end, outside of the axes."""
    style: dict[str, Any] = {"fontsize": 8, "color": INK, "parse_math": False, "textcoords": "offset points"}
    if sideways:
        axes.axvline(value, color=_GREY, linewidth=1, linestyle=(0, (5, 3)))
        style |= {"xytext": (0, 2), "ha": "center", "va": "bottom"}
        axes.annotate(one_line(name), (value, 1), xycoords=axes.get_xaxis_transform(), **style)
    else:
        axes.axhline(value, color=_GREY, linewidth=1, linestyle=(0, (5, 3)))
        style |= {"xytext": (4, 0), "ha": "left", "va": "center"}
        text = textwrap.fill(one_line(name), _REFERENCE_LETTERS)
        axes.annotate(text, (1, value), xycoords=axes.get_yaxis_transform(), **style)
