"""Random windows of unlabelled recordings for pre-training: 2.56 s of a face and the sound of the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.clip import find_black_frames
from hicmae_cli.clips.prepared import FOLDER_FPS, list_face_files, read_face
from hicmae_cli.errors import MediaError
from hicmae_cli.media import read_audio, read_frames_at, read_length_s
from hicmae_cli.media.frames import TIME_TOLERANCE_S
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, FRAME_STEP_S, SAMPLE_RATE_HZ, WINDOW_S, WINDOW_SAMPLES

_DRAWS: Final = 8
_MIN_SOUND_S: Final = 0.5


class RandomWindow(NamedTuple):
    """2.56 s of a recording.

    Attributes:
        faces: (16, 160, 160, 3) uint8, 0.16 s apart.
        samples: (40960,) float32 at 16 kHz, silent after the end of the recording.
    """

    faces: NDArray[np.uint8]
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """A talking face to draw windows from. A list may have a million of them, so it holds little.

    Attributes:
        id: name in messages.
        video: a video, or a folder of face pictures (25 a second, sorted by name).
        audio: the sound, which starts with the video; None if it is in the video file.
        crop: top, bottom, left, right (px) of the face in the upright picture; None for the whole picture.

    Raises:
        ValueError: the crop has no area.
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


def read_random_window(recording: Recording, rng: np.random.Generator) -> RandomWindow:
    """Read 2.56 s from a random position; a shorter recording is read from its start, its last frame repeated.

    If more than half of the window's frames are black (no face was found in them) or its sound has ended, another
    window is drawn, up to 8 in all.

    Args:
        recording: the recording.
        rng: the source of all randomness; the same state gives the same window.

    Raises:
        MediaError: a file is missing or unreadable or has no video or no sound; the pictures are not 160 x 160 after
            the crop, or smaller than the crop; or none of the windows has a face and 0.5 s of sound.
    """
    files, length_s = _measure_length(recording)
    fault = MediaError(f"{recording.video}: no face in {_DRAWS} windows of {WINDOW_S} s; exclude the recording")
    for _ in range(_DRAWS):
        start_s = float(rng.uniform(0, max(0.0, length_s - WINDOW_S)))
        times_s = [start_s + step * FRAME_STEP_S for step in range(CLIP_FRAMES)]
        pictures = _read_pictures_at(files, times_s) if files else read_frames_at(recording.video, times_s)
        faces = np.stack([_crop_face(recording, picture) for picture in pictures])
        if find_black_frames(faces).sum() > CLIP_FRAMES // 2:
            continue
        samples = _read_sound(recording, start_s, has_own=not files)
        if len(samples) >= _MIN_SOUND_S * SAMPLE_RATE_HZ:
            return RandomWindow(faces, np.pad(samples, (0, WINDOW_SAMPLES - len(samples))))
        fault = MediaError(
            f"{recording.audio or recording.video}: {len(samples) / SAMPLE_RATE_HZ:.2f} s of sound from "
            f"{start_s:.2f} s on, expected at least {_MIN_SOUND_S} s"
        )
    raise fault


def read_whole_window(recording: Recording) -> RandomWindow | None:
    """Read the only window of a recording of at most 2.56 s; None for a longer recording.

    ``read_random_window`` returns the same window for any generator, and takes one number from it.

    Raises:
        MediaError: as in ``read_random_window``.
    """
    if _measure_length(recording)[1] > WINDOW_S:
        return None
    return read_random_window(recording, np.random.default_rng(0))


def _measure_length(recording: Recording) -> tuple[tuple[Path, ...], float]:
    """Return the face pictures, if the recording is a folder of them, and the length in seconds."""
    files = list_face_files(recording.video) if _is_folder(recording.video) else ()
    return files, len(files) / FOLDER_FPS if files else read_length_s(recording.video)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        # A name that is too long.
        raise MediaError(f"{path}: cannot be opened ({error.strerror}); check the path") from error


def _read_pictures_at(files: Sequence[Path], times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
    """Read the face pictures on display at some times."""
    return [read_face(files[min(int((time_s + TIME_TOLERANCE_S) * FOLDER_FPS), len(files) - 1)]) for time_s in times_s]


def _crop_face(recording: Recording, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the face out of a picture (H, W, 3) -> (160, 160, 3)."""
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
            "prepare the video first"
        )
    return picture


def _read_sound(recording: Recording, start_s: float, has_own: bool) -> NDArray[np.float32]:
    """Read the window's sound: (40960,), or less if the sound ends before."""
    if recording.audio is None and not has_own:
        raise MediaError(f"{recording.video}: a folder of pictures without a sound file beside it")
    source = recording.audio or recording.video
    return read_audio(source, start_s, start_s + WINDOW_S)[:WINDOW_SAMPLES]
