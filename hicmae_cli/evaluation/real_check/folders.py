"""The folders of a check: face crops with labels, and voices with labels, as their manifests list them."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.errors import ManifestError, MediaError, one_line
from hicmae_cli.evaluation.real_check.people import is_in_split
from hicmae_cli.labels import canonical_label
from hicmae_cli.media import read_audio
from hicmae_cli.model_input import FACE_SIZE_PX

MANIFEST: Final = "manifest.csv"
CROPS: Final = "crops.tar"
DESCRIPTIONS: Final = "faces.npz"
_CLEAR: Final = "clear"
_YES: Final = ("1", "yes", "true")
Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Face:
    """One crop of a photo.

    Attributes:
        file: its name in the folder or in ``crops.tar``.
        label: the true emotion.
        person: who is shown.
        source: where the photo is from, such as ``press``.
        clear: whether a reader has confirmed the label; None if nobody has reviewed the labels.
        row: number of its row in the manifest.
    """

    file: str
    label: str
    person: str
    source: str
    clear: bool | None
    row: int


@dataclass(frozen=True)
class Voice:
    """One sound file.

    Attributes:
        file: its name in the folder.
        label: the true emotion.
        person: who speaks.
    """

    file: str
    label: str
    person: str


@dataclass(frozen=True)
class Photos:
    """The photos of a folder.

    Attributes:
        manifest: their list.
        everybody: all of them.
        tested: those that are tested.
    """

    manifest: Path
    everybody: tuple[Face, ...]
    tested: tuple[Face, ...]


@dataclass(frozen=True)
class Sounds:
    """The voices of a folder, as ``Photos``."""

    manifest: Path
    everybody: tuple[Voice, ...]
    tested: tuple[Voice, ...]


def find_manifest(place: Path) -> Path:
    """Return the manifest that a folder or a CSV file stands for."""
    return place / MANIFEST if place.is_dir() else place


def read_faces(manifest: Path, clear: Path | None = None) -> list[Face]:
    """Read the list of crops.

    Args:
        manifest: CSV with the columns ``file``, ``label`` and ``group``; ``source`` and ``clear`` are optional.
        clear: CSV with a column ``file``: the crops with a confirmed label; if it has a column ``verdict``, those whose
            verdict is ``clear``. It replaces the column ``clear``.

    Raises:
        ManifestError: a file cannot be read, has no rows or lacks a column, or ``clear`` names an unknown crop.
    """
    rows = _read_rows(manifest, ("file", "label", "group"))
    confirmed = {row["file"] for row in rows if row.get("clear", "").strip().lower() in _YES}
    reviewed = "clear" in rows[0]
    if clear is not None:
        confirmed = {row["file"] for row in _read_rows(clear, ("file",)) if row.get("verdict", _CLEAR) == _CLEAR}
        reviewed = True
        if unknown := sorted(confirmed - {row["file"] for row in rows}):
            raise ManifestError(
                one_line(f"{clear}: {len(unknown)} files are not in {manifest}, the first is {unknown[0]}")
            )
    return [
        Face(
            row["file"],
            canonical_label(row["label"]),
            row["group"],
            row.get("source", ""),
            row["file"] in confirmed if reviewed else None,
            number,
        )
        for number, row in enumerate(rows)
    ]


def read_voices(manifest: Path) -> list[Voice]:
    """Read the list of voices: a CSV with the columns ``file``, ``label`` and ``speaker``.

    Raises:
        ManifestError: the file cannot be read, has no rows or lacks a column.
    """
    rows = _read_rows(manifest, ("file", "label", "speaker"))
    return [Voice(row["file"], canonical_label(row["label"]), row["speaker"]) for row in rows]


def select_faces(faces: Sequence[Face], split: str) -> list[Face]:
    """Select the crops of the people in a split."""
    return [face for face in faces if is_in_split(face.person, split)]


def select_voices(voices: Sequence[Voice], split: str, speakers: Sequence[str] = ()) -> list[Voice]:
    """Select the voices of the speakers in a split, or of some speakers, whatever split they are in."""
    if speakers:
        return [voice for voice in voices if voice.person in speakers]
    return [voice for voice in voices if is_in_split(voice.person, split)]


@contextmanager
def open_crops(manifest: Path) -> Iterator[Callable[[Face], Crop]]:
    """Open the crops beside a manifest, unpacked or in ``crops.tar``.

    Yields:
        A function that reads a crop (160, 160, 3) RGB. It raises ``MediaError`` for one that is missing, is not a
        picture, or has another size.

    Raises:
        MediaError: ``crops.tar`` is not a tar file.
    """
    archive = manifest.parent / CROPS
    try:
        packed = tarfile.open(archive) if archive.is_file() else None  # noqa: SIM115
        members = {member.name.removeprefix("./"): member for member in packed or () if member.isfile()}
    except (OSError, tarfile.TarError) as error:
        raise MediaError(one_line(f"{archive}: cannot be read as a tar file: {error}")) from error
    try:

        def read(face: Face) -> Crop:
            path = manifest.parent / face.file
            member = members.get(face.file)
            try:
                if packed is not None and member is not None and not path.is_file():
                    content = packed.extractfile(member)
                    assert content is not None, "a member that is a file has content"
                    return _decode(content.read(), face.file)
                return _decode(path.read_bytes(), face.file)
            # Pillow raises the last three for broken and for far too large pictures.
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise MediaError(one_line(f"{path}: is not a picture that can be read: {error}")) from error

        yield read
    finally:
        if packed is not None:
            packed.close()


def read_voice(manifest: Path, voice: Voice) -> NDArray[np.float32]:
    """Read the sound of a voice (n,), 16 kHz mono.

    Raises:
        MediaError: the file cannot be read.
    """
    return read_audio(manifest.parent / voice.file)


def read_blendshapes(manifest: Path, faces: Sequence[Face]) -> NDArray[np.float64]:
    """Read the blendshapes (n, 52) of crops from ``faces.npz``, whose rows are those of the manifest.

    Raises:
        ManifestError: the file is missing or does not fit the manifest.
    """
    path = manifest.parent / DESCRIPTIONS
    try:
        with np.load(path) as stored:
            table = stored["blendshapes"].astype(np.float64)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ManifestError(one_line(f"{path}: expected a table `blendshapes`, one row per crop: {error}")) from error
    if len(table) <= max(face.row for face in faces):
        raise ManifestError(f"{path}: has {len(table)} rows, fewer than {manifest}")
    chosen: NDArray[np.float64] = table[[face.row for face in faces]]
    return chosen


def _decode(content: bytes, name: str) -> Crop:
    with Image.open(io.BytesIO(content)) as picture:
        crop = np.asarray(picture.convert("RGB"))
    if crop.shape != (FACE_SIZE_PX, FACE_SIZE_PX, 3):
        raise MediaError(
            one_line(
                f"{name}: expected an aligned crop of {FACE_SIZE_PX} x {FACE_SIZE_PX} pixels, got "
                f"{crop.shape[1]} x {crop.shape[0]}"
            )
        )
    return crop


def _read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows = list(reader)
            found = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(one_line(f"{path}: cannot be read as a CSV file: {error}")) from error
    if missing := [name for name in columns if name not in found]:
        raise ManifestError(one_line(f"{path}: has no column {', '.join(missing)}; its columns are {', '.join(found)}"))
    if not rows:
        raise ManifestError(one_line(f"{path}: lists no files"))
    return rows
