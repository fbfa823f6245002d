"""Raw video -> prepared clip: the face of every frame, aligned, with the sound of the same time."""

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
"""Raised whenever the same video would give another clip."""

Fault = Literal["missing", "unreadable", "no face", "no sound", "lengths", "short"]

SILENCE: Final = 2.0**-12
"""-72 dB of full scale, eight steps of 16 bit: sound that never exceeds it is silence, perhaps with dither."""
NOTED_GAP_S: Final = 0.1
"""Longer differences between the lengths of picture and sound are reported."""
_REFUSED_GAP_S: Final = 0.5
_REFUSED_GAP_SHARE: Final = 0.2
_BEYOND_END_S: Final = 0.5  # times in annotations are rounded, and the last frame stands for this long


OnProgress = Callable[[int], None]


def _ignore(frames: int) -> None:
    pass


class UnusableError(MediaError):
    """A clip cannot be prepared, and of which kind the fault is."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Fault = fault


@dataclass(frozen=True)
class Source:
    """Where a clip comes from.

    Attributes:
        video: a video of one person, or of several of whom one is in ``columns``.
        sound: a file of its own that begins where the clip does; None where the sound is in the video.
        start_s: where in the video the clip begins. A part needs a sound file of its own.
        end_s: where it ends; None for the end of the video.
        columns: left and right of the part of the picture to look at, as shares of its width.
        needs_sound: whether a clip without sound, or one that is not as long as its sound, is refused.

    Raises:
        ValueError: an empty part, or one without its sound.
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
        """Whether it is not the whole video."""
        return self.start_s != 0 or self.end_s is not None


@dataclass(frozen=True)
class ClipFacts:
    """What was found out about a clip.

    Attributes:
        face_coverage: share of the frames in which a face was found; None where not all were looked at.
        video_s: length of its pictures.
        sound_s: length of its sound; 0 without.
        is_silent: whether it has a sound track that never exceeds ``SILENCE``.
    """

    face_coverage: float | None
    video_s: float
    sound_s: float
    is_silent: bool

    @property
    def gap_s(self) -> float:
        """By how much the sound is longer than the pictures; negative where it is shorter, 0 without sound."""
        return self.sound_s - self.video_s if self.sound_s else 0.0


def prepare_clip(
    source: Source | Path, target: Path, detector: FaceDetector, on_progress: OnProgress = _ignore
) -> ClipFacts:
    """Write the prepared form of a raw clip. The same files give the same bytes.

    The largest face of each frame is aligned; a frame without a face becomes black, so that frame i keeps its time.
    Frames and sound are streamed: an hour takes no more memory than a second. After an error no file is left.

    Where sound is needed, lengths of pictures and sound that differ by more than half a second and a fifth of the
    longer one are a fault: they do not belong together, or one of them is cut short. So is a video that is so much
    shorter than its header promises.

    Args:
        source: what to read; a path stands for a whole video of one person.
        target: the ``.mkv`` to write.
        detector: a face finder that has not seen another file.
        on_progress: called with the number of frames read so far: after each frame, and again and again while packets
            or sound are read.

    Raises:
        UnusableError: missing, no video, no face in any frame, or, where sound is needed, no sound, other lengths,
            or shorter than 0.16 s.
        MediaError: unreadable, or the file cannot be written.
    """
    source = source if isinstance(source, Source) else Source(source)
    info = _opened(source, on_progress)
    assert info.fps is not None
    measured = _Measured(source, info.fps, on_progress)
    faces = measured.faces(_frames(source, info, measured.report), detector)
    sound = measured.sound() if source.sound is not None or info.has_audio else None
    write_prepared_clip(target, faces, Fraction(info.fps), sound)
    return measured.facts(whole=True)


def examine_clip(source: Source, detector: FaceDetector, on_progress: OnProgress = _ignore) -> ClipFacts:
    """Check whether a raw clip can be prepared, without writing it: its frames are read up to the first face.

    Args:
        source: what to read.
        detector: a face finder that has not seen another file.
        on_progress: see `prepare_clip`.

    Raises:
        UnusableError: what `prepare_clip` would say, but for frames that cannot be decoded after the first face.
        MediaError: unreadable.
    """
    info = _opened(source, on_progress)
    assert info.fps is not None
    measured = _Measured(source, info.fps, on_progress)
    for _ in measured.faces(_frames(source, info, measured.report), detector):
        if measured.found:
            break
    length_s = info.video_duration_s if source.end_s is None else source.end_s - source.start_s
    measured.end_faces(round(length_s * info.fps))
    if source.sound is not None or info.has_audio:
        for _ in measured.sound():
            pass
    return measured.facts(whole=False)


def examine_frames(folder: Path, sound: Path, on_progress: OnProgress = _ignore) -> ClipFacts:
    """Check whether a folder of face pictures and a sound file can be used as they are; every picture is decoded.

    Args:
        folder: face pictures of one size.
        sound: a file with the clip's sound.
        on_progress: called with the number of pictures read so far; see `prepare_clip`.

    Raises:
        UnusableError: something is missing, pictures of several sizes, or sound of less than 0.16 s.
        MediaError: no pictures, or something is unreadable.
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
                f"{file}: is {size[0]} x {size[1]}, but {files[0].name} is {first[0]} x {first[1]}; pictures of a clip "
                "must have one size"
            )
    measured = _Measured(Source(folder, sound), Fraction(FOLDER_FPS), on_progress)
    measured.end_faces(len(files))
    for _ in measured.sound():
        pass
    facts = measured.facts(whole=False)
    if facts.sound_s < FRAME_STEP_S:
        raise UnusableError("short", f"{sound}: {facts.sound_s:.2f} s of sound; a clip has {FRAME_STEP_S} s at least")
    return facts


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            image.load()  # a picture cut off says its size still
            return image.size
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image: {error}") from error


class _Measured:
    """Counts what passes through on its way into the file."""

    def __init__(self, source: Source, fps: Fraction, on_progress: OnProgress) -> None:
        self._source, self._fps, self._on_progress = source, fps, on_progress
        self.frames = self.found = self._samples = 0
        self._peak = 0.0
        self._open = {"faces", "sound"}

    def faces(self, frames: Iterator[Frame], detector: FaceDetector) -> Iterator[NDArray[np.uint8]]:
        """Aligned faces, black where there is none."""
        for frame in frames:
            seen = detector.detect(frame)
            self.frames += 1
            self.report()
            if seen:
                self.found += 1
                yield align_face(frame.rgb, max(seen, key=lambda face: face.size_px).landmarks_px)
            else:
                yield np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
        if not self.found:  # known only now; the file that was being written goes
            raise UnusableError(
                "no face", f"{self._source.video}: no face was found in any of its {self.frames} frames"
            )
        self.end_faces(self.frames)

    def report(self) -> None:
        """Report the number of frames read so far."""
        self._on_progress(self.frames)

    def end_faces(self, frames: int) -> None:
        """Set the number of frames: there are no more faces."""
        self.frames = frames
        self._end("faces")

    def sound(self) -> Iterator[NDArray[np.float32]]:
        """The sound, which may end before or after the faces."""
        for block in read_audio_blocks(self._source.sound or self._source.video, on_packet=self.report):
            self.report()
            self._samples += len(block)
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
            yield block
        self._end("sound")

    def facts(self, *, whole: bool) -> ClipFacts:
        """What was counted."""
        return ClipFacts(
            face_coverage=round(self.found / self.frames, 4) if whole else None,
            video_s=round(float(self.frames / self._fps), 3),
            sound_s=round(self._samples / SAMPLE_RATE_HZ, 3),
            is_silent=self._samples > 0 and self._peak < SILENCE,
        )

    def _end(self, stream: str) -> None:
        """Compare the lengths once both have ended."""
        self._open.discard(stream)
        if self._open or not self._source.needs_sound:
            return
        facts = self.facts(whole=False)
        path = self._source.sound or self._source.video
        if min(facts.video_s, facts.sound_s) < FRAME_STEP_S:
            raise UnusableError(
                "short",
                f"{self._source.video}: {facts.video_s:.2f} s of pictures and {facts.sound_s:.2f} s of sound; a clip "
                f"has {FRAME_STEP_S} s at least",
            )
        if _differ_much(abs(facts.gap_s), max(facts.video_s, facts.sound_s)):
            raise UnusableError(
                "lengths",
                f"{path}: {facts.sound_s:.2f} s of sound to {facts.video_s:.2f} s of pictures; one is cut short",
            )


def _differ_much(gap_s: float, whole_s: float) -> bool:
    return gap_s > max(_REFUSED_GAP_S, _REFUSED_GAP_SHARE * whole_s)


def _opened(source: Source, on_progress: OnProgress) -> MediaInfo:
    """Return the video's properties after a check that its files are there and belong together."""
    for path in (source.video, source.sound):
        if path is not None and not path.exists():
            raise UnusableError("missing", f"{path}: no such file; check the path")
    info = _probed(source.video, on_progress)
    if not info.has_video:
        raise MediaError(f"{source.video}: no video track to cut faces from")
    if info.fps is None:
        raise MediaError(
            f"{source.video}: its timestamps claim an impossible number of pictures a second; re-encode it at a "
            "constant rate"
        )
    if source.needs_sound and source.sound is None:
        if not info.has_audio:
            raise UnusableError("no sound", f"{source.video}: has no sound that can be decoded")
        if _differ_much(info.missing_s, info.duration_s + info.missing_s):
            raise UnusableError(
                "lengths",
                f"{source.video}: is cut short: its header promises {info.duration_s + info.missing_s:.2f} s, "
                f"{info.duration_s:.2f} s are there",
            )
    if source.end_s is not None and source.end_s > info.video_duration_s + _BEYOND_END_S:
        raise UnusableError(
            "lengths",
            f"{source.video}: the clip ends at {source.end_s:.2f} s, the video at {info.video_duration_s:.2f} s",
        )
    return info


_known: Final[dict[tuple[Path, int, int], MediaInfo]] = {}
_MOST_KNOWN: Final = 8


def _probed(path: Path, on_progress: OnProgress) -> MediaInfo:
    """Probe a file, or return what an earlier probe of the unchanged file found.

    Clips of one long recording follow each other, and `probe` reads the whole file.
    """
    status = path.stat()
    key = path, status.st_size, status.st_mtime_ns
    if key not in _known:
        info = probe(path, on_packet=lambda: on_progress(0))
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[key] = info
    return _known[key]


def _frames(source: Source, info: MediaInfo, on_packet: Callable[[], None]) -> Iterator[Frame]:
    """The pictures to look at; those of a part at the video's mean rate, sought where the container allows."""
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
