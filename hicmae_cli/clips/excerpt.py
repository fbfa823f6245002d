"""One window of any video as the model sees it: faces and sound of 2.56 s, cut out in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.log_mel import MIN_SAMPLES, log_mel
from hicmae_cli.errors import MediaError, SettingsError
from hicmae_cli.faces import Face, FaceDetector, TrackLinker, align_face
from hicmae_cli.media import Frame, frames_at, probe, read_audio
from hicmae_cli.media.frames import TIME_TOLERANCE_S
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, FRAME_STEP_S, WINDOW_S, WINDOW_SAMPLES

_BLACK = 16  # compression leaves a frame without a face not quite black; no picture of a face is as dark


@dataclass(frozen=True)
class Excerpt:
    """A window of a video.

    Attributes:
        faces: (16, 160, 160, 3) uint8, black where none was found.
        log_mel: (256, 128) float32.
        start_s: when it begins.
    """

    faces: NDArray[np.uint8]
    log_mel: NDArray[np.float32]
    start_s: float


def read_excerpt(
    path: Path, start_s: float | None, open_detector: Callable[[], AbstractContextManager[FaceDetector]]
) -> Excerpt:
    """Cut a window out of a video. The last frame of a video that is shorter is repeated.

    Args:
        path: a raw video, of which the person with the largest face is taken, or a prepared clip: one of 160 x 160
            pixels, whose pictures are faces already.
        start_s: when the window begins; None for the middle of the video.
        open_detector: makes the face finder, if one is needed.

    Raises:
        MediaError: unreadable, without video or sound, or there is no face or no sound in the window.
        SettingsError: the window does not lie in the video.
    """
    info = probe(path)
    if not info.has_video or not info.has_audio:
        absent = "sound" if info.has_video else "video"
        raise MediaError(f"{path}: no {absent} track; the model rebuilds faces and sound from both")
    latest_s = max(0.0, info.video_duration_s - WINDOW_S)
    if start_s is None:
        start_s = latest_s / 2
    if not 0 <= start_s <= latest_s + TIME_TOLERANCE_S:
        raise SettingsError(
            f"--at {start_s:g}: {path} has {info.video_duration_s:.2f} s of video, in which {WINDOW_S} s begin at "
            f"0 to {latest_s:.2f} s"
        )
    when = f"from {start_s:.2f} to {start_s + WINDOW_S:.2f} s"
    times_s = [start_s + index * FRAME_STEP_S for index in range(CLIP_FRAMES)]
    pictures = frames_at(path, times_s)
    if (info.width_px, info.height_px) == (FACE_SIZE_PX, FACE_SIZE_PX):
        faces = np.stack(pictures)
    else:
        with open_detector() as detector:
            faces = _faces_of(pictures, times_s, detector)
    if faces.max() < _BLACK:
        raise MediaError(f"{path}: no face was found {when}; choose another moment with --at")
    samples = read_audio(path, start_s, start_s + WINDOW_S)[:WINDOW_SAMPLES]
    if len(samples) < MIN_SAMPLES:
        raise MediaError(f"{path}: there is no sound {when}; choose another moment with --at")
    # Silence behind the end, as in pre-training.
    return Excerpt(faces, log_mel(np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))), start_s)


def _faces_of(
    pictures: Sequence[NDArray[np.uint8]], times_s: Sequence[float], detector: FaceDetector
) -> NDArray[np.uint8]:
    """The aligned faces of one person (16, 160, 160, 3): of those seen, whose face fills most of the window."""
    linker = TrackLinker()
    seen: list[dict[int, Face]] = []
    size_px: dict[int, float] = defaultdict(float)
    for picture, time_s in zip(pictures, times_s, strict=True):
        frame = Frame(time_s, picture)
        seen.append(dict(linker.update(frame, detector.detect(frame))))
        for person, face in seen[-1].items():
            size_px[person] += face.size_px
    faces = np.zeros((len(pictures), FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
    if size_px:
        largest = max(size_px, key=lambda person: size_px[person])
        for index, (picture, people) in enumerate(zip(pictures, seen, strict=True)):
            if largest in people:
                faces[index] = align_face(picture, people[largest].landmarks_px)
    return faces
