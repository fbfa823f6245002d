"""Write figures as PNG, SVG or PDF files that appear whole."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli.errors import SettingsError
from hicmae_cli.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#444444"
"""The colour of text and axes."""
PICTURE_SUFFIXES: Final = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Refuse a picture of an unknown format, before the work whose result it shows.

    Raises:
        SettingsError: the suffix is not one of ``PICTURE_SUFFIXES``.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise SettingsError(f"{path}: expected a name that ends in {', '.join(PICTURE_SUFFIXES)}")


def save_figure(figure: Figure, path: Path, dpi: int, *, colours: int = 0) -> None:
    """Write a figure in the format of its suffix; the same figure gives the same bytes.

    Args:
        figure: to write.
        path: .png, .svg or .pdf.
        dpi: dots per inch.
        colours: most colours of a PNG, for a small file; 0 is all of them.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    check_picture(path)
    kind = path.suffix.lower()[1:]
    undated: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    FigureCanvasAgg(figure)
    with write_atomically(path) as temporary, warnings.catch_warnings(), rc_context({"svg.hashsalt": "hicmae"}):
        warnings.filterwarnings("ignore", "Glyph")  # letters that no installed font has become boxes
        warnings.filterwarnings("ignore", "constrained_layout not applied")  # labels that leave no room
        figure.savefig(temporary, dpi=dpi, format=kind, facecolor="white", metadata=undated.get(kind))
        if colours and kind == "png":
            _reduce(temporary, colours)


def _reduce(path: Path, colours: int) -> None:
    """Write a PNG again, with few colours."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    small.save(path, format="PNG", optimize=True)
