"""Pages of small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.errors import HicmaeError
from hicmae_cli.preparing.contact_sheet import draw_contact_sheet, write_contact_sheet


def cells(count: int, name: str = "clip") -> list[tuple[np.ndarray, str, str]]:
    return [(np.full((160, 160, 3), 50 + index, np.uint8), f"{name}{index}", "fear") for index in range(count)]


def test_every_picture_is_there_in_its_place() -> None:
    sheet = draw_contact_sheet(cells(5), columns=3)
    height, width = sheet.shape[:2]
    assert (height, width) == (2 * 196 + 6, 3 * 166 + 6)
    for index in range(5):
        top, left = 6 + index // 3 * 196, 6 + index % 3 * 166
        assert (sheet[top : top + 160, left : left + 160] == 50 + index).all()
        assert sheet[top + 160 : top + 190, left : left + 160].max() > 200  # its label


def test_pictures_of_another_size_are_fitted() -> None:
    sheet = draw_contact_sheet([(np.full((112, 112, 3), 90, np.uint8), "a", "b")])
    assert (sheet[6:166, 6:166] == 90).all()


def test_long_names_stay_below_their_picture() -> None:
    short, long = (draw_contact_sheet(cells(2, name), columns=2) for name in ("x", "session/" * 20))
    gap = slice(6 + 160, 6 + 166)
    assert (short[:, gap] == long[:, gap]).all()  # nothing runs over into the next column
    assert not (short == long).all()


def test_the_file_is_a_png_and_always_the_same(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_contact_sheet(tmp_path / name, cells(3))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.size == (3 * 166 + 6, 196 + 6)


def test_what_cannot_be_done(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got none"):
        draw_contact_sheet([])
    with pytest.raises(HicmaeError, match="cannot be written"):
        write_contact_sheet(tmp_path, cells(1))
