"""A page of small pictures with their names, to see at a glance what was cut out of many videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from hicmae_cli.errors import HicmaeError, one_line
from hicmae_cli.files import write_atomically
from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.report.fonts import pillow_font

Cell = tuple[NDArray[np.uint8], str, str]
"""A picture (H, W, 3) and two lines of text: which clip it is from, and its label."""

_TEXT_PX: Final = FACE_SIZE_PX - 3  # the edges of letters are soft
_LINE_PX: Final = 15
_GAP_PX: Final = 6
_FONT_PX: Final = 12
_BACKGROUND: Final = (24, 24, 24)
_INKS: Final = ((170, 170, 170), (235, 235, 235))  # of the name and the label


def contact_sheet(cells: Sequence[Cell], columns: int = 8) -> NDArray[np.uint8]:
    """Pictures in rows, each over its two lines of text, which are cut to the picture's width.

    Args:
        cells: one or more.
        columns: pictures in a row.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: no pictures.
    """
    if not cells:
        raise ValueError("expected pictures for a contact sheet, got none")
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    step_x, step_y = FACE_SIZE_PX + _GAP_PX, FACE_SIZE_PX + 2 * _LINE_PX + _GAP_PX
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, rows * step_y + _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (picture, *lines) in enumerate(cells):
        left, top = _GAP_PX + index % columns * step_x, _GAP_PX + index // columns * step_y
        image = Image.fromarray(picture)
        if image.size != (FACE_SIZE_PX, FACE_SIZE_PX):
            image = image.resize((FACE_SIZE_PX, FACE_SIZE_PX), Image.Resampling.BILINEAR)
        sheet.paste(image, (left, top))
        for number, (line, ink) in enumerate(zip(lines, _INKS, strict=True)):
            text = one_line(line)
            font = pillow_font(text, _FONT_PX)
            text = _fitted(text, draw, font)
            draw.text((left + 1, top + FACE_SIZE_PX + 1 + number * _LINE_PX), text, ink, font)
    return np.asarray(sheet)


def write_contact_sheet(path: Path, cells: Sequence[Cell], columns: int = 8) -> None:
    """Write a contact sheet as PNG; the same cells give the same bytes.

    Raises:
        HicmaeError: the file cannot be written.
        ValueError: no pictures.
    """
    sheet = Image.fromarray(contact_sheet(cells, columns))
    try:
        with write_atomically(path) as temporary:
            sheet.save(temporary, "PNG")
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror or error}") from error


def _fitted(text: str, draw: ImageDraw.ImageDraw, font: FreeTypeFont) -> str:
    """A text as wide as a picture at most; its end, which tells clips of one person apart, is kept."""
    if draw.textlength(text, font) <= _TEXT_PX:
        return text
    while text and draw.textlength(f"…{text}", font) > _TEXT_PX:
        text = text[1:]
    return f"…{text}"
