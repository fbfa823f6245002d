"""Parts of a picture to search with a detector that misses small faces.

MediaPipe's short-range detector shrinks its input to 128 x 128 pixels and misses faces of less than about an eighth of
the longer side. It is therefore run on the whole picture and on overlapping squares of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MIN_CROP_PX: Final = 160
"""Smaller squares would find only faces of less than 20 pixels, which are too small for the model."""
# Step between squares, as a share of the side: a face of up to a third of a square is complete in one of them.
_STRIDE: Final = 0.65


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
    """Make crops for faces of an eighth of the shorter side: the whole picture, and squares of its height or width."""
    whole = Crop(0, 0, width_px, height_px)
    side_px = min(width_px, height_px)
    if side_px < MIN_CROP_PX or max(width_px, height_px) < 1.15 * side_px:
        return [whole]
    return [whole, *_squares(width_px, height_px, side_px)]


def make_fine_crops(width_px: int, height_px: int) -> list[Crop]:
    """Make crops for faces of a 24th of the shorter side: squares of a half and a third of it, unless they are tiny."""
    sides_px = [min(width_px, height_px) // parts for parts in (2, 3)]
    return [crop for side in sides_px if side >= MIN_CROP_PX for crop in _squares(width_px, height_px, side)]


def crop_around(box_px: tuple[float, float, float, float], times: float, width_px: int, height_px: int) -> Crop:
    """Make the square around a box (left, top, right, bottom), `times` its longer side, clipped to the picture."""
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
    """Compute evenly spaced starts of pieces that cover a length and overlap by at least a third."""
    spare_px = length_px - side_px
    steps = -(-spare_px // max(1, int(side_px * _STRIDE)))
    return [round(i * spare_px / steps) for i in range(steps + 1)] if steps else [0]
