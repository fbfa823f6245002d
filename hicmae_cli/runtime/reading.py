"""Read an input into the model's inputs: window by window, for every person, in one pass that holds one window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, compute_log_mel
from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.clips.stills import animate_still
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import Face, FaceDetector, TrackLinker, align_face, detect_in_photograph
from hicmae_cli.faces.linker import SeenPerson
from hicmae_cli.media import MediaInfo
from hicmae_cli.model_input import CLIP_FRAMES, FRAME_STEP_S, WINDOW_S
from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.results import VOICE_TRACK
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.runtime.sources import OpenSource
from hicmae_cli.runtime.speech import HeardWindow, Speech, find_speech, in_ms
from hicmae_cli.runtime.timings import StageClock
from hicmae_cli.runtime.windows import Moments, SampledFace, TrackTally, WindowAssembler, WindowFaces
from hicmae_cli.speaking import Hearing, SpeakerFinder
from hicmae_cli.speaking.finder import CONTEXT_S, REACH_S

OnSeconds: TypeAlias = Callable[[float, float], None]
"""Called with the seconds of an input that are done and all of its seconds; 0 and 0 while the input is probed."""


@dataclass(frozen=True)
class WindowInput:
    """The model's input for one person in one window.

    Attributes:
        start_s: start of the window on the input's clock.
        end_s: its end.
        person: the person's faces; None for the sound alone.
        mel: the log-mel (256, 128) of the window; None without sound, or if it is somebody else's.
        is_still: whether the faces are one photograph, which reaches the model as a still that moves.
        is_repeated: whether the person's last window had the same input, so that the model gives the same output: a
            picture that stays on display for an hour costs no more than one of a second.
        hearing: who speaks in the window; None if it was not tested.
    """

    start_s: float
    end_s: float
    person: WindowFaces | None
    mel: NDArray[np.float32] | None
    is_still: bool = False
    is_repeated: bool = False
    hearing: Hearing | None = None

    @property
    def track(self) -> int:
        """The person's id."""
        return VOICE_TRACK if self.person is None else self.person.track

    @property
    def modality(self) -> str:
        """The streams that it has."""
        if self.person is None:
            return "audio"
        return "video" if self.mel is None else "av"

    @property
    def voice(self) -> float | None:
        """Share of the window with a voice; None if nobody listened for one."""
        return None if self.hearing is None else self.hearing.voice

    @property
    def speaker(self) -> str | None:
        """Whether the person speaks; None if it was not tested."""
        return None if self.hearing is None else self.hearing.speakers.get(self.track)

    @property
    def clip(self) -> Clip:
        """The input itself."""
        if self.is_still and self.person is not None:
            return Clip(animate_still(self.person.faces[0]), self.mel)
        return Clip(None if self.person is None else self.person.faces, self.mel)

    def equals(self, other: WindowInput | None) -> bool:
        """Whether both have the same pictures and the same sound."""
        if other is None or self.modality != other.modality:
            return False
        if self.mel is not None and other.mel is not None and not np.array_equal(self.mel, other.mel):
            return False
        return self.person is None or other.person is None or self.person.pictures == other.person.pictures


class WindowReader:
    """Reads one input, once.

    Times are on the input's clock. Moment k of the sampling grid is at ``start_s + k * step_s``. A photograph is one
    moment, whatever part of an input the settings want.

    Args:
        source: the input.
        info: its properties.
        settings: streams, windows and part of the input; the number of people is the detector's.
        open_detector: opens a face finder.
        on_seconds: called with the progress.
        trained_step_s: time between two sampled frames in the weight's training; see `WeightInfo.step_s`.
        clock: measures the stages.

    Attributes:
        uses_video: whether it has pictures that are wanted.
        num_pictures: number of sampled pictures, after reading.
        has_heard: whether a window had a voice so far; None if nobody listens for one.

    Raises:
        MediaError: a required stream is missing, or the input ends before the wanted part.
    """

    def __init__(
        self,
        source: OpenSource,
        info: MediaInfo,
        settings: PredictSettings,
        open_detector: Callable[[], AbstractContextManager[FaceDetector]],
        on_seconds: OnSeconds = lambda _done_s, _total_s: None,
        *,
        trained_step_s: float = FRAME_STEP_S,
        clock: StageClock | None = None,
    ) -> None:
        _require_streams(source.path, info, settings.modality)
        self._source, self._info, self._open_detector, self._on_seconds = source, info, open_detector, on_seconds
        if source.is_photograph:
            settings = replace(settings, start_s=0.0, end_s=None)
        self._settings, self._clock = settings, clock or StageClock()
        # In training, a window longer than the model's input gave it the sound from its start.
        self._is_centred = settings.step_s != trained_step_s
        self.uses_video = info.has_video and settings.modality != "audio"
        self._uses_audio = info.has_audio and settings.modality != "video"
        self._start_s = max(settings.start_s, source.start_s)
        self._limit_s = math.inf if settings.end_s is None else settings.end_s
        self._end_s = min(info.duration_s, self._limit_s)
        if settings.start_s >= info.duration_s and not source.is_photograph:
            raise MediaError(
                f"{source.path}: start_s={settings.start_s!r} is after its end; it has {info.duration_s:.1f} seconds"
            )
        self._speakers: SpeakerFinder | None = None
        self._sound: SlidingSound | None = None
        if self._uses_audio:
            blocks = self._clock.each("decode", source.sound(self._keep_alive))
            if settings.sound == "speaker":
                self._speakers = SpeakerFinder(self._start_s, settings.step_s, self._clock.measure)
                blocks = self._clock.each("speaker", self._speakers.voice.listen(blocks))
            self._sound = SlidingSound(blocks, self._start_s)
        self._pending: deque[Moments] = deque()
        self._linker = TrackLinker()
        self._assembler = WindowAssembler(settings.hop_frames)
        self._latest: dict[int, WindowInput] = {}
        self._heard: list[HeardWindow] = []
        self.num_pictures = 0
        self.has_heard = None if self._speakers is None else False

    def read(self) -> Generator[list[WindowInput]]:
        """Read the input once, and yield the inputs of each window; a window without any is an empty list."""
        try:
            for faces in self._clock.each("faces", self._sample_faces()) if self.uses_video else ():
                yield from self._add_moment(faces)
            self.num_pictures = self._assembler.count
            for _ in self._iterate_audio_only_steps(self.num_pictures):
                yield from self._add_moment({})
            if math.isinf(self._end_s):  # a live stream has ended
                self._end_s = self._start_s + self._assembler.count * self._settings.step_s
            self._pending += self._assembler.finish()
            yield from map(self._make_inputs, self._pending)
        finally:
            if self._speakers:
                self._speakers.close()

    @property
    def tallies(self) -> Mapping[int, TrackTally]:
        """Counts of each person, by track."""
        return self._assembler.tallies

    @property
    def people(self) -> Mapping[int, SeenPerson]:
        """What is remembered of each person, by track."""
        return self._linker.people

    @property
    def is_short(self) -> bool:
        """Whether the input is shorter than a window."""
        return self._assembler.count < CLIP_FRAMES

    @property
    def is_silent(self) -> bool:
        """Whether it has sound that is digitally silent."""
        return self._sound is not None and self._sound.is_silent

    def doubt_length(self) -> str | None:
        """Return a note if the video does not have the length that its timestamps claim; call it after reading."""
        if math.isinf(self._info.video_duration_s):
            return None
        read_s = self.num_pictures * self._settings.step_s
        claimed_s = max(0.0, min(self._info.video_duration_s, self._limit_s) - self._start_s)
        if abs(read_s - claimed_s) <= max(1.0, 0.1 * claimed_s):
            return None
        return (
            f"its timestamps claim {claimed_s:.1f} s of pictures, {read_s:.1f} s were read: "
            "its length and frame rate are unknown"
        )

    def find_speech(self, tracks: Collection[int]) -> tuple[Speech, ...] | None:
        """Return who speaks in the windows that were read; None if nobody listened for a voice, or without pictures.

        Args:
            tracks: ids of the people of the result.
        """
        if self._speakers is None or not self.uses_video or not self._heard:
            return None
        (start_ms, _, _), (_, end_ms, _) = self._heard[0], self._heard[-1]
        return find_speech(self._speakers.voice.list_voices(start_ms, end_ms), self._heard, tracks)

    def _add_moment(self, faces: Mapping[int, SampledFace]) -> Iterator[list[WindowInput]]:
        self._pending += self._assembler.add(faces)
        while self._pending and self._is_ready(self._pending[0]):
            yield self._make_inputs(self._pending.popleft())
        total_s = max(self._end_s - self._start_s, self._settings.step_s)
        self._on_seconds(min(self._assembler.count * self._settings.step_s, total_s), total_s)

    def _keep_alive(self) -> None:
        """Report that packets are read, though nothing is wanted of them yet: before the part to predict."""
        if not self._assembler.count:
            self._on_seconds(0.0, 0.0)

    def _iterate_audio_only_steps(self, num_pictures: int) -> Iterator[None]:
        """Yield for each step of the sampling grid on which the sound goes on without a picture."""
        if self._sound is None:
            return
        if math.isfinite(self._info.audio_duration_s):
            yield from repeat(None, self._count_audio_only_steps(num_pictures))
            return
        # Of a live stream nobody knows the end; its pictures and its sound end together.
        count = 0
        while not num_pictures and self._start_s + count * self._settings.step_s < self._limit_s - 1e-6:
            count += 1
            if not self._sound.reaches(self._start_s + count * self._settings.step_s) and count > 1:
                return
            yield None

    def _is_ready(self, moments: Moments) -> bool:
        """Whether all that the decision on a window needs has been read."""
        wait_s = CONTEXT_S if self._speakers else 0.0
        rest = self._assembler.count - moments.start - moments.num_moments
        return rest * self._settings.step_s >= wait_s - 1e-6

    def _count_audio_only_steps(self, num_pictures: int) -> int:
        """Return the number of steps of the sampling grid on which the sound of a file goes on without a picture.

        After a picture, only sound of at least a hop counts; streams rarely end at the same moment.
        """
        end_s = min(self._info.audio_duration_s, self._limit_s)
        steps = math.ceil((end_s - self._start_s) / self._settings.step_s - 1e-6)
        if num_pictures == 0:
            return max(1, steps)
        rest = steps - num_pictures
        return rest if self._settings.modality == "auto" and rest >= self._settings.hop_frames else 0

    def _sample_faces(self) -> Iterator[dict[int, SampledFace]]:
        """Yield the faces by track at every step of the sampling grid."""
        found: list[Face] = []
        crops: dict[int, NDArray[np.uint8]] = {}
        picture = 0
        every = self._speakers.pictures_per_step if self._speakers else 1
        with self._open_detector() as detector:
            sampled = self._source.frames(self._settings.step_s / every, self._start_s, self._keep_alive)
            frames = self._clock.each("decode", sampled)
            for index, frame in enumerate(frames):
                if frame.time_s >= self._limit_s - 1e-6:
                    return
                if self._speakers and index % every:
                    self._speakers.add_picture(frame)
                    continue
                previous, is_photograph = found, self._source.is_photograph
                found = detect_in_photograph(frame.rgb, detector) if is_photograph else detector.detect(frame)
                linked = self._linker.update(frame, found)
                if self._speakers and self._sound:
                    self._sound.read_to(frame.time_s + REACH_S)
                    self._speakers.add_faces(frame, linked)
                if found is not previous:  # a detector repeats its list for a picture that stays on display
                    picture += 1
                    crops = {track: align_face(frame.rgb, face.landmarks_px) for track, face in linked}
                yield {track: SampledFace(crops[track], _box(face, frame.time_s), picture) for track, face in linked}

    def _make_inputs(self, moments: Moments) -> list[WindowInput]:
        """Make the input of every visible person in one window, or of the sound alone if there is none."""
        settings = self._settings
        start_s = self._start_s + moments.start * settings.step_s
        end_s = start_s + settings.step_s * CLIP_FRAMES
        if self._source.is_late(min(end_s, self._end_s)):
            return []
        if moments.num_moments < CLIP_FRAMES:
            end_s = min(end_s, max(self._end_s, start_s + settings.step_s))
        hearing = self._hear(start_s, min(end_s, self._limit_s), [person.track for person in moments.people])
        with self._clock.measure("model"):
            mel = _window_mel(self._sound, start_s, min(end_s, self._limit_s), centred=self._is_centred)
        end_s = min(end_s, max(self._end_s, start_s + settings.step_s))  # the grid may go beyond the end
        if hearing is not None:
            self._heard.append((in_ms(start_s), in_ms(end_s), hearing))
        people: list[WindowFaces | None] = list(moments.people)
        if settings.faces == "largest":
            people = sorted(people, key=lambda person: person.size_px if person else 0.0)[-1:]
        if settings.modality in ("auto", "audio") and not people:
            people = [None]
        inputs = []
        # A person who is not in this window is compared no more; the pictures would fill the memory.
        before, self._latest = self._latest, {}
        for person in people:
            is_heard = hearing is None or hearing.is_voice_of(None if person is None else person.track)
            own = mel if is_heard else None
            made = WindowInput(start_s, end_s, person, own, self._source.is_photograph, hearing=hearing)
            if made.mel is None and (person is None or settings.modality == "av"):
                continue
            latest = before.get(made.track)
            self._latest[made.track] = made
            inputs.append(replace(made, is_repeated=made.equals(latest)))
        return inputs

    def _hear(self, start_s: float, end_s: float, tracks: Sequence[int]) -> Hearing | None:
        """Listen to a window; None if nobody listens for a voice."""
        if self._speakers is None or self._sound is None:
            return None
        self._sound.read_to(end_s + CONTEXT_S)
        with self._clock.measure("speaker"):
            hearing = self._speakers.judge(start_s, end_s, tracks)
        self.has_heard = self.has_heard or hearing.has_voice
        return hearing


def _require_streams(path: Path, info: MediaInfo, modality: str) -> None:
    for stream, is_there, kinds in (
        ("video", info.has_video, ("av", "video")),
        ("audio", info.has_audio, ("av", "audio")),
    ):
        if modality in kinds and not is_there:
            raise MediaError(f"{path}: no {stream} track, but modality={modality!r} requires one; try modality='auto'")


def _box(face: Face, time_s: float) -> FaceBox:
    left, top, right, bottom = face.box_px
    return FaceBox(time_s, left, top, right - left, bottom - top)


def _window_mel(
    sound: SlidingSound | None, start_s: float, end_s: float, *, centred: bool
) -> NDArray[np.float32] | None:
    """Return the log-mel of a window; of 2.56 s at its middle or its start if it is longer than the model's input."""
    if sound is None:
        return None
    spare_s = max(0.0, end_s - start_s - WINDOW_S)
    before_s = spare_s / 2 if centred else 0.0
    cut = sound.cut(start_s + before_s, end_s - (spare_s - before_s))
    return compute_log_mel(cut) if cut is not None and len(cut) >= MIN_SAMPLES else None
