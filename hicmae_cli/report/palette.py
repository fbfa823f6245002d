"""Colours of labels in reports, plots and videos: the same label has the same colour everywhere.

People who do not see red, green or blue well can tell the eight named colours apart (``tests/report/test_palette.py``
simulates it), and each has a contrast of at least 3 with its background. No picture relies on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Colour:
    """One colour.

    Attributes:
        light: on a light background, as ``#rrggbb``.
        dark: on a dark background.
    """

    light: str
    dark: str


COLOURS: Final = {
    "anger": Colour("#b5300c", "#f2703f"),
    "disgust": Colour("#0a8a5f", "#22bd8c"),
    "fear": Colour("#ab3f92", "#de78c6"),
    "happiness": Colour("#c48300", "#f6c445"),
    "neutral": Colour("#757c86", "#a3abb5"),
    "sadness": Colour("#17479e", "#5287f0"),
    "surprise": Colour("#2797cd", "#85dbff"),
    "contempt": Colour("#5f4027", "#a87b50"),
}
# For labels without a colour of their own, and targets.
_SPARE: Final = (
    Colour("#2f6f8f", "#74b6d6"),
    Colour("#8a5a00", "#d9a441"),
    Colour("#7a3e9d", "#bd8be0"),
    Colour("#3f7d20", "#8bcf69"),
    Colour("#a03a5b", "#ee8cab"),
    Colour("#4b5f8a", "#9db2e0"),
)


def label_colours(labels: Sequence[str]) -> tuple[Colour, ...]:
    """Return the colour of each label or target."""
    spare = [label for label in labels if label not in COLOURS]
    return tuple(COLOURS.get(label) or _SPARE[spare.index(label) % len(_SPARE)] for label in labels)


def ink_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour (relative luminance of WCAG 2.2)."""
    return "#000000" if contrast(colour, "#000000") >= contrast(colour, "#ffffff") else "#ffffff"


def contrast(first: str, second: str) -> float:
    """Compute the contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def to_rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of ``#rrggbb``, 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _luminance(colour: str) -> float:
    linear = [v / 12.92 if (v := n / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for n in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
