"""Plot faces and voices of clips as points, coloured by stream, class and speaker, one row for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import one_line
from hicmae_cli.fonts import readable_text
from hicmae_cli.report.figures import INK, save_figure
from hicmae_cli.report.palette import label_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FACE, _VOICE = "#08306b", "#d95f0e"
_MOST_NAMES: Final = 12  # more would fill the picture
_LETTERS: Final = 24
_UNKNOWN: Final = "unknown"
_COLOURS: Final = 256  # of a PNG, which is a third as large then


@readable_text()
def plot_projection(
    points: Mapping[int, NDArray[Any]],
    labels: Sequence[str],
    speakers: Sequence[str],
    gaps: Mapping[int, float],
    recalls: Mapping[int, float],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw the points as a file that appears whole. Faces are dots and voices crosses, in every column.

    Args:
        points: layer -> places (2n, 2), the faces of n clips and then their voices.
        labels: of the n clips; empty where unknown.
        speakers: of the n clips.
        gaps: layer -> modality gap.
        recalls: layer -> recall@1.
        path: .png, .svg or .pdf.
        title: above the picture.

    Raises:
        SettingsError: another suffix.
        OSError: the file cannot be written.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    count = len(labels)
    classes, people = _list_names(labels), _list_names(speakers)
    wheel = list(colormaps["turbo"](np.linspace(0.05, 0.95, len(people))))
    columns: tuple[tuple[str, Sequence[str], Sequence[Any], NDArray[np.int64]], ...] = (
        ("stream", ("faces", "voices"), (_FACE, _VOICE), np.repeat([0, 1], count)),
        ("class", classes, [colour.light for colour in label_colours(classes)], _place(labels, classes)),
        ("speaker", people, wheel[: len(people)], _place(speakers, people)),
    )
    figure = Figure(figsize=(9, 1.2 + 2.5 * len(points)), layout="constrained")
    figure.suptitle(one_line(title), x=0.01, ha="left", fontsize=10, color=INK, parse_math=False)
    grid = figure.subplots(len(points), len(columns), squeeze=False)
    top = next(iter(points))
    for row, (layer, places) in zip(grid, points.items(), strict=True):
        for axes, (name, names, colours, of) in zip(row, columns, strict=True):
            for stream, mark in enumerate(("o", "x")):
                own = slice(stream * count, (stream + 1) * count)
                picked = [colours[place] for place in of[own]]
                axes.scatter(*places[own].T, c=picked, marker=mark, s=14, linewidths=1.0, alpha=0.8)
            _dress(axes, f"layer {layer}: {name}", names, colours, with_names=layer == top)
        numbers = f"modality gap {gaps[layer]:.3f}, recall@1 {recalls[layer]:.3f}"
        row[0].set_xlabel(numbers, fontsize=8, color=INK)
    save_figure(figure, path, dpi=110, colours=_COLOURS)


def _list_names(names: Sequence[str]) -> list[str]:
    return sorted({name or _UNKNOWN for name in names})


def _place(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each clip's name among the known ones, for faces and then for voices (2n,)."""
    return np.tile([known.index(name or _UNKNOWN) for name in names], 2)


def _dress(axes: Axes, title: str, names: Sequence[str], colours: Any, *, with_names: bool) -> None:
    """Write the title, hide the meaningless axes, and name the colours above the title, where no point is."""
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cccccc")
    if with_names and len(names) <= _MOST_NAMES:
        for name, colour in zip(names, colours, strict=True):
            short = one_line(name)
            label = short if len(short) <= _LETTERS else f"{short[: _LETTERS - 1]}…"
            axes.scatter([], [], color=colour, s=14, label=label)
        style: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.08), "ncols": 4, "columnspacing": 1.0}
        legend = axes.legend(fontsize=7, frameon=False, handletextpad=0.1, borderaxespad=0.0, **style)
        for text in legend.get_texts():
            text.set_parse_math(False)
