"""Letters of any script in pictures: an installed font that has them is used; without one, nothing crashes or warns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.fonts import pillow_font, sans_fonts
from hicmae_cli.preparing.contact_sheet import draw_contact_sheet
from hicmae_cli.report.score_plots import plot_confusion

LATIN = "Ärger, É – ß ñ Ω ж"  # noqa: RUF001 (the dash is meant)
CHINESE = "愤怒"


def triangle() -> object:
    """A letter that is no box."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 900))
    pen.lineTo((1000, 0))
    pen.closePath()
    return pen.glyph()


def write_font(path: Path, family: str, letters: str) -> Path:
    """A font in which every letter is a triangle, and an absent one is empty."""
    names = {ord(letter): f"letter{index}" for index, letter in enumerate(letters)}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), **{name: triangle() for name in names.values()}})
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", *names.values()), (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def _without_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the fonts that matplotlib ships."""
    monkeypatch.setattr(
        fontManager, "ttflist", [entry for entry in fontManager.ttflist if "matplotlib" in str(entry.fname)]
    )


@pytest.fixture
def chinese_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _without_chinese: None) -> Iterator[Path]:
    """An installed font with Chinese letters, and Latin ones as such fonts have."""
    path = write_font(tmp_path / "cjk.ttf", "Noto Sans CJK SC", CHINESE + "abc, 0123456789%()")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(path)
    yield path


def confusion(label: str, path: Path) -> NDArray[np.uint8]:
    plot_confusion([[3, 1], [0, 4]], [label, "b"], path, title="clips")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_dejavu_comes_first_and_others_only_where_installed(chinese_font: Path) -> None:
    assert sans_fonts() == ["DejaVu Sans", "Noto Sans CJK SC"]


@pytest.mark.usefixtures("_without_chinese")
def test_no_other_font_is_named_where_none_is_installed() -> None:
    assert sans_fonts() == ["DejaVu Sans"]


def test_a_font_whose_file_is_gone_is_not_used(chinese_font: Path) -> None:
    chinese_font.unlink()
    assert sans_fonts() == ["DejaVu Sans"]
    assert Path(str(pillow_font(CHINESE, 12).path)).name == "DejaVuSans.ttf"


@pytest.mark.parametrize("text", [LATIN, "", " ", "plain"])
def test_latin_text_is_drawn_in_dejavu(chinese_font: Path, text: str) -> None:
    font = pillow_font(text, 12)
    assert font.getname() == ("DejaVu Sans", "Book")
    assert font.size == 12
    assert {ord(letter) for letter in text} <= FT2Font(str(font.path)).get_charmap().keys()


def test_other_letters_are_drawn_in_the_font_that_has_them(chinese_font: Path) -> None:
    assert pillow_font(CHINESE, 12).getname()[0] == "Noto Sans CJK SC"
    assert pillow_font(f"{CHINESE} abc", 12).getname()[0] == "Noto Sans CJK SC"
    # No font has all of these letters: the one with most of them is used.
    assert pillow_font(f"{CHINESE} é", 12).getname()[0] == "Noto Sans CJK SC"
    assert pillow_font(f"{CHINESE} {LATIN}", 12).getname()[0] == "DejaVu Sans"


def test_plots_fall_back_letter_by_letter(chinese_font: Path, tmp_path: Path) -> None:
    labels = ("é", f"é{CHINESE}")  # the Chinese font has no é
    latin, mixed = (confusion(label, tmp_path / "a.png") for label in labels)
    chinese_font.unlink()
    latin_alone, boxes = (confusion(label, tmp_path / "a.png") for label in labels)
    np.testing.assert_array_equal(latin, latin_alone)
    assert mixed.shape != boxes.shape or (mixed != boxes).any()


def test_contact_sheets_use_the_font_that_has_the_letters(chinese_font: Path) -> None:
    face = np.zeros((160, 160, 3), np.uint8)
    triangles = draw_contact_sheet([(face, CHINESE, "b")])
    chinese_font.unlink()
    assert (triangles != draw_contact_sheet([(face, CHINESE, "b")])).any()


@pytest.mark.usefixtures("_without_chinese")
@pytest.mark.parametrize("label", [CHINESE, LATIN, "سعادة", "खुशी", "\U0001f600", "a" * 64, "愤" * 64])
def test_letters_that_no_font_has_neither_crash_nor_warn(
    label: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    confusion(label, tmp_path / "a.png")
    draw_contact_sheet([(np.zeros((160, 160, 3), np.uint8), label, label)])
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert not recwarn.list
