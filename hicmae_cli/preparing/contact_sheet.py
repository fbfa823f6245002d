"""Draw a page of small face pictures with their names, to check many prepared clips at a glance.

Most of its pictures are random faces. Clips of several people that may show the wrong one follow, each with faces from
several places.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from hicmae_cli.clips.prepared import PICTURE_SUFFIXES, list_face_files, read_face
from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.errors import HicmaeError, MediaError, one_line
from hicmae_cli.files import write_atomically
from hicmae_cli.fonts import pillow_font
from hicmae_cli.media import read_frames_at, read_length_s
from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.preparing.people import is_doubtful

Cell = tuple[NDArray[np.uint8], str, str]
"""A picture (H, W, 3) and two lines of text: the clip's id and its label."""

_TEXT_PX: Final = FACE_SIZE_PX - 3  # letters have soft edges
_LINE_PX: Final = 15
_GAP_PX: Final = 6
_FONT_PX: Final = 12
_BACKGROUND: Final = (24, 24, 24)
_PLACES: Final = 4
"""Pictures of a doubtful clip. A row holds twice as many."""
_MOST_DOUBTFUL: Final = 24
_INKS: Final = ((170, 170, 170), (235, 235, 235))  # id and label


def draw_contact_sheet(cells: Sequence[Cell], columns: int = 8) -> NDArray[np.uint8]:
    """Draw pictures in rows, each above its two lines of text, which are cut to the picture's width.

    Args:
        cells: at least one.
        columns: pictures per row.

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
            text = _fit_text(text, draw, font)
            draw.text((left + 1, top + FACE_SIZE_PX + 1 + number * _LINE_PX), text, ink, font)
    return np.asarray(sheet)


def write_contact_sheet(path: Path, cells: Sequence[Cell], columns: int = 8) -> None:
    """Write a contact sheet as PNG; the same cells give the same bytes.

    Raises:
        HicmaeError: the file cannot be written.
        ValueError: no pictures.
    """
    sheet = Image.fromarray(draw_contact_sheet(cells, columns))
    try:
        with write_atomically(path) as temporary:
            sheet.save(temporary, "PNG")
    except OSError as error:
        raise HicmaeError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_random_faces(manifest: Path, count: int, seed: int) -> list[Cell]:
    """Read pictures (160, 160, 3) from random places of random clips of a manifest, with ids and labels.

    Clips that cannot be read, for example because they have changed, are skipped.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    samples = [s for s in read_manifest(manifest, labelled=False, existing=False) if s.video is not None]
    rng = np.random.default_rng(seed)
    faces: dict[int, NDArray[np.uint8]] = {}
    for index in rng.permutation(len(samples)).tolist():
        if len(faces) == count:
            break
        with suppress(MediaError):
            faces[index] = _read_random_face(samples[index].video, rng)
    return [(faces[index], samples[index].id, samples[index].label) for index in sorted(faces)]


def read_doubtful_faces(manifest: Path, most: int = _MOST_DOUBTFUL) -> list[Cell]:
    """Read four pictures (160, 160, 3) from evenly spaced places of each clip that may show the wrong person.

    Args:
        manifest: a list of prepared clips with the columns that `prepare` measures.
        most: largest number of clips; those whose largest face changes most often come first.

    Returns:
        The pictures of the clips, in the order of the list, with ids, labels and times.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    samples = [s for s in read_manifest(manifest, labelled=False, existing=False) if is_doubtful_sample(s)]
    samples = sorted(samples, key=lambda sample: -int(sample.extra["identity_switches"]))[:most]
    cells: list[Cell] = []
    for sample in sorted(samples, key=lambda sample: sample.id):
        assert sample.video is not None
        with suppress(MediaError):
            length_s = read_length_s(sample.video)
            times_s = [(index + 0.5) / _PLACES * length_s for index in range(_PLACES)]
            faces = read_frames_at(sample.video, times_s)
            cells += [
                (face, sample.id, f"{sample.label} {time_s:.1f} s") for face, time_s in zip(faces, times_s, strict=True)
            ]
    return cells


def join_cells(random: Sequence[Cell], doubtful: Sequence[Cell]) -> list[Cell]:
    """Join random faces and those of doubtful clips, so that the pictures of a clip are in one row."""
    blank = np.full((FACE_SIZE_PX, FACE_SIZE_PX, 3), _BACKGROUND, np.uint8)
    gap = -len(random) % _PLACES if doubtful else 0
    return [*random, *[(blank, "", "")] * gap, *doubtful]


def is_doubtful_sample(sample: Sample) -> bool:
    """Whether a line of a manifest is a clip of several people that may show the wrong one, see `is_doubtful`."""
    try:
        people, switches = (int(sample.extra[name]) for name in ("people_seen", "identity_switches"))
        coverage = float(sample.extra["face_coverage"])
    except (KeyError, ValueError):
        return False
    return is_doubtful(people, switches, coverage)


def _read_random_face(video: Path | None, rng: np.random.Generator) -> NDArray[np.uint8]:
    assert video is not None
    place = float(rng.uniform())
    if video.is_dir():
        files = list_face_files(video)
        return read_face(files[int(place * len(files))])
    if video.suffix.lower() in PICTURE_SUFFIXES:
        return read_face(video)
    return read_frames_at(video, [place * read_length_s(video)])[0]


def _fit_text(text: str, draw: ImageDraw.ImageDraw, font: FreeTypeFont) -> str:
    """Shorten a text to the width of a picture; keep its end, which tells clips of one person apart."""
    if draw.textlength(text, font) <= _TEXT_PX:
        return text
    while text and draw.textlength(f"…{text}", font) > _TEXT_PX:
        text = text[1:]
    return f"…{text}"
