"""What moved the answers of a report: a card for each person with maps of a standard face and of the sound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.align import read_template
from hicmae_cli.report.html.markup import escape, plural
from hicmae_cli.report.html.person import Person
from hicmae_cli.runtime.explanation import Explanation, Grid

_MOST_LABELS: Final = 3
"""Labels of a person that are shown, those of the most windows."""
_SIDE: Final = 100
# Places of the 68 landmarks in the order of their lines: jaw, brows, nose, eyes, lips.
_LINES: Final = (range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36))
_RINGS: Final = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))


def draw_moved(people: Sequence[Person]) -> str:
    """Return the section of a page whose prediction was explained; nothing for any other."""
    cards = "".join(map(_draw_card, people))
    if not cards:
        return ""
    return (
        '<section aria-labelledby="moved"><h2 id="moved">What moved the answers</h2>'
        f'<div class="cards wide">{cards}</div><ul class="notes">'
        "<li>Each number says how much the probability of the label falls, in percentage points, when a stream or a "
        "part of it is covered; for a target, how much its value falls. "
        "Blue parts spoke for the label, brown ones against it; the strongest part has the full colour.</li>"
        "<li>Face and voice are compared with the same window without them, so both can be small when each alone "
        "would do.</li>"
        "<li>The face is a drawing, not the person: the model sees every face in this place and size. The sound is "
        "one window, from low to high pitch.</li>"
        "<li>This is how the model works, not why a person feels something.</li></ul></section>"
    )


def _draw_card(person: Person) -> str:
    by_name: dict[str, list[Explanation]] = defaultdict(list)
    for window in person.track.windows:
        if window.explanation is not None:
            by_name[window.explanation.name].append(window.explanation)
    if not by_name:
        return ""
    shown = sorted(by_name.items(), key=lambda pair: -len(pair[1]))[:_MOST_LABELS]
    # Probabilities in percentage points, values as they are.
    unit = (1, 2) if person.timeline.task == "regression" else (100, 0)
    rows = "".join(_draw_label(name, found, unit) for name, found in shown)
    return f'<article class="card"><h3>{escape(person.name)}</h3>{rows}</article>'


def _draw_label(name: str, found: Sequence[Explanation], unit: tuple[int, int]) -> str:
    factor, digits = unit
    words = [plural(len(found), "window")]
    for stream, effects in (("face", [each.face for each in found]), ("voice", [each.voice for each in found])):
        known = [effect for effect in effects if effect is not None]
        words += [f"{stream} {factor * np.mean(known):+.{digits}f}"] if known else []
    maps = ""
    if (faces := _average([each.face_map for each in found])) is not None:
        maps += _draw_map(faces, _draw_face(), f"parts of the face that moved {name}", unit)
    if (voices := _average([each.voice_map for each in found])) is not None:
        maps += _draw_map(voices, "", f"parts of the sound that moved {name}", unit, css="sound")
    return (
        f'<div class="moved"><p><b>{escape(name)}</b> <small>{escape(" · ".join(words))}</small></p>'
        f'<div class="maps">{maps}</div></div>'
    )


def _average(grids: Sequence[Grid | None]) -> NDArray[np.float64] | None:
    known = [np.array(grid) for grid in grids if grid is not None]
    # One method gives maps of one shape; a document from elsewhere may have others.
    return np.mean([grid for grid in known if grid.shape == known[0].shape], axis=0) if known else None


def _draw_map(numbers: NDArray[np.float64], over: str, label: str, unit: tuple[int, int], css: str = "") -> str:
    """Return a map (R, C) as coloured parts, with a drawing over them; screen readers get the strongest part."""
    rows, columns = numbers.shape
    strongest = max(float(np.abs(numbers).max()), 1e-9)
    parts = "".join(
        f'<rect class="{"for" if number >= 0 else "against"}" x="{_SIDE * column / columns:g}" '
        f'y="{_SIDE * row / rows:g}" width="{_SIDE / columns:g}" height="{_SIDE / rows:g}" '
        f'fill-opacity="{abs(number) / strongest:.2f}"/>'
        for (row, column), number in np.ndenumerate(numbers)
    )
    row, column = np.unravel_index(int(np.abs(numbers).argmax()), numbers.shape)
    factor, digits = unit
    suffix = " points" if factor == 100 else ""
    by = f"{factor * numbers[row, column]:+.{digits}f}{suffix}"
    described = f"{label}; the strongest is in row {row + 1}, column {column + 1}: {by}"
    return (
        f'<svg class="map {css}" viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(described)}">{parts}{over}</svg>'
    )


def _draw_face() -> str:
    """Return the lines of the face that every aligned face is moved to."""
    _, points = read_template(_SIDE)
    lines = [_connect(points[list(line)], "") for line in _LINES] + [
        _connect(points[list(ring)], "Z") for ring in _RINGS
    ]
    return f'<path class="face-lines" d="{"".join(lines)}"/>'


def _connect(points: NDArray[np.float64], end: str) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points.tolist()) + end
