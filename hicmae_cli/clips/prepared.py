"""Prepared clips: aligned faces and their sound, read from our ``.mkv``, a picture, or the authors' layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips.clip import Clip
from hicmae_cli.clips.log_mel import MIN_SAMPLES, compute_log_mel
from hicmae_cli.clips.stills import animate_still
from hicmae_cli.clips.views import (
    View,
    draw_timed_view,
    draw_training_view,
    select_evaluation_views,
    select_timed_views,
)
from hicmae_cli.errors import MediaError
from hicmae_cli.media import Stills, read_audio, read_audio_if_any, read_frames, read_stills, write_video
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, FRAME_STEP_S, SAMPLE_RATE_HZ

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp"))
"""Of the face pictures of a clip, and of a still."""
FOLDER_FPS = 25
"""Assumed frame rate of a folder of face pictures without sound, and of a clip without pictures."""
# Pictures in a folder last as long as its sound, unless this would be no camera's frame rate.
_LOWEST_FPS, _HIGHEST_FPS = 5, 130

Frames: TypeAlias = NDArray[np.uint8] | tuple[Path, ...] | Stills


@dataclass(frozen=True)
class PreparedClip:
    """One clip of a manifest.

    Attributes:
        frames: (n, 160, 160, 3) uint8 faces, or their source, decoded on demand: the pictures of a video, or sorted
            image files; None without video.
        samples: (m,) float32, 16 kHz mono; None without sound.
        timestamps_s: (n,) seconds at which each frame appears, rising from 0; None if no file says so. See `times_s`.
        is_still: whether ``frames`` is one picture that is shown as long as the sound, and moves a little
            (``clips/stills.py``).
    """

    frames: Frames | None
    samples: NDArray[np.float32] | None
    timestamps_s: NDArray[np.float64] | None = None
    is_still: bool = False

    def __post_init__(self) -> None:
        if self.frames is None and self.samples is None:
            raise ValueError("prepared clip: expected frames or sound, got neither")
        if self.is_still and (self.frames is None or len(self.frames) != 1):
            raise ValueError("prepared clip: expected one picture as a still")

    @property
    def num_frames(self) -> int:
        """Number of frames; the number at 25 frames/s for sound without video, or with a still."""
        if self.frames is not None and not self.is_still:
            return len(self.frames)
        return max(1, self.num_samples * FOLDER_FPS // SAMPLE_RATE_HZ)

    @property
    def num_samples(self) -> int:
        """Number of samples; 0 without sound."""
        return 0 if self.samples is None else len(self.samples)

    @property
    def times_s(self) -> NDArray[np.float64]:
        """When each frame appears (n,), by the timestamps of the file.

        Pictures without timestamps are spread evenly over the sound, or come at 25 frames/s.
        """
        if self.timestamps_s is not None:
            return self.timestamps_s
        step_s = 1 / FOLDER_FPS
        if self.frames is not None and self.samples is not None:
            even_s = self.num_samples / SAMPLE_RATE_HZ / self.num_frames
            step_s = even_s if 1 / _HIGHEST_FPS <= even_s <= 1 / _LOWEST_FPS else step_s
        return np.arange(self.num_frames, dtype=np.float64) * step_s

    @property
    def frame_s(self) -> float:
        """Mean time from one frame to the next."""
        times_s = self.times_s
        return float(times_s[-1] / (len(times_s) - 1)) if len(times_s) > 1 else 1 / FOLDER_FPS

    @property
    def length_s(self) -> float:
        """When the clip ends: the end of its sound if the last frame ends at about the same time, else of that frame.

        At another frame rate, the last frame of a recording ends up to a frame earlier or later, but not the sound.
        """
        video_s, sound_s = float(self.times_s[-1]) + self.frame_s, self.num_samples / SAMPLE_RATE_HZ
        return sound_s if abs(sound_s - video_s) < FRAME_STEP_S else video_s

    def select_evaluation_views(self, frame_stride: int | None) -> list[View]:
        """Select the two test views.

        Args:
            frame_stride: take every n-th frame; None to choose by time, one frame every 0.16 s.
        """
        if frame_stride is None:
            return select_timed_views(self.times_s, self.length_s, self.num_samples)
        return select_evaluation_views(self.num_frames, self.num_samples, frame_stride)

    def draw_training_view(self, frame_stride: int | None, rng: np.random.Generator) -> View:
        """Draw a random view to train on; ``frame_stride`` as in `select_evaluation_views`."""
        if frame_stride is None:
            return draw_timed_view(self.times_s, self.length_s, self.num_samples, rng)
        return draw_training_view(self.num_frames, self.num_samples, frame_stride, rng)

    def read_evaluation_clips(self, frame_stride: int | None, modality: str = "av") -> list[Clip]:
        """Read the model's inputs of the two test views; equal views share one object.

        Args:
            frame_stride: as in `select_evaluation_views`.
            modality: the streams that are used. The other one is not read, unless a view lacks the one that is used.

        Raises:
            MediaError: a picture cannot be read.
        """
        views = self.select_evaluation_views(frame_stride)
        skips_sound = modality == "video" and self.frames is not None
        mels = {view: None if skips_sound else self._compute_log_mel(view) for view in dict.fromkeys(views)}
        faces = None
        if modality != "audio" or any(mel is None for mel in mels.values()):
            faces = self._decode([frame for view in views for frame in view.frames], exact=True)
        clips = {view: Clip(None if faces is None else self._show(faces, view), mel) for view, mel in mels.items()}
        return [clips[view] for view in views]

    def decode_faces(
        self, view: View, *, exact: bool = True, rng: np.random.Generator | None = None, still_frames: int = CLIP_FRAMES
    ) -> NDArray[np.uint8] | None:
        """Decode the faces (16, 160, 160, 3) of a view and no others; None without video.

        Args:
            view: the view.
            exact: see ``Stills.decode``.
            rng: draws the motion of a still, and nothing for other clips; by default the motion follows from the
                picture.
            still_frames: number of frames of a still.

        Raises:
            MediaError: a picture cannot be read, or the image files have different sizes.
        """
        faces = self._decode(view.frames, exact=exact)
        return None if faces is None else self._show(faces, view, rng, still_frames)

    def _show(
        self,
        faces: Mapping[int, NDArray[np.uint8]],
        view: View,
        rng: np.random.Generator | None = None,
        still_frames: int = CLIP_FRAMES,
    ) -> NDArray[np.uint8]:
        """Put the faces of a view in order; those of a still move."""
        if not self.is_still:
            return np.stack([faces[index] for index in view.frames])
        return animate_still(faces[0], rng, still_frames)

    def _decode(self, frames: Sequence[int], *, exact: bool) -> dict[int, NDArray[np.uint8]] | None:
        """Decode each frame once -> faces by frame index."""
        if self.frames is None:
            return None
        wanted = [0] if self.is_still else sorted(set(frames))
        return dict(zip(wanted, _decode(self.frames, wanted, exact=exact), strict=True))

    def decode_all(self, *, exact: bool = True) -> PreparedClip:
        """Return the same clip with all faces in memory (77 kB a frame), for repeated reading.

        Raises:
            MediaError: a picture cannot be read, or the image files have different sizes.
        """
        if self.frames is None or isinstance(self.frames, np.ndarray):
            return self
        return replace(self, frames=np.stack(_decode(self.frames, range(len(self.frames)), exact=exact)))

    def _compute_log_mel(self, view: View) -> NDArray[np.float32] | None:
        """Compute the log-mel (256, 128) of a view; None without sound."""
        if self.samples is None:
            return None
        cut = view.cut_audio(self.samples)
        return compute_log_mel(cut) if len(cut) >= MIN_SAMPLES else None


def _decode(frames: Frames, indices: Sequence[int], *, exact: bool = True) -> list[NDArray[np.uint8]]:
    """Decode some faces of a clip, (160, 160, 3) each."""
    if isinstance(frames, Stills):
        return frames.decode(indices, exact=exact)
    if isinstance(frames, np.ndarray):
        return [frames[index] for index in indices]
    return read_faces([frames[index] for index in indices])


def read_face(path: Path) -> NDArray[np.uint8]:
    """Read one face image -> (160, 160, 3) uint8 RGB, resized with PIL's antialiased bilinear filter.

    Raises:
        MediaError: the file is not an image.
    """
    return _read_face(path)[0]


def read_faces(files: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Read the face images of one clip; see ``read_face``.

    Raises:
        MediaError: a file is not an image, or the sizes differ: these are not aligned faces of one video.
    """
    faces: list[NDArray[np.uint8]] = []
    first_size: tuple[int, int] | None = None
    for path in files:
        face, size = _read_face(path)
        first_size = first_size or size
        if size != first_size:
            raise MediaError(
                f"{path}: is {size[0]} x {size[1]} but {files[0].name} is {first_size[0]} x {first_size[1]}; the "
                "pictures of a clip must have one size"
            )
        faces.append(face)
    return faces


def _read_face(path: Path) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a face (160, 160, 3), and its width and height (px) before resizing."""
    try:
        with Image.open(path) as image:
            return _to_face_size(image.convert("RGB")), image.size
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image: {error}") from error


def read_picture_size(path: Path) -> tuple[int, int]:
    """Read width and height (px) of a picture, as its file stores them, without decoding it.

    Raises:
        MediaError: the file is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image: {error}") from error


def _to_face_size(image: Image.Image) -> NDArray[np.uint8]:
    if image.size != (FACE_SIZE_PX, FACE_SIZE_PX):
        image = image.resize((FACE_SIZE_PX, FACE_SIZE_PX), Image.Resampling.BILINEAR)
    return np.asarray(image)


def list_face_files(folder: Path) -> tuple[Path, ...]:
    """List the face pictures of a clip in the authors' layout, sorted by name.

    Raises:
        MediaError: there are none, or the folder cannot be read.
    """
    try:
        files = tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES))
    except OSError as error:
        raise MediaError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    if not files:
        raise MediaError(f"{folder}: a folder without face frames (expected .jpg or .png files)")
    return files


def read_prepared_clip(video: Path | None, audio: Path | None) -> PreparedClip:
    """Open a clip by the paths of its manifest line.

    The whole sound is read now; faces are decoded on demand.

    Args:
        video: a prepared ``.mkv``, a picture of an aligned face (a still), or a folder of face frames (sorted by name);
            None for sound only.
        audio: a sound file or the same ``.mkv``; None for a silent clip. A ``.mkv`` without sound counts as silent.

    Raises:
        MediaError: a path is missing or unreadable, or has no frames.
    """
    if video is None or video.is_dir():
        frames = None if video is None else list_face_files(video)
        return PreparedClip(frames, None if audio is None else read_audio(audio))
    if video.suffix.lower() in PICTURE_SUFFIXES:
        _check_size(video, *read_picture_size(video))
        return PreparedClip((video,), None if audio is None else read_audio(audio), is_still=True)
    one_file = audio == video
    stills = read_stills(video, with_sound=one_file)
    if stills is not None:
        _check_size(video, stills.width_px, stills.height_px)
    faces, times_s = _read_video_faces(video) if stills is None else (stills, stills.times_s)
    if audio is None or not one_file:
        return PreparedClip(faces, None if audio is None else read_audio(audio), times_s)
    return PreparedClip(faces, read_audio_if_any(video) if stills is None else stills.samples, times_s)


def _read_video_faces(video: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Decode all faces of a video that ``read_stills`` cannot read, and the times at which they appear."""
    faces, times_s = [], []
    for frame in read_frames(video):
        _check_size(video, frame.width_px, frame.height_px)
        faces.append(frame.rgb)
        times_s.append(frame.time_s)
    if not faces:
        raise MediaError(f"{video}: no video frames, expected a prepared clip or a folder of faces")
    return np.stack(faces), np.array(times_s, np.float64)


def _check_size(video: Path, width_px: int, height_px: int) -> None:
    if (width_px, height_px) != (FACE_SIZE_PX, FACE_SIZE_PX):
        raise MediaError(
            f"{video}: is {width_px} x {height_px}, not a prepared clip of {FACE_SIZE_PX} x {FACE_SIZE_PX} aligned "
            f"faces; prepare the {'picture' if video.suffix.lower() in PICTURE_SUFFIXES else 'video'} first"
        )


def write_prepared_clip(
    path: Path,
    faces: Iterable[NDArray[np.uint8]],
    fps: Fraction | int,
    samples: NDArray[np.float32] | Iterable[NDArray[np.float32]] | None,
) -> None:
    """Write one playable ``.mkv``: MJPEG faces (n, 160, 160, 3), one per source frame, and FLAC sound (m,).

    Faces, and sound that comes in blocks, are streamed.

    Raises:
        MediaError: there are no faces, or the file cannot be written. No file is left behind.
    """
    write_video(path, faces, fps, samples, video_codec="mjpeg", audio_codec="flac")
