"""Write a prediction as a video: its own pictures with what was predicted drawn on them, and its own sound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.media import Frame, write_video
from hicmae_cli.media.frames import TimedPicture, read_pictures
from hicmae_cli.media.playback import open_playback
from hicmae_cli.media.source import find_video, open_media
from hicmae_cli.report.original import find_original
from hicmae_cli.report.overlay_drawing import Overlay
from hicmae_cli.report.prediction import Prediction

_SMALLEST_PX: Final = 480  # of the shorter side; on smaller pictures the words would cover the faces
_LARGEST_PX: Final = 1920  # of the longer side; what all browsers play
_SOUND_SIZE_PX: Final = (480, 854)  # height and width of the picture for sound only
_SOUND_FPS: Final = 10
_SOUND_COLOUR: Final = (30, 34, 40)
_USUAL_FPS: Final = 25.0
_CRF: Final = 21


def write_overlay(prediction: Prediction, path: Path) -> None:
    """Write the video of a prediction of one file: H.264 and AAC in MP4, which browsers play.

    It shows the part of the file that was predicted, with the frames' own distances in time, upright. A sound file gets
    a plain picture. Memory does not grow with the length.

    Raises:
        MediaError: the file is gone or cannot be read, or the video cannot be written.
    """
    (file,) = prediction.files
    file = replace(file, path=find_original(file))
    prediction = replace(prediction, files=(file,))
    settings = prediction.settings
    cannot = prediction.model.info.cannot_judge
    caption = f"{prediction.model.name}{f' cannot judge {cannot}' if cannot else ''}"
    with open_media(file.path) as container:
        # A video of which no picture could be decoded was predicted from the sound.
        has_video = file.width_px is not None and find_video(container) is not None
    frames = _draw_video(prediction, caption) if has_video else _draw_plain(prediction, caption)
    fps = (file.fps or _USUAL_FPS) if has_video else _SOUND_FPS
    sound = open_playback(file.path, settings.start_s, settings.end_s)
    if sound is None:
        write_video(path, frames, fps, crf=_CRF)
    else:
        write_video(path, frames, fps, sound.blocks, audio_rate_hz=sound.rate_hz, audio_codec="aac", crf=_CRF)


def _draw_video(prediction: Prediction, caption: str) -> Iterator[Frame]:
    """Yield the pictures of the predicted part with the drawings; the first one at 0 s."""
    (file,) = prediction.files
    start_s, end_s = prediction.settings.start_s, prediction.settings.end_s
    overlay: Overlay | None = None
    size: tuple[int, int] | None = None

    def draw(timed: TimedPicture, time_s: float) -> Frame:
        nonlocal overlay, size
        rgb = timed.to_rgb()
        size = size or _choose_size(*rgb.shape[:2])
        picture = _resize(rgb, size)
        overlay = overlay or Overlay(file, prediction.settings, caption, size[1], size[0])
        overlay.draw(picture, time_s)
        return Frame(time_s - start_s, picture)

    shown: TimedPicture | None = None  # on display when the part starts
    for timed in read_pictures(file.path):
        time_s = float(timed.time_s)
        if end_s is not None and time_s >= end_s:
            break
        if time_s < start_s:
            shown = timed
            continue
        if shown is not None and time_s > start_s:
            yield draw(shown, start_s)
        shown = None
        yield draw(timed, time_s)
    if shown is not None:
        yield draw(shown, start_s)


def _draw_plain(prediction: Prediction, caption: str) -> Iterator[Frame]:
    """Yield a plain picture for each tenth of a second of a sound."""
    (file,) = prediction.files
    start_s = prediction.settings.start_s
    end_s = max(window.end_s for track in file.tracks for window in track.windows)
    height, width = _SOUND_SIZE_PX
    overlay = Overlay(file, prediction.settings, caption, width, height)
    for index in range(math.ceil((end_s - start_s) * _SOUND_FPS)):
        picture = np.full((height, width, 3), _SOUND_COLOUR, np.uint8)
        overlay.draw(picture, start_s + index / _SOUND_FPS)
        yield Frame(index / _SOUND_FPS, picture)


def _choose_size(height_px: int, width_px: int) -> tuple[int, int]:
    """Return height and width to draw in: enlarged if small, shrunk if large."""
    scale = max(1.0, _SMALLEST_PX / min(height_px, width_px))
    scale = min(scale, _LARGEST_PX / max(height_px, width_px))
    return max(2, round(height_px * scale / 2) * 2), max(2, round(width_px * scale / 2) * 2)


def _resize(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture of this height and width, and never the same array: others may share it."""
    if rgb.shape[:2] == size:
        return rgb.copy()
    smaller = size[0] < rgb.shape[0]
    resized = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized, np.uint8)
