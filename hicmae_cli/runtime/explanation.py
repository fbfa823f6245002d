"""What moved the answer for a window, as it is stored; ``occlusion.py`` finds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

Grid: TypeAlias = tuple[tuple[float, ...], ...]

_MOST_PARTS: Final = 64
"""Rows or columns of a map."""


@dataclass(frozen=True)
class Explanation:
    """What moved the answer for one window.

    All numbers are differences of the probability or, from a regression model, of the value: what it is now less what
    it is without the stream or the part. A negative number means that the answer would be surer without it.

    Attributes:
        name: the label or target whose number is explained: the most probable label, or the first target.
        face: what the face adds to the voice; None if the window has only one stream.
        voice: what the voice adds to the face; None likewise.
        face_map: what each part of the face adds, rows from the top, columns from the left; None without a face.
        voice_map: what each part of the sound adds, rows from the highest pitch, columns from the start of the window;
            None without sound.
        method: how it was found.
    """

    name: str
    face: float | None
    voice: float | None
    face_map: Grid | None
    voice_map: Grid | None
    method: str = "occlusion"

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as in the JSON document."""
        return {
            "method": self.method,
            "name": self.name,
            "face": _round(self.face),
            "voice": _round(self.voice),
            "face_map": _round_grid(self.face_map),
            "voice_map": _round_grid(self.voice_map),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Explanation:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a number is not finite, or a map is not a rectangle of at most 64 x 64 parts.
        """
        face, voice = (None if fields[key] is None else float(fields[key]) for key in ("face", "voice"))
        if not all(number is None or math.isfinite(number) for number in (face, voice)):
            raise ValueError(f"expected finite effects, got {face} of the face and {voice} of the voice")
        maps = _read_grid(fields["face_map"]), _read_grid(fields["voice_map"])
        return cls(str(fields["name"]), face, voice, *maps, method=str(fields["method"]))


def _round(number: float | None) -> float | None:
    return None if number is None else round(number, 4)


def _round_grid(grid: Grid | None) -> list[list[float]] | None:
    return None if grid is None else [[round(number, 4) for number in row] for row in grid]


def _read_grid(rows: Any) -> Grid | None:
    if rows is None:
        return None
    numbers = np.array(rows, np.float64)
    if numbers.ndim != 2 or not 0 < min(numbers.shape) <= max(numbers.shape) <= _MOST_PARTS:
        raise ValueError(
            f"expected a map of at most {_MOST_PARTS} x {_MOST_PARTS} parts, got the shape {numbers.shape}"
        )
    if not np.isfinite(numbers).all():
        raise ValueError("expected a map of finite numbers")
    return tuple(map(tuple, numbers.tolist()))
