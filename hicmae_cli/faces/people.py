"""Name the people of an input after photographs of them, or leave them without a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError, SettingsError
from hicmae_cli.faces.align import align_face
from hicmae_cli.faces.detector import FaceDetector
from hicmae_cli.faces.linker import SAME_TEXTURE, TEXTURE_MARGIN, SeenPerson
from hicmae_cli.faces.stills import detect_in_photograph
from hicmae_cli.faces.texture import describe_texture
from hicmae_cli.files import compute_sha256
from hicmae_cli.media import PICTURE_SUFFIXES, list_media, read_photograph

Textures = Sequence[NDArray[np.float32]]

# A second face in a photograph must be smaller than this share of the largest.
_BYSTANDER: Final = 0.6
# The looks of a person that resemble a photograph best count; a turned head resembles nobody.
_BEST_LOOKS: Final = 3


def read_people(
    folder: Path, open_detector: Callable[[], AbstractContextManager[FaceDetector]]
) -> dict[str, tuple[NDArray[np.float32], ...]]:
    """Read photographs of people whose names are known.

    Args:
        folder: holds ``NAME.jpg``, or folders ``NAME`` with photographs of one person each.
        open_detector: opens a face finder, for each photograph.

    Returns:
        Textures of each person's photographs, by name.

    Raises:
        SettingsError: there is no such folder or no photograph in it, or a photograph does not show one face.
        HicmaeError: a photograph cannot be read.
    """
    if not folder.is_dir():
        raise SettingsError(f"people={str(folder)!r}: no such folder; expected photographs NAME.jpg or NAME/*.jpg")
    people: dict[str, list[NDArray[np.float32]]] = {}
    for path in _list_photographs(folder):
        inside = path.relative_to(folder)
        name = inside.parts[0] if len(inside.parts) > 1 else path.stem
        people.setdefault(name, []).append(_read_texture(path, open_detector))
    if not people:
        raise SettingsError(f"people={str(folder)!r}: has no photographs; expected NAME.jpg or NAME/*.jpg")
    return {name: tuple(textures) for name, textures in sorted(people.items())}


def hash_photographs(folder: Path) -> str:
    """Hash the photographs of `read_people` with their names -> SHA-256 in hexadecimal.

    Raises:
        SettingsError: a photograph cannot be read.
    """
    try:
        files = {path.relative_to(folder).as_posix(): compute_sha256(path) for path in _list_photographs(folder)}
    except OSError as error:
        raise SettingsError(f"people={str(folder)!r}: {error.filename}: {error.strerror}") from error
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def name_people(seen: Mapping[int, SeenPerson], known: Mapping[str, Textures]) -> dict[int, str]:
    """Name the people of an input; who resembles nobody, or two people, gets no name.

    A name goes to the person who resembles its photographs most, and also to another one who resembles them enough
    and was never in one picture with the first: somebody whom the tracks have lost and found again.

    Args:
        seen: the people, by id.
        known: textures of photographs, by name.

    Returns:
        Names by id.
    """
    claims = []
    for number, person in seen.items():
        found = match_name(person.textures, known)
        if found is not None:
            claims.append((found[1], number, found[0]))
    names: dict[int, str] = {}
    for _, number, name in sorted(claims, reverse=True):
        if not any(names.get(other) == name for other in seen[number].met):
            names[number] = name
    return names


def match_name(textures: Textures, known: Mapping[str, Textures]) -> tuple[str, float] | None:
    """Find whose photographs resemble a person -> the name and the similarity; None if that is not clear.

    The similarity is the mean of the person's three best looks. It must exceed ``SAME_TEXTURE``, and that of the next
    name by ``TEXTURE_MARGIN``.

    Args:
        textures: of the person's looks.
        known: textures of photographs, by name.
    """
    if not textures or not known:
        return None
    looks = np.stack(textures)
    scores = {
        name: float(np.sort((looks @ np.stack(photographs).T).max(axis=1))[-_BEST_LOOKS:].mean())
        for name, photographs in known.items()
    }
    (name, best), *rest = sorted(scores.items(), key=lambda item: -item[1])
    is_clear = not rest or best - rest[0][1] > TEXTURE_MARGIN
    return (name, best) if best > SAME_TEXTURE and is_clear else None


def _list_photographs(folder: Path) -> list[Path]:
    listing = list_media(folder, PICTURE_SUFFIXES)
    return [*listing.files, *listing.links]


def _read_texture(path: Path, open_detector: Callable[[], AbstractContextManager[FaceDetector]]) -> NDArray[np.float32]:
    try:
        rgb = read_photograph(path)
    except HicmaeError as error:
        raise SettingsError(f"{error}; `people` needs photographs that can be read") from error
    with open_detector() as detector:
        faces = detect_in_photograph(rgb, detector)
    if not faces:
        raise SettingsError(f"{path}: no face was found; `people` needs photographs with one face each")
    if len(faces) > 1 and faces[1].size_px > _BYSTANDER * faces[0].size_px:
        raise SettingsError(
            f"{path}: shows {len(faces)} faces; `people` needs photographs with one face each: cut out the right one"
        )
    return describe_texture(align_face(rgb, faces[0].landmarks_px))
