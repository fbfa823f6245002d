"""What moved the answers of a report: maps of a standard face and of the sound, for labels, windows and over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.align import read_template
from hicmae_cli.report.html.charts import row, svg
from hicmae_cli.report.html.markup import HEIGHT, SPAN, Scale, clock, escape, plural
from hicmae_cli.report.html.moved import Moved, PersonMoved, SoundMoved

_SIDE: Final = 100
# Places of the 68 landmarks in the order of their lines: jaw, brows, nose, eyes, lips.
_LINES: Final = (range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36))
_RINGS: Final = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))
FACE_PARTS: Final = (
    ("outer left brow", "left brow", "between the brows", "right brow", "outer right brow"),
    ("left temple", "left eye", "bridge of the nose", "right eye", "right temple"),
    ("outer left cheek", "left cheek", "nose", "right cheek", "outer right cheek"),
    ("left jaw", "left corner of the mouth", "mouth", "right corner of the mouth", "right jaw"),
    ("below the left jaw", "left of the chin", "chin", "right of the chin", "below the right jaw"),
)
"""Name of each part of a map of the face, as a reader sees it: left is left in the picture."""
_FACE: Final = '<use href="#face-lines"/>'
_LEGEND: Final = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Unit:
    """How numbers are written, and which of them has the full colour."""

    strongest: float
    is_value: bool

    def write(self, number: float) -> str:
        """Write a number with its sign: probabilities in percentage points, values as they are."""
        digits = 2 if self.is_value else 0
        rounded = round(number if self.is_value else 100 * number, digits) + 0.0  # no minus before a zero
        text = f"{rounded:+.{digits}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{digits}f}"
        return text if self.is_value else f"{text} {'point' if abs(rounded) == 1 else 'points'}"


def choose_unit(found: Sequence[PersonMoved]) -> Unit:
    """Choose how the numbers of a page are written; all its maps have one scale."""
    strongest = max((moved.strongest for moved in found), default=0.0)
    return Unit(max(strongest, 1e-9), any(moved.person.timeline.task == "regression" for moved in found))


def draw_moved(found: Sequence[PersonMoved], unit: Unit) -> str:
    """Return the section of a page whose prediction was explained; nothing for any other."""
    if not found:
        return ""
    cards = "".join(
        f'<article class="card"><h3>{escape(moved.person.name)}</h3>'
        f"{''.join(_draw_label(each, unit) for each in moved.labels)}{_draw_windows(moved.windows, unit)}</article>"
        for moved in found
    )
    number = "the value of the target" if unit.is_value else "the probability of the label"
    its = "its value" if unit.is_value else "its probability"
    in_points = "" if unit.is_value else ", in percentage points"
    return (
        f'<section aria-labelledby="moved"><h2 id="moved">What moved the answers</h2>{_define_face()}'
        f"{_draw_legend(unit, its)}"
        f'<div class="cards wide">{cards}</div><ul class="notes">'
        f"<li>Each number says how much {number} falls{in_points}, when a stream or a part of it is covered. "
        f"Blue parts raised {its}, orange ones lowered it. The colours have one scale for all maps.</li>"
        "<li>Face and voice are compared with the same window without them, so both are small when either alone is "
        "enough.</li>"
        "<li>The face is a drawing, not the person: every face is aligned to this outline before the model sees it. "
        "Left and right are those of the picture.</li>"
        "<li>The sound map of a label is a mean over windows: time from left to right, high pitch at the top. In the "
        "timeline, the row of the sound is about the label that is shown at each time, over the spectrogram where the "
        "recording was found.</li>"
        "<li>This is how the model works, not why a person feels something.</li></ul></section>"
    )


def _draw_legend(unit: Unit, its: str) -> str:
    """Return the scale of the colours of all maps."""
    numbers = np.array([_LEGEND]) * unit.strongest
    bar = _draw_grid(numbers, unit, "", 'class="bar" aria-hidden="true"')
    low, high = unit.write(-unit.strongest), unit.write(unit.strongest)
    return (
        f'<p class="legend"><span>{low} <small>orange: lowered {its}</small></span>{bar}'
        f"<span>{high} <small>blue: raised {its}</small></span></p>"
    )


def _draw_label(moved: Moved, unit: Unit) -> str:
    words = [plural(moved.count, "window"), *(f"{stream} {unit.write(n)}" for stream, n in moved.effects.items())]
    maps = "" if moved.face_map is None else _draw_face_map(moved.face_map, moved.name, unit)
    maps += "" if moved.voice_map is None else _draw_voice_map(moved.voice_map, moved, unit)
    return (
        f'<div class="moved"><p><b>{escape(moved.name)}</b> <small>{escape(" · ".join(words))}</small></p>'
        f'<div class="maps">{maps}</div></div>'
    )


def _draw_windows(windows: Sequence[Moved], unit: Unit) -> str:
    """Return some windows, each with its map of the face; without a face, that of the sound."""
    items = []
    for moved in windows:
        grid = moved.voice_map if moved.face_map is None else moved.face_map
        if grid is None:
            continue
        span = f"{clock(moved.start_s)}\N{EN DASH}{clock(moved.start_s + moved.window_s)}"
        part = _name_sound_part(grid, moved, unit) if moved.face_map is None else _name_face_part(grid, unit)
        effects = [f"{stream} {unit.write(number)}" for stream, number in moved.effects.items()]
        label = f"{span}, {moved.name}; strongest: {part}"
        drawing = _draw_map(grid, unit, "" if moved.face_map is None else _FACE, label)
        words = f"<b>{span}</b><br>{escape(moved.name)}<br><small>{'<br>'.join(map(escape, effects or [part]))}</small>"
        items.append(f"<figure>{drawing}<figcaption>{words}</figcaption></figure>")
    if not items:
        return ""
    return (
        '<div class="moved"><p><b>Single windows</b> <small>evenly spaced</small></p>'
        f'<div class="maps windows">{"".join(items)}</div></div>'
    )


def draw_sound_row(scale: Scale, moved: PersonMoved, unit: Unit, spectrum: str) -> str:
    """Return the row of the sound's parts over time, in colours over the spectrogram; nothing without sound.

    Args:
        scale: of the page.
        moved: of a person.
        unit: of the page.
        spectrum: a picture of the sound over the scale, as a ``data:`` address; empty if there is none.
    """
    if moved.sound is None:
        return ""
    numbers = np.nan_to_num(moved.sound.numbers)
    picture = f'<image href="{spectrum}" width="{SPAN}" height="{HEIGHT}" preserveAspectRatio="none"/>'
    parts = "".join(_draw_runs(scale, moved.sound, unit))
    at, column = _find_strongest(numbers)
    when, pitch = clock(float(moved.sound.edges_s[column])), "high" if at < len(numbers) / 2 else "low"
    said = f"{unit.write(float(numbers[at, column]))} at {when}, {pitch} pitch"
    chart = svg((picture if spectrum else "") + parts, "heat", f"parts of the sound that moved the answer: {said}")
    return row("effect", "Moved by part of the sound", chart, "")


def _draw_runs(scale: Scale, sound: SoundMoved, unit: Unit) -> Iterator[str]:
    """Yield a rectangle for each run of equal numbers; what is too pale to see is left out."""
    height = HEIGHT / len(sound.numbers)
    edges = [scale.x(edge_s) for edge_s in sound.edges_s.tolist()]
    shades = np.nan_to_num(sound.numbers / unit.strongest).round(2)
    for at, shade_row in enumerate(shades):
        starts = np.flatnonzero(np.diff(shade_row, prepend=np.nan) != 0).tolist()
        for first, last in pairwise([*starts, len(shade_row)]):
            shade = float(shade_row[first])
            if shade:
                yield (
                    f'<rect class="{"for" if shade > 0 else "against"}" x="{edges[first]:g}" y="{height * at:g}" '
                    f'width="{edges[last] - edges[first]:g}" height="{height:g}" fill-opacity="{abs(shade):.2f}"/>'
                )


def _draw_face_map(numbers: NDArray[np.float64], name: str, unit: Unit) -> str:
    said = _name_face_part(numbers, unit)
    drawing = _draw_map(numbers, unit, _FACE, f"parts of the face that moved {name}; strongest: {said}")
    return f"<figure>{drawing}<figcaption>{said}</figcaption></figure>"


def _name_face_part(numbers: NDArray[np.float64], unit: Unit) -> str:
    """Return the strongest part of a map of the face, with its number."""
    at, column = _find_strongest(numbers)
    known = numbers.shape == (len(FACE_PARTS), len(FACE_PARTS[0]))
    part = FACE_PARTS[at][column] if known else f"row {at + 1}, column {column + 1}"
    return f"{part}: {unit.write(numbers[at, column])}"


def _draw_voice_map(numbers: NDArray[np.float64], moved: Moved, unit: Unit) -> str:
    said = _name_sound_part(numbers, moved, unit)
    drawing = _draw_map(numbers, unit, "", f"parts of the sound that moved {moved.name}; strongest: {said}")
    return (
        '<figure class="sound"><div class="pitch" aria-hidden="true"><span>high</span><span>low</span></div>'
        f'{drawing}<span class="when" aria-hidden="true">time in the window →</span>'
        f"<figcaption>{said}</figcaption></figure>"
    )


def _name_sound_part(numbers: NDArray[np.float64], moved: Moved, unit: Unit) -> str:
    """Return the strongest part of a map of the sound, with its number."""
    at, column = _find_strongest(numbers)
    rows, columns = numbers.shape
    start_s, end_s = (moved.window_s * place / columns for place in (column, column + 1))
    pitch = "high" if at < rows / 2 else "low"
    return f"{start_s:.1f} to {end_s:.1f} s, {pitch} pitch: {unit.write(numbers[at, column])}"


def _find_strongest(numbers: NDArray[np.float64]) -> tuple[int, int]:
    at, column = np.unravel_index(int(np.abs(numbers).argmax()), numbers.shape)
    return int(at), int(column)


def _draw_map(numbers: NDArray[np.float64], unit: Unit, over: str, label: str) -> str:
    return _draw_grid(numbers, unit, over, f'class="map" role="img" aria-label="{escape(label)}"')


def _draw_grid(numbers: NDArray[np.float64], unit: Unit, over: str, attributes: str) -> str:
    """Return a map (R, C) as coloured parts, with a drawing over them."""
    rows, columns = numbers.shape
    parts = "".join(
        f'<rect class="{"for" if number >= 0 else "against"}" x="{_SIDE * column / columns:g}" '
        f'y="{_SIDE * at / rows:g}" width="{_SIDE / columns:g}" height="{_SIDE / rows:g}" '
        f'fill-opacity="{abs(number) / unit.strongest:.2f}"/>'
        for (at, column), number in np.ndenumerate(numbers)
    )
    return f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" {attributes}>{parts}{over}</svg>'


def _define_face() -> str:
    """Return the lines of the face that every aligned face is moved to, for all maps of a page to use."""
    _, points = read_template(_SIDE)
    lines = [_connect(points[list(line)], "") for line in _LINES] + [
        _connect(points[list(ring)], "Z") for ring in _RINGS
    ]
    lines_of = f'<path id="face-lines" class="face-lines" d="{"".join(lines)}"/>'
    return f'<svg class="defs" width="0" height="0" aria-hidden="true"><defs>{lines_of}</defs></svg>'


def _connect(points: NDArray[np.float64], end: str) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points.tolist()) + end
