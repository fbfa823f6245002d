"""Photographs: upright whatever the camera wrote, bounded whatever the header claims, by content and not by name."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from hicmae_cli.errors import MediaError, MissingDependencyError
from hicmae_cli.media import find_photograph_format, photographs, read_photograph
from hicmae_cli.media.streams import ByteStream
from tests.media.make import corner_picture

KINDS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else [])]
SIDEWAYS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}
"""What a camera stores of an upright picture under each EXIF orientation (CIPA DC-008, 4.6.4)."""


def save(path: Path, picture: NDArray[np.uint8], kind: str, orientation: int | None = None) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    # A file object: Pillow would take the kind from the suffix.
    with path.open("wb") as file:
        Image.fromarray(picture).save(file, kind, exif=exif.tobytes())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_content_tells_a_photograph_whatever_its_name(tmp_path: Path, kind: str) -> None:
    for name in ("a.jpg", "a.mp4", "a"):
        path = save(tmp_path / name, corner_picture(), kind)
        assert find_photograph_format(path) == kind
        assert find_photograph_format(ByteStream(io.BytesIO(path.read_bytes()))) == kind
        picture = read_photograph(path)
        assert np.abs(picture.astype(int) - corner_picture()).mean() < 6


def test_videos_are_not_photographs(tmp_path: Path, sample: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (0, 255)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.mjpeg", "JPEG")
    for path in (tmp_path / "a.png", tmp_path / "a.gif", tmp_path / "a.mjpeg", sample):
        assert find_photograph_format(path) is None
    with pytest.raises(MediaError, match=r"a\.gif: cannot be read as an image: it is not a JPEG"):
        read_photograph(tmp_path / "a.gif")


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_every_orientation_is_made_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = np.ascontiguousarray(SIDEWAYS[orientation](corner_picture()))
    picture = read_photograph(save(tmp_path / "a", stored, kind, orientation))
    assert picture.shape == corner_picture().shape
    assert np.abs(picture.astype(int) - corner_picture()).mean() < 8


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    assert read_photograph(save(tmp_path / "a.jpg", corner_picture(), "JPEG", 77)).shape == (64, 96, 3)


def test_other_kinds_of_pixels_become_rgb(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 64, dtype=np.uint8).repeat(64).reshape(64, 64)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    cut_out = Image.fromarray(np.dstack([grey, grey, grey, grey // 2]))
    palette = Image.fromarray(grey).convert("P")
    palette.info["transparency"] = bytes(range(256))
    for name, image in (("deep", deep), ("cut_out", cut_out), ("grey", Image.fromarray(grey)), ("palette", palette)):
        image.save(tmp_path / f"{name}.png")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = read_photograph(tmp_path / f"{name}.png")
        assert picture.shape == (64, 64, 3)
        assert np.abs(picture[..., 0].astype(int) - grey).max() <= 3, name


def test_a_large_photograph_is_shrunk(tmp_path: Path) -> None:
    wide = np.zeros((20, 9000, 3), np.uint8)
    wide[:, 4500:] = 200
    for kind in ("JPEG", "PNG"):
        picture = read_photograph(save(tmp_path / "a", wide, kind))
        assert picture.shape[1] == 4096
        assert picture[:, :2000].max() < 20 and picture[:, 2100:].min() > 180


def header_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, with hardly a byte of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (9000, 9000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    (tmp_path / "a.png").write_bytes(header_of(*size))
    with pytest.raises(MediaError, match=r"a\.png: ") as caught:
        read_photograph(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_one_line(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    whole = save(tmp_path / "a", rng.integers(0, 256, (40, 40, 3), np.uint8), kind, 6).read_bytes()
    path = tmp_path / "b"
    for trial in range(60):
        data = bytearray(whole)
        if trial % 2:
            del data[int(rng.integers(20, len(data))) :]
        else:
            for at in rng.integers(12, min(len(data), 200), 4):
                data[at] = int(rng.integers(256))
        path.write_bytes(bytes(data))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                picture = read_photograph(path)
            assert picture.dtype == np.uint8 and picture.ndim == 3 and max(picture.shape) <= 4096
        except MediaError as error:
            assert "\n" not in str(error) and str(path) in str(error)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda _: None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(MissingDependencyError, match="HEIC pictures need the package pillow-heif"):
        read_photograph(path)
    monkeypatch.setattr(features, "check", lambda _: False)
    path.write_bytes(b"\0\0\0\x18ftypavif" + bytes(40))
    with pytest.raises(MissingDependencyError, match=r"AVIF pictures need Pillow 11\.3"):
        read_photograph(path)


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_read_where_pillow_can(tmp_path: Path, orientation: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    stored = np.ascontiguousarray(SIDEWAYS[orientation](corner_picture()))
    path = save(tmp_path / "a.heic", stored, "HEIF", orientation)
    assert find_photograph_format(path) == "HEIF"
    picture = read_photograph(path)
    assert np.abs(picture.astype(int) - corner_picture()).mean() < 8


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes with a path")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="not a regular file"):
        find_photograph_format(tmp_path / "a.jpg")
