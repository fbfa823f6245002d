"""Faces that are cropped already: a folder of pictures for a clip, used as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from hicmae_cli.clips.prepared import FOLDER_FPS, list_face_files
from hicmae_cli.errors import MediaError
from hicmae_cli.model_input import FRAME_STEP_S
from hicmae_cli.preparing.measuring import ClipFacts, Meter, OnProgress, Source, UnusableError, ignore_progress


@dataclass(frozen=True)
class FrameFolder:
    """A clip whose faces are already cropped: a folder of pictures, and the file that holds its sound."""

    folder: Path
    sound: Path


def examine_frames(folder: Path, sound: Path, on_progress: OnProgress = ignore_progress) -> ClipFacts:
    """Check whether a folder of face pictures and a sound file can be used as they are; decode every picture.

    Args:
        folder: face pictures, all of one size.
        sound: a file with the clip's sound.
        on_progress: called with the number of pictures read so far; see `prepare_clip`.

    Raises:
        UnusableError: the folder or the sound is missing, or the sound is shorter than 0.16 s.
        MediaError: no pictures, pictures of different sizes, or something is unreadable.
    """
    for path in (folder, sound):
        if not path.exists():
            raise UnusableError("missing", f"{path}: no such file or folder; check the path")
    files = list_face_files(folder)
    first: tuple[int, int] | None = None
    for count, file in enumerate(files, start=1):
        size = _picture_size(file)
        first = first or size
        on_progress(count)
        if size != first:
            raise MediaError(
                f"{file}: is {size[0]} x {size[1]}, but {files[0].name} is {first[0]} x {first[1]}; all pictures of a "
                "clip must have the same size"
            )
    measured = Meter(Source(folder, sound), Fraction(FOLDER_FPS), on_progress)
    measured.end_faces(len(files))
    for _ in measured.sound():
        pass
    # A folder of pictures has no frame rate.
    facts = replace(measured.measure(whole=False), fps=None)
    if facts.sound_s < FRAME_STEP_S:
        raise UnusableError("short", f"{sound}: {facts.sound_s:.2f} s of sound; a clip needs at least {FRAME_STEP_S} s")
    return facts


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            image.load()  # the header of a truncated picture still has its size
            return image.size
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image: {error}") from error
