"""Prepared clips: aligned faces and their sound, read from our ``.mkv`` or from the authors' layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips.clip import FACE_SIZE_PX, Clip
from hicmae_cli.clips.log_mel import MIN_SAMPLES, log_mel
from hicmae_cli.clips.views import View, test_views
from hicmae_cli.errors import MediaError
from hicmae_cli.media import SAMPLE_RATE_HZ, probe, read_audio, read_frames, write_video

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
FOLDER_FPS = 25
"""The frame rate that a folder of face pictures is taken to have, as has a clip without any."""


@dataclass(frozen=True)
class PreparedClip:
    """One clip of a manifest.

    Attributes:
        frames: (n, 160, 160, 3) uint8 faces, or the sorted image files to read them from; None without video.
        samples: (m,) float32, 16 kHz mono; None without sound.
    """

    frames: NDArray[np.uint8] | tuple[Path, ...] | None
    samples: NDArray[np.float32] | None

    def __post_init__(self) -> None:
        if self.frames is None and self.samples is None:
            raise ValueError("prepared clip: expected frames or sound, got neither")

    @property
    def num_frames(self) -> int:
        """Frames of the clip; without video, the number 25 frames/s would give."""
        if self.frames is not None:
            return len(self.frames)
        assert self.samples is not None
        return max(1, len(self.samples) * FOLDER_FPS // SAMPLE_RATE_HZ)

    @property
    def num_samples(self) -> int:
        """Samples of the sound, 0 without."""
        return 0 if self.samples is None else len(self.samples)

    def test_clips(self, sampling_rate: int) -> list[Clip]:
        """What the model sees of the clip's test views; views that fall on the same frames share one object."""
        views = test_views(self.num_frames, self.num_samples, sampling_rate)
        clips = {view: self.clip(view) for view in views}
        return [clips[view] for view in views]

    def clip(self, view: View) -> Clip:
        """What the model sees of one view.

        Raises:
            MediaError: an image cannot be read.
        """
        return Clip(video=self.faces(view), audio=self.log_mel(view))

    def faces(self, view: View) -> NDArray[np.uint8] | None:
        """Faces of a view (16, 160, 160, 3), or None."""
        if self.frames is None:
            return None
        faces: dict[int, NDArray[np.uint8]] = {}
        for index in view.frames:
            if index not in faces:
                source = self.frames[index]
                faces[index] = read_face(source) if isinstance(source, Path) else source
        return np.stack([faces[index] for index in view.frames])

    def log_mel(self, view: View) -> NDArray[np.float32] | None:
        """Log-mel of a view (256, 128), or None."""
        if self.samples is None:
            return None
        cut = view.cut_audio(self.samples)
        return log_mel(cut) if len(cut) >= MIN_SAMPLES else None


def read_face(path: Path) -> NDArray[np.uint8]:
    """One face image -> (160, 160, 3) uint8 RGB, squashed by PIL's antialiased bilinear filter.

    Raises:
        MediaError: not an image.
    """
    try:
        with Image.open(path) as image:
            return _to_face_size(image.convert("RGB"))
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image: {error}") from error


def _to_face_size(image: Image.Image) -> NDArray[np.uint8]:
    if image.size != (FACE_SIZE_PX, FACE_SIZE_PX):
        image = image.resize((FACE_SIZE_PX, FACE_SIZE_PX), Image.Resampling.BILINEAR)
    return np.asarray(image)


def face_files(folder: Path) -> tuple[Path, ...]:
    """The face pictures of a clip in the authors' layout, sorted by name.

    Raises:
        MediaError: there are none, or the folder cannot be read.
    """
    try:
        files = tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES))
    except OSError as error:
        raise MediaError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    if not files:
        raise MediaError(f"{folder}: a folder without face frames (expected .jpg or .png files)")
    return files


def read_prepared_clip(video: Path | None, audio: Path | None) -> PreparedClip:
    """Open a clip by the paths of its manifest line.

    Args:
        video: a folder of face frames (sorted by name) or a prepared ``.mkv``; None for sound only.
        audio: a sound file or the same ``.mkv``; None for a silent clip. A ``.mkv`` without sound counts as silent.

    Raises:
        MediaError: a path is missing, unreadable or holds no frames.
    """
    frames: NDArray[np.uint8] | tuple[Path, ...] | None = None
    if video is not None and video.is_dir():
        frames = face_files(video)
    elif video is not None:
        faces = []
        for frame in read_frames(video):
            if frame.rgb.shape[:2] != (FACE_SIZE_PX, FACE_SIZE_PX):
                height, width = frame.rgb.shape[:2]
                raise MediaError(
                    f"{video}: is {width} x {height}, not a prepared clip of {FACE_SIZE_PX} x {FACE_SIZE_PX} aligned "
                    "faces; cut the faces out first"
                )
            faces.append(frame.rgb)
        if not faces:
            raise MediaError(f"{video}: no video frames; a prepared clip or a folder of faces was expected")
        frames = np.stack(faces)
    samples = None
    if audio is not None and (audio != video or probe(audio).has_audio):
        samples = read_audio(audio)
    return PreparedClip(frames, samples)


def write_prepared_clip(
    path: Path,
    faces: Iterable[NDArray[np.uint8]],
    fps: Fraction | int,
    samples: NDArray[np.float32] | Iterable[NDArray[np.float32]] | None,
) -> None:
    """Write one playable ``.mkv``: MJPEG faces (n, 160, 160, 3), one per source frame, and FLAC sound (m,).

    Faces, and sound that comes in blocks, are streamed.

    Raises:
        MediaError: no faces, or the file cannot be written. No file is left then.
    """
    write_video(path, faces, fps, samples, video_codec="mjpeg", audio_codec="flac")
