"""Read an untrusted photograph: upright, in 8-bit RGB, and never larger than a frame of a video."""

from __future__ import annotations

import struct
import warnings
from importlib.util import find_spec
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, features

from hicmae_cli.errors import MediaError, MissingDependencyError, first_line
from hicmae_cli.media.frames import MAX_SIDE_PX
from hicmae_cli.media.source import MediaPath, open_file
from hicmae_cli.media.streams import StreamReader

MAX_PIXELS: Final = 8192 * 8192
"""Most pixels of a photograph: cameras have up to 50 million, and a decoded picture takes up to 4 bytes for each. A
larger JPEG is decoded at a half, a quarter or an eighth of its size, which counts."""

_HEAD_BYTES: Final = 4096
_BMP_HEADERS: Final = (12, 40, 52, 56, 64, 108, 124)
# Brands of a single picture (ISO/IEC 23008-12; AV1 Image File Format); those of sequences are left to the demuxer.
_BRANDS: Final = {b"heic": "HEIF", b"heix": "HEIF", b"heim": "HEIF", b"heis": "HEIF", b"mif1": "HEIF", b"avif": "AVIF"}
# Endless JPEG pictures are a video, and begin like one picture.
_MOTION_JPEG_SUFFIXES: Final = (".mjpg", ".mjpeg")
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's readers raise on damaged files.
_FAULTS: Final = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


def find_photograph_format(file: MediaPath) -> str | None:
    """Find out from a file's first bytes, not from its name, in which of Pillow's formats it holds a single picture.

    Args:
        file: a local file, or an open stream in its place.

    Returns:
        ``JPEG``, ``PNG``, ``WEBP``, ``BMP``, ``TIFF``, ``HEIF`` or ``AVIF``; None for anything else, and for animated
        PNG and motion JPEG, which are videos.

    Raises:
        MediaError: the file is missing, empty, or not a regular file.
    """
    with open_file(file) as opened:
        head = opened.read(_HEAD_BYTES)
    if head.startswith(b"\xff\xd8\xff"):
        return None if str(file).lower().endswith(_MOTION_JPEG_SUFFIXES) else "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None if b"acTL" in head else "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    return _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None


def read_photograph(file: MediaPath) -> NDArray[np.uint8]:
    """Read a photograph; of a file with several pictures, the first one.

    Args:
        file: a local file, or an open stream in its place.

    Returns:
        (H, W, 3) uint8 RGB, turned as its EXIF orientation says; shrunk if a side exceeds ``MAX_SIDE_PX``.

    Raises:
        MediaError: the file is not a picture, is damaged, or has more than ``MAX_PIXELS`` pixels.
        MissingDependencyError: the format needs a package that is not installed.
    """
    kind = find_photograph_format(file)
    if kind is None:
        raise MediaError(
            f"{file}: cannot be read as an image: it is not a JPEG, PNG, WebP, BMP, TIFF, HEIC or AVIF file"
        )
    _require_reader(file, kind)
    try:
        # Pillow warns of damage that it repairs, and of sizes that are refused here.
        with warnings.catch_warnings(), open_file(file) as opened:
            warnings.simplefilter("ignore")
            return _read(file, opened, kind)
    except _FAULTS as error:
        raise MediaError(f"{file}: cannot be read as an image: {' '.join(first_line(error).split())}") from error


def _read(file: MediaPath, opened: BinaryIO | StreamReader, kind: str) -> NDArray[np.uint8]:
    with Image.open(opened, formats=(kind,)) as image:  # type: ignore[arg-type]
        # The size is known before anything is decoded.
        image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))
        if image.width * image.height > MAX_PIXELS:
            raise MediaError(
                f"{file}: has {image.width} x {image.height} pixels, above the limit of "
                f"{MAX_PIXELS / 1e6:.0f} megapixels; make it smaller"
            )
        # Only then does Pillow know the orientation in every format, and it has turned TIFF pictures itself.
        image.load()
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        rgb = _to_rgb(image)
    if max(rgb.size) > MAX_SIDE_PX:
        rgb.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    return np.asarray(rgb if turn is None else rgb.transpose(turn), np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits a pixel: Pillow would cut off all levels above 255.
        levels = np.asarray(image).astype(np.float32) / 257
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    # Pillow asks for this detour if the palette has transparent colours.
    return (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")


def _require_reader(file: MediaPath, kind: str) -> None:
    """Make Pillow able to read a format.

    Raises:
        MissingDependencyError: it cannot.
    """
    if kind == "HEIF":
        if find_spec("pillow_heif") is None:
            raise MissingDependencyError(
                f"{file}: HEIC pictures need the package pillow-heif: pip install pillow-heif; or save them as JPEG"
            )
        from pillow_heif import register_heif_opener

        register_heif_opener()
    elif kind == "AVIF" and not features.check("avif"):
        raise MissingDependencyError(
            f"{file}: AVIF pictures need Pillow 11.3 or later: pip install -U pillow; or save them as JPEG"
        )
