"""One window of any video as the model's input: faces and sound of 2.56 s, cut out in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.clip import find_black_frames
from hicmae_cli.clips.log_mel import MIN_SAMPLES, compute_log_mel
from hicmae_cli.errors import MediaError, SettingsError
from hicmae_cli.faces import Face, FaceDetector, TrackLinker, align_face
from hicmae_cli.media import Frame, probe, read_audio, read_frames_at
from hicmae_cli.media.frames import TIME_TOLERANCE_S
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, FRAME_STEP_S, WINDOW_S, WINDOW_SAMPLES


@dataclass(frozen=True)
class Snippet:
    """2.56 s of a video.

    Attributes:
        faces: (16, 160, 160, 3) uint8, black where no face was found.
        log_mel: (256, 128) float32.
        start_s: start time in the video.
    """

    faces: NDArray[np.uint8]
    log_mel: NDArray[np.float32]
    start_s: float


def read_snippet(
    path: Path, at_s: float | None, open_detector: Callable[[], AbstractContextManager[FaceDetector]]
) -> Snippet:
    """Cut a snippet out of a video. The last frame of a shorter video is repeated.

    Args:
        path: a raw video, from which the person with the largest face is taken, or a prepared clip: a video of
            160 x 160 pixels is taken for faces that are aligned already.
        at_s: start time; None for the middle of the video.
        open_detector: opens the face finder; called for raw videos only.

    Raises:
        MediaError: the file is unreadable or has no video or no sound, or the window has no face or no sound.
        SettingsError: the window is not inside the video.
    """
    info = probe(path)
    if not info.has_video or not info.has_audio:
        absent = "sound" if info.has_video else "video"
        raise MediaError(f"{path}: no {absent} track; the model rebuilds faces and sound from both")
    latest_s = max(0.0, info.video_duration_s - WINDOW_S)
    start_s = latest_s / 2 if at_s is None else at_s
    if not 0 <= start_s <= latest_s + TIME_TOLERANCE_S:
        raise SettingsError(
            f"got at_s={start_s:g}, expected 0 to {latest_s:.2f}: {path} has {info.video_duration_s:.2f} s of video "
            f"and a window lasts {WINDOW_S} s"
        )
    when = f"from {start_s:.2f} to {start_s + WINDOW_S:.2f} s"
    times_s = [start_s + index * FRAME_STEP_S for index in range(CLIP_FRAMES)]
    pictures = read_frames_at(path, times_s)
    if (info.width_px, info.height_px) == (FACE_SIZE_PX, FACE_SIZE_PX):
        faces = np.stack(pictures)
    else:
        with open_detector() as detector:
            faces = _align_main_person(pictures, times_s, detector)
    if find_black_frames(faces).all():
        raise MediaError(f"{path}: no face was found {when}; choose another start time")
    samples = read_audio(path, start_s, start_s + WINDOW_S)[:WINDOW_SAMPLES]
    if len(samples) < MIN_SAMPLES:
        raise MediaError(f"{path}: there is no sound {when}; choose another start time")
    # Silence after the end, as in pre-training.
    return Snippet(faces, compute_log_mel(np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))), start_s)


def _align_main_person(
    pictures: Sequence[NDArray[np.uint8]], times_s: Sequence[float], detector: FaceDetector
) -> NDArray[np.uint8]:
    """Align the faces (16, 160, 160, 3) of the person with the largest sum of face sizes over the window."""
    linker = TrackLinker()
    found: list[dict[int, Face]] = []
    size_px: dict[int, float] = defaultdict(float)
    for picture, time_s in zip(pictures, times_s, strict=True):
        frame = Frame(time_s, picture)
        found.append(dict(linker.update(frame, detector.detect(frame))))
        for person, face in found[-1].items():
            size_px[person] += face.size_px
    faces = np.zeros((len(pictures), FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
    if size_px:
        largest = max(size_px, key=lambda person: size_px[person])
        for index, (picture, people) in enumerate(zip(pictures, found, strict=True)):
            if largest in people:
                faces[index] = align_face(picture, people[largest].landmarks_px)
    return faces
