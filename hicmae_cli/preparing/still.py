"""Prepare one still: a photograph, whose largest face is aligned, or a face that is aligned already."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.errors import DiskError
from hicmae_cli.faces import FaceDetector, align_face, detect_in_photograph
from hicmae_cli.files import write_atomically
from hicmae_cli.media import find_photograph_format, read_photograph
from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.preparing.measuring import ClipFacts, UnusableError

_JPEG_SUFFIXES: Final = (".jpg", ".jpeg")
_JPEG_QUALITY: Final = 95


@dataclass(frozen=True)
class StillFile:
    """A clip that is one picture, without sound."""

    picture: Path

    @property
    def suffix(self) -> str:
        """Suffix of the prepared picture: ``.jpg`` for a JPEG, else ``.png``, which loses nothing."""
        return ".jpg" if self.picture.suffix.lower() in _JPEG_SUFFIXES else ".png"


def prepare_still(source: StillFile, target: Path, make_detector: Callable[[], FaceDetector]) -> ClipFacts:
    """Write the aligned face (160 x 160) of a picture. The same file gives the same bytes.

    A picture of 160 x 160 is an aligned face already: its file is copied as it is. In any other picture, the largest
    face is found and aligned.

    Args:
        source: what to read.
        target: the picture to write, with the suffix of ``source``.
        make_detector: opens a face finder, if it is needed.

    Raises:
        UnusableError: missing, or no face.
        MediaError: unreadable.
        DiskError: the file cannot be written.
    """
    face, facts = _find_face(source, make_detector)
    try:
        with write_atomically(target) as temporary:
            if face is None:
                shutil.copyfile(source.picture, temporary)
            elif source.suffix == ".jpg":
                Image.fromarray(face).save(temporary, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
            else:
                Image.fromarray(face).save(temporary, "PNG")
    except OSError as error:
        raise DiskError(
            f"{target}: cannot be written ({error.strerror}); check the folder and the free space"
        ) from error
    return facts


def examine_still(source: StillFile, make_detector: Callable[[], FaceDetector]) -> ClipFacts:
    """Check whether a picture can be prepared, without writing it; raises as `prepare_still`."""
    return _find_face(source, make_detector)[1]


def _find_face(
    source: StillFile, make_detector: Callable[[], FaceDetector]
) -> tuple[NDArray[np.uint8] | None, ClipFacts]:
    """Return the aligned face of a picture, or None if its file can be copied, and what is known of it."""
    facts = ClipFacts(face_coverage=None, video_s=0.0, sound_s=0.0, is_silent=False)
    rgb, form = _read_picture(source.picture)
    if rgb.shape[:2] == (FACE_SIZE_PX, FACE_SIZE_PX):
        as_it_is = form == ("JPEG" if source.suffix == ".jpg" else "PNG")
        return None if as_it_is else rgb, facts
    with make_detector() as detector:
        faces = detect_in_photograph(rgb, detector)
    if not faces:
        raise UnusableError("no face", f"{source.picture}: no face was found in the picture")
    largest = max(faces, key=lambda face: face.size_px)
    found = ClipFacts(1.0, video_s=0.0, sound_s=0.0, is_silent=False, people_seen=len(faces), identity_switches=0)
    return align_face(rgb, largest.landmarks_px), found


def _read_picture(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Return the pixels (H, W, 3), upright, and the format of the file."""
    if not path.exists():
        raise UnusableError("missing", f"{path}: no such file; check the path")
    return read_photograph(path), find_photograph_format(path) or ""
