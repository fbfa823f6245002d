"""Measure a clip while its frames and sound are read: lengths, coverage, silence, and faults that exclude it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.dataset import FacePlace
from hicmae_cli.errors import MediaError
from hicmae_cli.media import iterate_audio, read_audio_blocks
from hicmae_cli.model_input import FRAME_STEP_S, SAMPLE_RATE_HZ
from hicmae_cli.preparing.people import is_doubtful

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


OnProgress = Callable[[int], None]


def ignore_progress(frames: int) -> None:
    """Ignore the number of frames read so far."""


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
        start_s: start of the clip in the video. A part of a video needs an end, too.
        end_s: its end; None for the end of the video.
        columns: left and right edge of the part of the picture to search, as shares of its width.
        places: where the face of the person to keep is (see `corpora.dataset.RecordingPart`), for a part of a video;
            empty to keep the person who is seen most.
        needs_sound: whether to refuse a clip without sound, or with audio and video of different length.

    Raises:
        ValueError: an empty part, or places without one.
    """

    video: Path
    sound: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    columns: tuple[float, float] = (0.0, 1.0)
    needs_sound: bool = False
    places: tuple[FacePlace, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        left, right = self.columns
        if not 0 <= left < right <= 1:
            raise ValueError(f"{self.video}: expected columns 0 <= left < right <= 1, got {self.columns}")
        if self.is_part and (self.end_s is None or not 0 <= self.start_s < self.end_s):
            raise ValueError(f"{self.video}: a part needs 0 <= start_s < end_s, got {self}")
        if self.places and (not self.is_part or self.columns != (0.0, 1.0)):
            raise ValueError(f"{self.video}: places need a part of the video with its whole width, got {self}")

    @property
    def is_part(self) -> bool:
        """Whether it is less than the whole video."""
        return self.start_s != 0 or self.end_s is not None


@dataclass(frozen=True)
class ClipFacts:
    """Measurements of a clip.

    Attributes:
        face_coverage: share of frames with the person's face; None if not all frames were searched.
        video_s: length of its video; 0 for a clip without pictures.
        sound_s: length of its sound; 0 without sound.
        is_silent: whether it has a sound track that never reaches ``SILENCE_PEAK``.
        people_seen: number of people in the video; None if not all frames were searched.
        identity_switches: how often the largest face of a frame is another person's than in the last frame with a face;
            None if not all frames were searched.
        fps: frames per second of its video; None if unknown.
    """

    face_coverage: float | None
    video_s: float
    sound_s: float
    is_silent: bool
    people_seen: int | None = None
    identity_switches: int | None = None
    fps: float | None = None

    @property
    def gap_s(self) -> float:
        """Length of audio minus length of video; 0 without one of them."""
        return self.sound_s - self.video_s if self.sound_s and self.video_s else 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether the clip may show another person than its label means, see `people.is_doubtful`."""
        return is_doubtful(self.people_seen or 0, self.identity_switches or 0, self.face_coverage or 0.0)


class Meter:
    """Measures frames and sound on their way into the file.

    Attributes:
        source: what is read.
        frames: number of frames so far.
    """

    def __init__(self, source: Source, fps: Fraction, on_progress: OnProgress) -> None:
        self.source, self._fps, self._on_progress = source, fps, on_progress
        self.frames = self._found = self._samples = 0
        self._peak = 0.0
        self._open = {"faces", "sound"}

    def count_frame(self, has_face: bool) -> None:
        """Count one more frame, and report it."""
        self.frames += 1
        self._found += has_face
        self.report()

    def refuse_faceless(self) -> NoReturn:
        """Raise the error on a video without faces."""
        raise UnusableError("no face", f"{self.source.video}: no face was found in any of its {self.frames} frames")

    def report(self) -> None:
        """Report the number of frames read so far."""
        self._on_progress(self.frames)

    def end_faces(self, frames: int) -> None:
        """Set the number of frames and end the faces."""
        self.frames = frames
        self._end_stream("faces")

    def sound(self) -> Iterator[NDArray[np.float32]]:
        """Yield the sound, which may end before or after the faces."""
        for block in _iter_sound(self.source, self.report):
            self.report()
            self._samples += len(block)
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
            yield block
        self._end_stream("sound")

    def measure(self, *, whole: bool) -> ClipFacts:
        """Return the measurements; ``whole``: whether all frames were searched."""
        return ClipFacts(
            face_coverage=round(self._found / self.frames, 4) if whole else None,
            video_s=round(float(self.frames / self._fps), 3),
            sound_s=round(self._samples / SAMPLE_RATE_HZ, 3),
            is_silent=self._samples > 0 and self._peak < SILENCE_PEAK,
            fps=round(float(self._fps), 3),
        )

    def _end_stream(self, stream: str) -> None:
        """Compare the lengths once both streams have ended."""
        self._open.discard(stream)
        if self._open or not self.source.needs_sound:
            return
        facts = self.measure(whole=False)
        path = self.source.sound or self.source.video
        if min(facts.video_s, facts.sound_s) < FRAME_STEP_S:
            raise UnusableError(
                "short",
                f"{self.source.video}: {facts.video_s:.2f} s of video and {facts.sound_s:.2f} s of audio; a clip "
                f"needs at least {FRAME_STEP_S} s",
            )
        if differ_much(abs(facts.gap_s), max(facts.video_s, facts.sound_s)):
            raise UnusableError(
                "lengths",
                f"{path}: {facts.sound_s:.2f} s of audio but {facts.video_s:.2f} s of video; one of them is cut short",
            )


def _iter_sound(source: Source, on_packet: Callable[[], None]) -> Iterator[NDArray[np.float32]]:
    """Yield the sound of a clip: a separate file, or the video's own in the clip's time."""
    if source.sound is None and source.is_part:
        return iterate_audio(source.video, source.start_s, source.end_s, on_packet)
    return read_audio_blocks(source.sound or source.video, on_packet=on_packet)


def differ_much(gap_s: float, whole_s: float) -> bool:
    """Whether the lengths of audio and video, or of a file and its header, differ too much; ``whole_s``: the longer."""
    return gap_s > max(_REFUSED_GAP_S, _REFUSED_GAP_SHARE * whole_s)
