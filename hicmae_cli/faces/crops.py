"""Parts of a picture to search, for a detector that finds only faces that fill enough of its input.

MediaPipe's short-range detector shrinks its input to 128 x 128 pixels and misses faces of less than about an eighth of
the longer side. So it searches the whole picture and overlapping squares of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MIN_CROP_PX: Final = 160
"""Smaller squares would only find faces of less than 20 pixels, which are too small to judge."""
_STRIDE: Final = 0.65  # of the side: a face of up to a third of a square is whole in at least one of them


class Crop(NamedTuple):
    """A part of a picture in whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width_px(self) -> int:
        """Right minus left."""
        return self.right - self.left

    @property
    def height_px(self) -> int:
        """Bottom minus top."""
        return self.bottom - self.top


def make_coarse_crops(width_px: int, height_px: int) -> list[Crop]:
    """The whole picture, and squares as high (or wide) as it: faces of an eighth of its shorter side."""
    whole = Crop(0, 0, width_px, height_px)
    side_px = min(width_px, height_px)
    if side_px < MIN_CROP_PX or max(width_px, height_px) < 1.15 * side_px:
        return [whole]
    return [whole, *_squares(width_px, height_px, side_px)]


def make_fine_crops(width_px: int, height_px: int) -> list[Crop]:
    """Squares of a half and a third of the shorter side: faces of a 24th of it. None where these are tiny."""
    sides_px = [min(width_px, height_px) // parts for parts in (2, 3)]
    return [crop for side in sides_px if side >= MIN_CROP_PX for crop in _squares(width_px, height_px, side)]


def crop_around(box_px: tuple[float, float, float, float], times: float, width_px: int, height_px: int) -> Crop:
    """The square around a box (left, top, right, bottom) with `times` its longer side, within the picture."""
    left, top, right, bottom = box_px
    half = max(right - left, bottom - top) * times / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    crop = Crop(
        max(0, int(x - half)),
        max(0, int(y - half)),
        min(width_px, int(x + half) + 1),
        min(height_px, int(y + half) + 1),
    )
    return crop if crop.width_px > 0 and crop.height_px > 0 else Crop(0, 0, width_px, height_px)


def _squares(width_px: int, height_px: int, side_px: int) -> list[Crop]:
    return [
        Crop(x, y, x + side_px, y + side_px) for y in _starts(height_px, side_px) for x in _starts(width_px, side_px)
    ]


def _starts(length_px: int, side_px: int) -> list[int]:
    """Evenly spread starts of pieces that cover a length and overlap by at least a third."""
    spare_px = length_px - side_px
    steps = -(-spare_px // max(1, int(side_px * _STRIDE)))
    return [round(i * spare_px / steps) for i in range(steps + 1)] if steps else [0]
