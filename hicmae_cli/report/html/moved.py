"""What moved the answers of a report: a card for each person with maps of a standard face and of the sound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.align import read_template
from hicmae_cli.report.html.markup import escape, plural
from hicmae_cli.report.html.person import Person
from hicmae_cli.runtime.explanation import Grid
from hicmae_cli.runtime.outputs import Window

_MOST_LABELS: Final = 3
"""Labels of a person that are shown, those of the most windows."""
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
_LEGEND: Final = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class _Moved:
    """What moved one label or target of a person, as means.

    Attributes:
        name: of the label or target.
        count: number of windows.
        effects: of ``face`` and ``voice`` over time, where the windows have both.
        face_map: (R, C); None without a face.
        voice_map: (R, C); None without sound.
        window_s: length of its windows.
    """

    name: str
    count: int
    effects: dict[str, float]
    face_map: NDArray[np.float64] | None
    voice_map: NDArray[np.float64] | None
    window_s: float

    @property
    def strongest(self) -> float:
        """The largest absolute number of its maps."""
        return max(
            (float(np.abs(each).max()) for each in (self.face_map, self.voice_map) if each is not None), default=0
        )


@dataclass(frozen=True)
class _Unit:
    """How numbers are written, and which of them has the full colour."""

    strongest: float
    is_value: bool

    def write(self, number: float) -> str:
        """Write a number with its sign: probabilities in percentage points, values as they are."""
        digits = 2 if self.is_value else 0
        rounded = round(number if self.is_value else 100 * number, digits) + 0.0  # no minus before a zero
        text = f"{rounded:+.{digits}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{digits}f}"
        return text if self.is_value else f"{text} {'point' if abs(rounded) == 1 else 'points'}"


def draw_moved(people: Sequence[Person]) -> str:
    """Return the section of a page whose prediction was explained; nothing for any other."""
    found = [(person, moved) for person in people if (moved := _measure(person))]
    if not found:
        return ""
    strongest = max(each.strongest for _, moved in found for each in moved)
    unit = _Unit(max(strongest, 1e-9), people[0].timeline.task == "regression")
    cards = "".join(
        f'<article class="card"><h3>{escape(person.name)}</h3>'
        f"{''.join(_draw_label(each, unit) for each in moved)}</article>"
        for person, moved in found
    )
    number = "the value of the target" if unit.is_value else "the probability of the label"
    its = "its value" if unit.is_value else "its probability"
    in_points = "" if unit.is_value else ", in percentage points"
    return (
        f'<section aria-labelledby="moved"><h2 id="moved">What moved the answers</h2>{_draw_legend(unit, its)}'
        f'<div class="cards wide">{cards}</div><ul class="notes">'
        f"<li>Each number says how much {number} falls{in_points}, when a stream or a part of it is covered. "
        f"Blue parts raised {its}, orange ones lowered it. The colours have one scale for all maps.</li>"
        "<li>Face and voice are compared with the same window without them, so both are small when either alone is "
        "enough.</li>"
        "<li>The face is a drawing, not the person: every face is aligned to this outline before the model sees it. "
        "Left and right are those of the picture.</li>"
        "<li>The sound map is a mean over windows: time from left to right, high pitch at the top.</li>"
        "<li>This is how the model works, not why a person feels something.</li></ul></section>"
    )


def _measure(person: Person) -> list[_Moved]:
    """Average the explanations of a person for each label, those of the most windows first."""
    seconds: dict[tuple[float, float], float] = defaultdict(float)  # for which the timeline shows a window
    for window, length_s in zip(person.stretches.windows, np.diff(person.stretches.edges_s).tolist(), strict=True):
        if window is not None:
            seconds[window.start_s, window.end_s] += length_s
    by_name: dict[str, list[Window]] = defaultdict(list)
    for window in person.track.windows:
        if window.explanation is not None:
            by_name[window.explanation.name].append(window)
    moved = []
    for name, found in sorted(by_name.items(), key=lambda pair: -len(pair[1]))[:_MOST_LABELS]:
        each = [window.explanation for window in found if window.explanation is not None]
        weights = [seconds[window.start_s, window.end_s] for window in found]
        streams = {"face": [e.face for e in each], "voice": [e.voice for e in each]}
        means = {stream: _weigh(numbers, weights) for stream, numbers in streams.items()}
        effects = {stream: mean for stream, mean in means.items() if mean is not None}
        maps = _average([e.face_map for e in each]), _average([e.voice_map for e in each])
        moved.append(_Moved(name, len(found), effects, *maps, window_s=found[0].end_s - found[0].start_s))
    return moved


def _weigh(numbers: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Average the numbers that are known over time, as the timeline does; None without any."""
    known = [(n, weight) for n, weight in zip(numbers, weights, strict=True) if n is not None and weight > 0]
    total = sum(weight for _, weight in known)
    return sum(n * weight for n, weight in known) / total if known else None


def _average(grids: Sequence[Grid | None]) -> NDArray[np.float64] | None:
    known = [np.array(grid) for grid in grids if grid is not None]
    # One method gives maps of one shape; a document from elsewhere may have others.
    return np.mean([grid for grid in known if grid.shape == known[0].shape], axis=0) if known else None


def _draw_legend(unit: _Unit, its: str) -> str:
    """Return the scale of the colours of all maps."""
    numbers = np.array([_LEGEND]) * unit.strongest
    bar = _draw_grid(numbers, unit, "", 'class="bar" aria-hidden="true"')
    low, high = unit.write(-unit.strongest), unit.write(unit.strongest)
    return (
        f'<p class="legend"><span>{low} <small>orange: lowered {its}</small></span>{bar}'
        f"<span>{high} <small>blue: raised {its}</small></span></p>"
    )


def _draw_label(moved: _Moved, unit: _Unit) -> str:
    words = [plural(moved.count, "window"), *(f"{stream} {unit.write(n)}" for stream, n in moved.effects.items())]
    maps = "" if moved.face_map is None else _draw_face_map(moved.face_map, moved.name, unit)
    maps += "" if moved.voice_map is None else _draw_voice_map(moved.voice_map, moved, unit)
    return (
        f'<div class="moved"><p><b>{escape(moved.name)}</b> <small>{escape(" · ".join(words))}</small></p>'
        f'<div class="maps">{maps}</div></div>'
    )


def _draw_face_map(numbers: NDArray[np.float64], name: str, unit: _Unit) -> str:
    row, column = _find_strongest(numbers)
    known = numbers.shape == (len(FACE_PARTS), len(FACE_PARTS[0]))
    part = FACE_PARTS[row][column] if known else f"row {row + 1}, column {column + 1}"
    said = f"{part}: {unit.write(numbers[row, column])}"
    drawing = _draw_map(numbers, unit, _draw_face(), f"parts of the face that moved {name}; strongest: {said}")
    return f"<figure>{drawing}<figcaption>{said}</figcaption></figure>"


def _draw_voice_map(numbers: NDArray[np.float64], moved: _Moved, unit: _Unit) -> str:
    row, column = _find_strongest(numbers)
    rows, columns = numbers.shape
    start_s, end_s = (moved.window_s * at / columns for at in (column, column + 1))
    pitch = "high" if row < rows / 2 else "low"
    said = f"{start_s:.1f} to {end_s:.1f} s, {pitch} pitch: {unit.write(numbers[row, column])}"
    drawing = _draw_map(numbers, unit, "", f"parts of the sound that moved {moved.name}; strongest: {said}")
    return (
        '<figure class="sound"><div class="pitch" aria-hidden="true"><span>high</span><span>low</span></div>'
        f'{drawing}<span class="when" aria-hidden="true">time in the window →</span>'
        f"<figcaption>{said}</figcaption></figure>"
    )


def _find_strongest(numbers: NDArray[np.float64]) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.abs(numbers).argmax()), numbers.shape)
    return int(row), int(column)


def _draw_map(numbers: NDArray[np.float64], unit: _Unit, over: str, label: str) -> str:
    return _draw_grid(numbers, unit, over, f'class="map" role="img" aria-label="{escape(label)}"')


def _draw_grid(numbers: NDArray[np.float64], unit: _Unit, over: str, attributes: str) -> str:
    """Return a map (R, C) as coloured parts, with a drawing over them."""
    rows, columns = numbers.shape
    parts = "".join(
        f'<rect class="{"for" if number >= 0 else "against"}" x="{_SIDE * column / columns:g}" '
        f'y="{_SIDE * row / rows:g}" width="{_SIDE / columns:g}" height="{_SIDE / rows:g}" '
        f'fill-opacity="{abs(number) / unit.strongest:.2f}"/>'
        for (row, column), number in np.ndenumerate(numbers)
    )
    return f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" {attributes}>{parts}{over}</svg>'


def _draw_face() -> str:
    """Return the lines of the face that every aligned face is moved to."""
    _, points = read_template(_SIDE)
    lines = [_connect(points[list(line)], "") for line in _LINES] + [
        _connect(points[list(ring)], "Z") for ring in _RINGS
    ]
    return f'<path class="face-lines" d="{"".join(lines)}"/>'


def _connect(points: NDArray[np.float64], end: str) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points.tolist()) + end
