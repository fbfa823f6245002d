"""Plot a prediction: for each person a row per label over time, the predicted labels, and who speaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hicmae_cli.errors import HicmaeError, one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.report.figures import INK, save_figure
from hicmae_cli.report.palette import ink_on, label_colours
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.report.stretches import Stretches, thin
from hicmae_cli.runtime.results import Track
from hicmae_cli.timeline import Episode, Timeline, make_timelines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN: Final = 12.0
_DPI: Final = 130
_MOST_ROWS: Final = 12  # of a person; more labels would not be readable
_MOST_PEOPLE: Final = 16
_STEPS: Final = 1500  # about the pixels of the axes
_ROW: Final = 0.86  # height of a row's largest probability, of 1 from row to row
_BAND: Final = 0.62
_LETTER_IN: Final = 0.085
_NAME_LETTERS: Final = 90


@readable_text()
def write_plot(prediction: Prediction, path: Path) -> None:
    """Write the plot of a prediction of one file, as a PNG.

    A row is strongly coloured where its label is the predicted one. A person without labels (a regression) has a row
    for each target, from the target's smallest value in the file to its largest.

    Raises:
        HicmaeError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    (file,) = prediction.files
    tracks = file.tracks[:_MOST_PEOPLE]
    timelines = make_timelines(file, prediction.settings)[:_MOST_PEOPLE]
    rows = _choose_rows(tracks)
    limits = _find_limits(timelines, rows)
    height_in = 0.9 + len(tracks) * (0.75 + 0.3 * (len(rows) + 2))
    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    left_out = len(file.tracks) - len(tracks)
    title = one_line(file.path.name)[:_NAME_LETTERS] + (f" (and {left_out} more people)" if left_out else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK, parse_math=False)
    for place, (track, timeline) in enumerate(zip(tracks, timelines, strict=True)):
        axes = figure.add_subplot(len(tracks), 1, place + 1)
        _draw_rows(axes, timeline, Stretches.of(track, timeline, file.speech), rows, limits)
        axes.set_title(one_line(timeline.name), loc="left", fontsize=10, color=INK, parse_math=False)
        if place + 1 == len(tracks):
            axes.set_xlabel("time in seconds", fontsize=9, color=INK)
    figure.text(0.99, 0.995, _describe(prediction), ha="right", va="top", fontsize=8, color="#777777", parse_math=False)
    try:
        save_figure(figure, path, dpi=_DPI)
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror}") from error


def _describe(prediction: Prediction) -> str:
    cannot = f" · cannot judge {prediction.model.info.cannot_judge}" if prediction.model.info.cannot_judge else ""
    return one_line(f"{prediction.model.name}{cannot}")[:_NAME_LETTERS]


def _choose_rows(tracks: tuple[Track, ...]) -> tuple[int, ...]:
    """Return the places of the labels to draw: all or, of many, those with the largest means."""
    means = np.max([list(track.scores.by_name.values()) for track in tracks], axis=0)
    return tuple(sorted(np.argsort(-means, kind="stable")[:_MOST_ROWS].tolist()))


def _find_limits(timelines: tuple[Timeline, ...], rows: tuple[int, ...]) -> list[tuple[float, float]]:
    if timelines[0].task != "regression":
        return [(0.0, 1.0)] * len(rows)
    joined = np.concatenate([timeline.means for timeline in timelines])
    return [(float(np.nanmin(joined[:, row])), float(np.nanmax(joined[:, row]))) for row in rows]


def _draw_rows(
    axes: Axes, timeline: Timeline, stretches: Stretches, rows: tuple[int, ...], limits: list[tuple[float, float]]
) -> None:
    colours = [colour.light for colour in label_colours(timeline.names)]
    ticks, words = [], []
    for place, (row, (low, high)) in enumerate(zip(rows, limits, strict=True)):
        base, name = float(len(rows) - 1 - place), timeline.names[row]
        led = np.zeros(len(stretches.means))
        for episode in timeline.episodes:
            if name in episode.labels:
                first, last = np.searchsorted(stretches.edges_s, [episode.start_s, episode.end_s])
                led[first:last] = 1
        edges_s, numbers = thin(stretches.edges_s, np.column_stack([stretches.means[:, row], led]), _STEPS)
        heights = (numbers[:, 0] - low) / (high - low) if high > low else numbers[:, 0] * 0 + 0.5
        tops = base + _ROW * heights
        strong = np.where(numbers[:, 1] >= 0.5, tops, np.nan)
        axes.stairs(tops, edges_s, baseline=base, fill=True, color=colours[row], alpha=0.22)
        axes.stairs(tops, edges_s, baseline=None, color=colours[row], linewidth=0.8)
        axes.stairs(strong, edges_s, baseline=base, fill=True, color=colours[row])
        axes.axhline(base, color="#dddddd", linewidth=0.6, zorder=0)
        ticks.append(base + 0.3)
        words.append(one_line(name) if (low, high) == (0.0, 1.0) else f"{one_line(name)}\n{low:.2f} to {high:.2f}")
    top = float(len(rows))
    if timeline.episodes:
        _draw_band(axes, timeline, top + 0.15)
        ticks.append(top + 0.15 + _BAND / 2)
        words.append("label")
        top += 1
    if spans := stretches.join_speakers():
        for start_s, end_s, answer in spans:
            height = {"yes": 0.5, "unsure": 0.25, "no": 0.03}[answer]
            axes.broken_barh([(start_s, end_s - start_s)], (top + 0.15, height), color="#175a8c", linewidth=0)
        ticks.append(top + 0.35)
        words.append("speaks")
        top += 0.8
    axes.set_yticks(ticks)
    for tick, word in zip(axes.set_yticklabels(words), words, strict=True):
        tick.set_parse_math(False)
        tick.set_text(word)
    axes.set_ylim(-0.1, top + 0.1)
    axes.set_xlim(timeline.start_s, max(timeline.end_s, timeline.start_s + 1e-3))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.tick_params(axis="y", length=0)


def _draw_band(axes: Axes, timeline: Timeline, bottom: float) -> None:
    """Draw the episodes as blocks, with their labels where they fit."""
    colours = dict(zip(timeline.names, label_colours(timeline.names), strict=True))
    length_s = max(timeline.end_s - timeline.start_s, 1e-3)
    by_colour: dict[str, list[tuple[float, float]]] = {}
    for episode in timeline.episodes:
        colour = colours[episode.labels[0]].light if episode.labels else "#c9ccd1"
        by_colour.setdefault(colour, []).append((episode.start_s, episode.end_s - episode.start_s))
        _write_label(axes, episode, length_s, colour, bottom + _BAND / 2)
    for colour, spans in by_colour.items():
        axes.broken_barh(spans, (bottom, _BAND), facecolor=colour, edgecolor="white", linewidth=0.4)


def _write_label(axes: Axes, episode: Episode, length_s: float, colour: str, middle: float) -> None:
    label = one_line(episode.label or "no label")
    width_in = (episode.end_s - episode.start_s) / length_s * (_WIDTH_IN - 1.5)
    if width_in > len(label) * _LETTER_IN + 0.1:
        left_s = episode.start_s + 0.05 * length_s / (_WIDTH_IN - 1.5)
        axes.text(left_s, middle, label, fontsize=8, va="center", color=ink_on(colour), parse_math=False, clip_on=True)
