"""Random windows of unlabelled recordings, for pre-training: 2.56 s of a face and the sound of the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.prepared import FOLDER_FPS, face_files, read_face
from hicmae_cli.errors import MediaError
from hicmae_cli.media import frames_at, read_audio, span_s
from hicmae_cli.media.frames import TIME_TOLERANCE_S
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, FRAME_STEP_S, SAMPLE_RATE_HZ, WINDOW_S, WINDOW_SAMPLES

_DRAWS: Final = 8
_MIN_SOUND_S: Final = 0.5
_BLACK: Final = 16  # no pixel is brighter where no face was found; no picture of a face is as dark


Window = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Faces (16, 160, 160, 3) and their sound (40960,)."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A talking face to draw windows from. There may be a million of them, so it holds little.

    Attributes:
        id: its name in messages.
        video: a video, or a folder of face pictures, 25 for each second, sorted by name.
        audio: its sound from the same time on; None where that is in the video file.
        crop: top, bottom, left, right (px) of the face in the upright picture; None for the whole picture.

    Raises:
        ValueError: a crop without area.
    """

    id: str
    video: Path
    audio: Path | None
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.crop is not None:
            top, bottom, left, right = self.crop
            if not (0 <= top < bottom and 0 <= left < right):
                raise ValueError(f"recording {self.id}: expected a crop top:bottom, left:right, got {self.crop}")


def read_random_window(recording: Recording, rng: np.random.Generator) -> Window:
    """2.56 s from a random place; a recording that is shorter is read from its start, its last frame repeated.

    A window in which more than half of the frames are black (no face was found there), or the sound has ended, is drawn
    again, a few times.

    Args:
        recording: where from.
        rng: all chance comes from it; the same state gives the same window.

    Returns:
        Faces (16, 160, 160, 3) uint8, 0.16 s apart, and their sound (40960,) float32 at 16 kHz, with silence at the
        end where the recording ends.

    Raises:
        MediaError: a file is missing or unreadable, has no video or no sound, or less than 0.5 s of sound in the
            window; pictures are of another size than 160 x 160 or smaller than the crop; no face after 3 draws.
    """
    files, length_s = _length(recording)
    fault = MediaError(f"{recording.video}: no face in {_DRAWS} windows of {WINDOW_S} s; leave the recording out")
    for _ in range(_DRAWS):
        start_s = float(rng.uniform(0, max(0.0, length_s - WINDOW_S)))
        times_s = [start_s + step * FRAME_STEP_S for step in range(CLIP_FRAMES)]
        pictures = _pictures_at(files, times_s) if files else frames_at(recording.video, times_s)
        faces = np.stack([_face(recording, picture) for picture in pictures])
        if np.sum(faces.max(axis=(1, 2, 3)) < _BLACK) > CLIP_FRAMES // 2:
            continue
        samples = _sound(recording, start_s, has_own=not files)
        if len(samples) >= _MIN_SOUND_S * SAMPLE_RATE_HZ:
            return faces, np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))
        fault = MediaError(
            f"{recording.audio or recording.video}: {len(samples) / SAMPLE_RATE_HZ:.2f} s of sound from "
            f"{start_s:.2f} s on, at least {_MIN_SOUND_S} s are needed"
        )
    raise fault


def read_only_window(recording: Recording) -> Window | None:
    """The window of a recording that is no longer than one, the same wherever it is drawn; None for a longer one.

    ``read_random_window`` takes one number from its generator for it.

    Raises:
        MediaError: as ``read_random_window``.
    """
    if _length(recording)[1] > WINDOW_S:
        return None
    return read_random_window(recording, np.random.default_rng(0))


def _length(recording: Recording) -> tuple[tuple[Path, ...], float]:
    """Face pictures, where the recording is a folder of them, and seconds."""
    files = face_files(recording.video) if _is_folder(recording.video) else ()
    return files, len(files) / FOLDER_FPS if files else span_s(recording.video)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # a name that is too long
        raise MediaError(f"{path}: cannot be opened ({error.strerror}); check the path") from error


def _pictures_at(files: Sequence[Path], times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    """The face pictures on display at some times."""
    return [read_face(files[min(int((time_s + TIME_TOLERANCE_S) * FOLDER_FPS), len(files) - 1)]) for time_s in times_s]


def _face(recording: Recording, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The face in a picture (H, W, 3) -> (160, 160, 3)."""
    height, width = picture.shape[:2]
    if recording.crop is not None:
        top, bottom, left, right = recording.crop
        if bottom > height or right > width:
            raise MediaError(
                f"{recording.video}: is {width} x {height}, too small for the crop to columns {left} to {right} "
                f"and rows {top} to {bottom}"
            )
        picture = picture[top:bottom, left:right]
    if picture.shape[:2] != (FACE_SIZE_PX, FACE_SIZE_PX):
        cut = "" if recording.crop is None else f", cropped {picture.shape[1]} x {picture.shape[0]}"
        raise MediaError(
            f"{recording.video}: is {width} x {height}{cut}, not {FACE_SIZE_PX} x {FACE_SIZE_PX} pictures of a face; "
            "cut the faces out first"
        )
    return picture


def _sound(recording: Recording, start_s: float, has_own: bool) -> NDArray[np.float32]:
    """The sound of the window, (40960,) or less where it ends."""
    if recording.audio is None and not has_own:
        raise MediaError(f"{recording.video}: a folder of pictures without a sound file beside it")
    source = recording.audio or recording.video
    return read_audio(source, start_s, start_s + WINDOW_S)[:WINDOW_SAMPLES]
