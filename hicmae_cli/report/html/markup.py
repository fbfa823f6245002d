"""Safe pieces of HTML and SVG, and the words for times and shares. All text of others goes through `escape`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import one_line

SPAN: Final = 1000
"""Width of the drawings' own coordinates; CSS stretches them to the page."""
HEIGHT: Final = 100


def escape(text: object) -> str:
    """Return a text for HTML content or a quoted attribute: on one line, with control characters made visible."""
    return html.escape(one_line(str(text)), quote=True)


def breakable(label: str) -> str:
    """Return a label as HTML that may be broken after a ``+``."""
    return escape(label).replace("+", "+<wbr>")


def clock(time_s: float, *, tenths: bool = True) -> str:
    """Write a time as ``0:08.8``, ``12:03.0`` or ``1:02:03.4``."""
    total = round(time_s * 10) if tenths else round(time_s) * 10
    hours, rest = divmod(total, 36_000)
    minutes, rest = divmod(rest, 600)
    seconds = f"{rest // 10:02d}" + (f".{rest % 10}" if tenths else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def duration(time_s: float) -> str:
    """Write a length of time as ``8.8 s``, ``12:03 min`` or ``1:02:03 h``."""
    if round(time_s, 1) < 60:
        return f"{time_s:.1f} s"
    return f"{clock(time_s, tenths=False)} {'min' if round(time_s) < 3600 else 'h'}"


def of_duration(part_s: float, whole_s: float) -> str:
    """Write a part of a length of time as ``1.0 of 4.0 s`` or ``0:31 of 12:03 min``."""
    part = f"{part_s:.1f}" if round(whole_s, 1) < 60 else clock(part_s, tenths=False)
    whole = duration(whole_s)
    return f"{part} of {whole}"


def percent(share: float) -> str:
    """Write a share, 0 to 1, as a whole number of per cent."""
    return f"{share:.0%}"


def points(share: float) -> str:
    """Write a difference of probabilities, 0 to 1, as whole percentage points."""
    return plural(round(100 * share), "point")


def plural(count: int, word: str) -> str:
    """Write a number with its word: ``1 window``, ``2 windows``, ``2 stretches``."""
    ending = "" if count == 1 else "es" if word.endswith("ch") else "s"
    return f"{count:,} {word}{ending}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table.

    Args:
        columns: their titles, as text.
        rows: cells that are HTML already; the first of each row is its header.
        caption: title of the table, as text.
    """
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    titled = f"<caption>{escape(caption)}</caption>" if caption else ""
    content = f"{titled}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table>{content}</table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms, as text, and their values, as HTML; terms without a value are left out."""
    pairs = "".join(f"<div><dt>{escape(term)}</dt><dd>{value}</dd></div>" for term, value in rows if value)
    return f'<dl class="facts">{pairs}</dl>'


class Scale:
    """Places times on a drawing.

    Args:
        start_s: at its left edge.
        end_s: at its right edge.
    """

    def __init__(self, start_s: float, end_s: float) -> None:
        self.start_s, self.end_s = start_s, end_s
        self._length_s = max(end_s - start_s, 1e-3)

    def x(self, time_s: float) -> float:
        """Return a time's place, 0 to ``SPAN``."""
        return round(min(1.0, max(0.0, (time_s - self.start_s) / self._length_s)) * SPAN, 1)

    def steps(self, edges_s: NDArray[np.float64], heights: NDArray[np.float64]) -> str:
        """Return the path of an area under steps.

        Args:
            edges_s: bounds of the steps (G + 1,).
            heights: (G,) 0 to 1; NaN leaves a gap.
        """
        parts: list[str] = []
        is_open = False
        for start_s, end_s, height in zip(edges_s[:-1], edges_s[1:], heights, strict=True):
            if np.isnan(height):
                parts += [f"V{HEIGHT}Z"] if is_open else []
                is_open = False
                continue
            if not is_open:
                parts.append(f"M{self.x(start_s):g} {HEIGHT}")
            y = round((1 - min(1.0, max(0.0, height))) * HEIGHT)
            parts.append(f"V{y}H{self.x(end_s):g}")
            is_open = True
        return "".join([*parts, f"V{HEIGHT}Z"] if is_open else parts)

    def blocks(self, spans_s: Iterable[tuple[float, float]]) -> str:
        """Return the path of blocks of full height, one per start and end (s); those too narrow to see are left out."""
        places = ((self.x(start_s), self.x(end_s)) for start_s, end_s in spans_s)
        return "".join(f"M{left:g} 0H{right:g}V{HEIGHT}H{left:g}Z" for left, right in places if right > left)

    def ticks(self) -> list[float]:
        """List round times (s), about eight."""
        steps_s = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
        step_s = next((s for s in steps_s if self._length_s / s <= 9), 86400.0)
        first = int(np.ceil(self.start_s / step_s - 1e-9))
        return [round(i * step_s, 3) for i in range(first, int(self.end_s / step_s + 1e-9) + 1)][:100]
