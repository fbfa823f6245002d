"""Fonts for labels in any script: what is installed, chosen so that as few letters as possible become boxes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.font_manager import FontManager
    from PIL.ImageFont import FreeTypeFont

_LATIN: Final = "DejaVu Sans"  # matplotlib ships it
_FALLBACKS: Final = (
    # Chinese, Japanese and Korean: Linux, macOS, Windows.
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Hiragino Sans",
    "Heiti TC",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "Meiryo",
    "Malgun Gothic",
    # Other scripts.
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Bengali",
    "Noto Sans Devanagari",
    "Noto Sans Hebrew",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Nirmala UI",
    "Leelawadee UI",
    "Segoe UI",
    "Arial Unicode MS",
    "Unifont",
)
"""Families to try for letters that DejaVu Sans lacks, in this order."""


def sans_fonts() -> list[str]:
    """List the installed sans-serif families: DejaVu Sans, then those for other scripts.

    Matplotlib draws each letter with the first family of such a list that has it.
    """
    # Matplotlib caches its list, which may name fonts that were removed since.
    installed = {entry.name for entry in _font_manager().ttflist if Path(entry.fname).is_file()}
    return [_LATIN, *(name for name in _FALLBACKS if name in installed)]


def pillow_font(text: str, size_px: int) -> FreeTypeFont:
    """Load the installed font that has most letters of a text; DejaVu Sans if it has all.

    Pillow draws a text with a single font.
    """
    letters = {ord(letter) for letter in text if not letter.isspace()}
    paths = _font_paths()
    best = next((path for path in paths if letters <= _letters_in(path)), None)
    if best is None:
        best = min(paths, key=lambda path: len(letters - _letters_in(path)))
    return _load(best, size_px)


@contextmanager
def readable_text() -> Iterator[None]:
    """Let matplotlib draw the texts that a block adds to figures with the fonts of ``sans_fonts``."""
    import matplotlib

    with matplotlib.rc_context({"font.family": sans_fonts()}):
        yield


def _font_manager() -> FontManager:
    """Import matplotlib's fonts without its note that it lists them, which takes a while the first time."""
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from matplotlib.font_manager import fontManager
    finally:
        logger.setLevel(level)
    return fontManager


def _font_paths() -> list[Path]:
    """Files of the families of ``sans_fonts``, upright and of regular weight where there is one."""
    by_name: dict[str, Path] = {}
    for entry in sorted(_font_manager().ttflist, key=lambda entry: (entry.style != "normal", entry.weight != 400)):
        if Path(entry.fname).is_file():
            by_name.setdefault(entry.name, Path(entry.fname))
    return [_latin_path(), *(by_name[name] for name in sans_fonts()[1:])]


def _latin_path() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@lru_cache
def _letters_in(path: Path) -> frozenset[int]:
    """Code points that a font file has; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@lru_cache
def _load(path: Path, size_px: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(path), size_px)
