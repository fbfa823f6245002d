"""Prepare one clip from a raw video: the aligned face of every frame, with the sound of the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips.prepared import FOLDER_FPS, list_face_files, write_prepared_clip
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import FaceDetector, align_face
from hicmae_cli.media import Frame, MediaInfo, iterate_frames_at, probe, read_audio_blocks, read_frames
from hicmae_cli.model_input import FACE_SIZE_PX, FRAME_STEP_S, SAMPLE_RATE_HZ

VERSION: Final = 2
"""Version of prepared clips; raise it whenever the same video would give another clip."""

FaultKind = Literal["missing", "unreadable", "no face", "no sound", "lengths", "short"]

SILENCE_PEAK: Final = 8 / 32768
"""A clip is silent if its sound never reaches eight steps of 16 bit (-72 dB of full scale).

Eight steps include the dither and codec noise of a muted track, so that a dataset check reports it. Prediction uses one
step instead (``runtime/sound.py``): it must not drop quiet speech, and only skips windows that are digitally zero.
"""
NOTED_GAP_S: Final = 0.1
"""A larger difference between the lengths of audio and video is reported."""
_REFUSED_GAP_S: Final = 0.5
_REFUSED_GAP_SHARE: Final = 0.2
# Times in annotations are rounded, and the last frame lasts for up to this long.
_BEYOND_END_S: Final = 0.5


OnProgress = Callable[[int], None]


def _ignore(frames: int) -> None:
    pass


class UnusableError(MediaError):
    """A clip cannot be prepared; ``fault`` is the kind of fault."""

    def __init__(self, fault: FaultKind, message: str) -> None:
        super().__init__(message)
        self.fault: FaultKind = fault


@dataclass(frozen=True)
class Source:
    """Where a clip comes from.

    Attributes:
        video: a video of one person, or of several with one of them in ``columns``.
        sound: a separate sound file that starts with the clip; None if the sound is in the video.
        start_s: start of the clip in the video. A part of a video needs a separate sound file.
        end_s: its end; None for the end of the video.
        columns: left and right edge of the part of the picture to search, as shares of its width.
        needs_sound: whether to refuse a clip without sound, or with audio and video of different length.

    Raises:
        ValueError: an empty part, or one without a sound file.
    """

    video: Path
    sound: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    columns: tuple[float, float] = (0.0, 1.0)
    needs_sound: bool = False

    def __post_init__(self) -> None:
        left, right = self.columns
        if not 0 <= left < right <= 1:
            raise ValueError(f"{self.video}: expected columns 0 <= left < right <= 1, got {self.columns}")
        if self.is_part and (self.end_s is None or self.sound is None or not 0 <= self.start_s < self.end_s):
            raise ValueError(f"{self.video}: a part needs 0 <= start_s < end_s and a sound file, got {self}")

    @property
    def is_part(self) -> bool:
        """Whether it is less than the whole video."""
        return self.start_s != 0 or self.end_s is not None


@dataclass(frozen=True)
class ClipFacts:
    """Measurements of a clip.

    Attributes:
        face_coverage: share of frames with a face; None if not all frames were searched.
        video_s: length of its video.
        sound_s: length of its sound; 0 without sound.
        is_silent: whether it has a sound track that never reaches ``SILENCE_PEAK``.
        fps: frames per second; None if the journal is older than this number.
    """

    face_coverage: float | None
    video_s: float
    sound_s: float
    is_silent: bool
    fps: float | None = None

    @property
    def gap_s(self) -> float:
        """Length of audio minus length of video; 0 without sound."""
        return self.sound_s - self.video_s if self.sound_s else 0.0


def prepare_clip(
    source: Source | Path, target: Path, detector: FaceDetector, on_progress: OnProgress = _ignore
) -> ClipFacts:
    """Write the prepared form of a raw clip. The same files give the same bytes.

    It aligns the largest face of each frame; a frame without a face becomes black, so that frame i keeps its time. It
    streams frames and sound, so that an hour needs no more memory than a second. After an error it leaves no file.

    If sound is needed, audio and video must not differ by more than half a second and a fifth of the longer one:
    otherwise they do not belong together, or one of them is cut short. The same limit holds for a video that is shorter
    than its header promises.

    Args:
        source: what to read; a path is a whole video of one person.
        target: the ``.mkv`` to write.
        detector: a face finder that was not used for another file.
        on_progress: called with the number of frames read so far: after each frame, and repeatedly while packets or
            sound are read.

    Raises:
        UnusableError: missing, no video, no face in any frame, or, if sound is needed, no sound, different lengths, or
            shorter than 0.16 s.
        MediaError: unreadable, or the file cannot be written.
    """
    source = source if isinstance(source, Source) else Source(source)
    info = _check_source(source, on_progress)
    assert info.fps is not None
    measured = _Meter(source, info.fps, on_progress)
    faces = measured.faces(_iter_frames(source, info, measured.report), detector)
    sound = measured.sound() if source.sound is not None or info.has_audio else None
    write_prepared_clip(target, faces, Fraction(info.fps), sound)
    return measured.measure(whole=True)


def examine_clip(source: Source, detector: FaceDetector, on_progress: OnProgress = _ignore) -> ClipFacts:
    """Check whether a raw clip can be prepared, without writing it: read its frames up to the first face.

    Args:
        source: what to read.
        detector: a face finder that was not used for another file.
        on_progress: see `prepare_clip`.

    Raises:
        UnusableError: as `prepare_clip` would raise, except for faults in frames after the first face.
        MediaError: unreadable.
    """
    info = _check_source(source, on_progress)
    assert info.fps is not None
    measured = _Meter(source, info.fps, on_progress)
    for _ in measured.faces(_iter_frames(source, info, measured.report), detector):
        if measured.found:
            break
    length_s = info.video_duration_s if source.end_s is None else source.end_s - source.start_s
    measured.end_faces(round(length_s * info.fps))
    if source.sound is not None or info.has_audio:
        for _ in measured.sound():
            pass
    return measured.measure(whole=False)


def examine_frames(folder: Path, sound: Path, on_progress: OnProgress = _ignore) -> ClipFacts:
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
    measured = _Meter(Source(folder, sound), Fraction(FOLDER_FPS), on_progress)
    measured.end_faces(len(files))
    for _ in measured.sound():
        pass
    facts = measured.measure(whole=False)
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


class _Meter:
    """Measures frames and sound on their way into the file."""

    def __init__(self, source: Source, fps: Fraction, on_progress: OnProgress) -> None:
        self._source, self._fps, self._on_progress = source, fps, on_progress
        self.frames = self.found = self._samples = 0
        self._peak = 0.0
        self._open = {"faces", "sound"}

    def faces(self, frames: Iterator[Frame], detector: FaceDetector) -> Iterator[NDArray[np.uint8]]:
        """Yield aligned faces, black for frames without one."""
        for frame in frames:
            detected = detector.detect(frame)
            self.frames += 1
            self.report()
            if detected:
                self.found += 1
                yield align_face(frame.rgb, max(detected, key=lambda face: face.size_px).landmarks_px)
            else:
                yield np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
        if not self.found:  # known only now; the caller removes the unfinished file
            raise UnusableError(
                "no face", f"{self._source.video}: no face was found in any of its {self.frames} frames"
            )
        self.end_faces(self.frames)

    def report(self) -> None:
        """Report the number of frames read so far."""
        self._on_progress(self.frames)

    def end_faces(self, frames: int) -> None:
        """Set the number of frames and end the faces."""
        self.frames = frames
        self._end_stream("faces")

    def sound(self) -> Iterator[NDArray[np.float32]]:
        """Yield the sound, which may end before or after the faces."""
        for block in read_audio_blocks(self._source.sound or self._source.video, on_packet=self.report):
            self.report()
            self._samples += len(block)
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
            yield block
        self._end_stream("sound")

    def measure(self, *, whole: bool) -> ClipFacts:
        """Return the measurements; ``whole``: whether all frames were searched."""
        return ClipFacts(
            face_coverage=round(self.found / self.frames, 4) if whole else None,
            video_s=round(float(self.frames / self._fps), 3),
            sound_s=round(self._samples / SAMPLE_RATE_HZ, 3),
            is_silent=self._samples > 0 and self._peak < SILENCE_PEAK,
            fps=round(float(self._fps), 4),
        )

    def _end_stream(self, stream: str) -> None:
        """Compare the lengths once both streams have ended."""
        self._open.discard(stream)
        if self._open or not self._source.needs_sound:
            return
        facts = self.measure(whole=False)
        path = self._source.sound or self._source.video
        if min(facts.video_s, facts.sound_s) < FRAME_STEP_S:
            raise UnusableError(
                "short",
                f"{self._source.video}: {facts.video_s:.2f} s of video and {facts.sound_s:.2f} s of audio; a clip "
                f"needs at least {FRAME_STEP_S} s",
            )
        if _differ_much(abs(facts.gap_s), max(facts.video_s, facts.sound_s)):
            raise UnusableError(
                "lengths",
                f"{path}: {facts.sound_s:.2f} s of audio but {facts.video_s:.2f} s of video; one of them is cut short",
            )


def _differ_much(gap_s: float, whole_s: float) -> bool:
    return gap_s > max(_REFUSED_GAP_S, _REFUSED_GAP_SHARE * whole_s)


def _check_source(source: Source, on_progress: OnProgress) -> MediaInfo:
    """Check that the files exist and belong together, and return the video's properties."""
    for path in (source.video, source.sound):
        if path is not None and not path.exists():
            raise UnusableError("missing", f"{path}: no such file; check the path")
    info = _probe_once(source.video, on_progress)
    if not info.has_video:
        raise MediaError(f"{source.video}: no video track to crop faces from")
    if info.fps is None:
        raise MediaError(
            f"{source.video}: its timestamps claim an impossible frame rate; re-encode it at a constant rate"
        )
    if source.needs_sound and source.sound is None:
        if not info.has_audio:
            raise UnusableError("no sound", f"{source.video}: has no sound that can be decoded")
        if _differ_much(info.missing_s, info.duration_s + info.missing_s):
            raise UnusableError(
                "lengths",
                f"{source.video}: is cut short: its header promises {info.duration_s + info.missing_s:.2f} s, the file "
                f"holds {info.duration_s:.2f} s",
            )
    if source.end_s is not None and source.end_s > info.video_duration_s + _BEYOND_END_S:
        raise UnusableError(
            "lengths",
            f"{source.video}: the clip ends at {source.end_s:.2f} s, the video at {info.video_duration_s:.2f} s",
        )
    return info


_probes: Final[dict[tuple[Path, int, int], MediaInfo]] = {}
_MOST_PROBES: Final = 8


def _probe_once(path: Path, on_progress: OnProgress) -> MediaInfo:
    """Probe a file, or return what an earlier probe of the unchanged file found.

    Clips of one long recording follow each other, and `probe` reads the whole file.
    """
    status = path.stat()
    key = path, status.st_size, status.st_mtime_ns
    if key not in _probes:
        info = probe(path, on_packet=lambda: on_progress(0))
        while len(_probes) >= _MOST_PROBES:
            del _probes[next(iter(_probes))]
        _probes[key] = info
    return _probes[key]


def _iter_frames(source: Source, info: MediaInfo, on_packet: Callable[[], None]) -> Iterator[Frame]:
    """Yield the pictures to search; those of a part come at the video's mean rate, by a seek if possible."""
    if not source.is_part:
        frames = read_frames(source.video)
    else:
        assert source.end_s is not None and info.fps is not None
        count = max(1, round((source.end_s - source.start_s) * info.fps))
        times_s = [float(index / info.fps) for index in range(count)]
        pictures = iterate_frames_at(source.video, [source.start_s + time_s for time_s in times_s], on_packet)
        frames = (Frame(time_s, rgb) for time_s, rgb in zip(times_s, pictures, strict=True))
    left, right = source.columns
    for frame in frames:
        if (left, right) == (0, 1):
            yield frame
        else:
            columns = slice(int(left * frame.width_px), max(1, round(right * frame.width_px)))
            yield Frame(frame.time_s, np.ascontiguousarray(frame.rgb[:, columns]))
