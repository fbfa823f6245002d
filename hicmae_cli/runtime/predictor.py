"""Videos and sounds in, emotions out: per person, over time, in one pass that holds one window of the input."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, compute_log_mel
from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.errors import HicmaeError, MediaError, SettingsError
from hicmae_cli.faces import Face, FaceDetector, FaceFinder, TrackLinker, align_face
from hicmae_cli.media import MediaInfo
from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S
from hicmae_cli.runtime.engine import Engine, score_batches
from hicmae_cli.runtime.results import VOICE_TRACK, FaceBox, FileResult, Scores, Task, Track, Window
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.runtime.sources import OpenSource, Source, open_source
from hicmae_cli.runtime.windows import Moments, SampledFace, WindowAssembler, WindowFaces

OnSeconds: TypeAlias = Callable[[float, float], None]
"""Called with the seconds of an input that are done and all of its seconds; 0 and 0 while the input is probed."""


def open_detector(faces: int) -> AbstractContextManager[FaceDetector]:
    """Open the face finder that ``Predictor`` uses by default.

    Args:
        faces: largest number of faces to find.
    """
    return FaceFinder(num_faces=faces)


class Predictor:
    """A model with settings, applied to any number of inputs.

    Args:
        engine: see ``load_weight``.
        settings: streams, windows, number of people, part of the input.
        detectors: opens a face finder for each input, given the number of people.

    Attributes:
        engine: the model.
        settings: as given; ``modality`` is that of the weight if it was trained on one stream, and so is a window that
            was not given.

    Raises:
        SettingsError: the settings require a stream that the model was not trained on.
    """

    def __init__(
        self,
        engine: Engine,
        settings: PredictSettings | None = None,
        detectors: Callable[[int], AbstractContextManager[FaceDetector]] = open_detector,
    ) -> None:
        self.engine = engine
        self.settings = (settings or PredictSettings()).follow(engine.info.step_s)
        trained = engine.info.modality
        if trained != "av":
            if self.settings.modality not in ("auto", trained):
                raise SettingsError(
                    f"modality={self.settings.modality!r}: the weight was trained on {trained} only; "
                    f"use modality={trained!r}"
                )
            self.settings = replace(self.settings, modality=trained)
        self._detectors = detectors

    def open_detector(self) -> AbstractContextManager[FaceDetector]:
        """Open a face finder.

        Raises:
            MissingDependencyError: it, or a system library that it needs, cannot be loaded.
        """
        return self._detectors(self.settings.faces)

    def predict(self, source: Source, on_seconds: OnSeconds = lambda _done_s, _total_s: None) -> FileResult:
        """Predict one input; a file or stream that cannot be read gives a result with status ``error``.

        Args:
            source: a path, an open binary stream, or arrays; with video, sound or both.
            on_seconds: called with the progress.

        Raises:
            ValueError: arrays of other shapes or types.
            TypeError: a source of another type.
        """
        path = Path(str(source)) if isinstance(source, str | Path) else Path("stream")
        try:
            opened = open_source(source)
            path = opened.path
            info = opened.probe(lambda: on_seconds(0.0, 0.0))
            return _Run(self, opened, info, on_seconds).result()
        except HicmaeError as error:
            return FileResult(path, "error", str(error))


@dataclass
class _WindowInput:
    """The model's input for one person in one window and, once the model has run, its output."""

    person: WindowFaces | None
    mel: NDArray[np.float32] | None
    scores: Scores | None = None

    @property
    def track(self) -> int:
        return VOICE_TRACK if self.person is None else self.person.track

    @property
    def modality(self) -> str:
        if self.person is None:
            return "audio"
        return "video" if self.mel is None else "av"

    @property
    def clip(self) -> Clip:
        return Clip(None if self.person is None else self.person.faces, self.mel)

    def equals(self, other: _WindowInput | None) -> bool:
        """Whether both have the same pictures and the same sound, so that the model gives the same output."""
        if other is None or self.modality != other.modality:
            return False
        if self.mel is not None and other.mel is not None and not np.array_equal(self.mel, other.mel):
            return False
        return self.person is None or other.person is None or self.person.pictures == other.person.pictures


class _Run:
    """One input on its way through the predictor.

    Times are on the input's clock. Moment k of the sampling grid is at ``start_s + k * step_s``.
    """

    def __init__(self, predictor: Predictor, source: OpenSource, info: MediaInfo, on_seconds: OnSeconds) -> None:
        settings = predictor.settings
        _require_streams(source.path, info, settings.modality)
        self._predictor, self._source, self._info, self._on_seconds = predictor, source, info, on_seconds
        self._settings = settings
        self._uses_video = info.has_video and settings.modality != "audio"
        self._uses_audio = info.has_audio and settings.modality != "video"
        self._start_s = max(settings.start_s, source.start_s)
        self._limit_s = math.inf if settings.end_s is None else settings.end_s
        self._end_s = min(info.duration_s, self._limit_s)
        if settings.start_s >= info.duration_s:
            raise MediaError(
                f"{source.path}: start_s={settings.start_s!r} is after its end; it has {info.duration_s:.1f} seconds"
            )
        self._sound = SlidingSound(source.sound()) if self._uses_audio else None
        self._assembler = WindowAssembler(settings.hop_frames)
        self._windows: dict[int, list[Window]] = defaultdict(list)
        self._latest: dict[int, _WindowInput] = {}

    def result(self) -> FileResult:
        """Read the input and predict every window."""
        for faces in self._sampled_faces() if self._uses_video else ():
            self._add_moment(faces)
        num_pictures = self._assembler.count
        for _ in range(self._audio_only_steps(num_pictures) if self._uses_audio else 0):
            self._add_moment({})
        for moments in self._assembler.finish():
            self._predict_window(moments)
        info, tracks = self._info, self._tracks(num_pictures)
        status, message = self._verdict(tracks)
        duration_s: float | None = info.duration_s
        fps = float(info.fps) if info.fps else None
        if self._uses_video and (doubt := self._doubt_length(num_pictures)):
            message = "; ".join(filter(None, (message, doubt)))
            duration_s, fps = None, None
        return FileResult(
            self._source.path,
            status,
            message,
            duration_s,
            fps,
            tracks,
            width_px=info.width_px or None,
            height_px=info.height_px or None,
        )

    def _add_moment(self, faces: Mapping[int, SampledFace]) -> None:
        for moments in self._assembler.add(faces):
            self._predict_window(moments)
        total_s = max(self._end_s - self._start_s, self._settings.step_s)
        self._on_seconds(min(self._assembler.count * self._settings.step_s, total_s), total_s)

    def _audio_only_steps(self, num_pictures: int) -> int:
        """Return the number of steps of the sampling grid on which the sound goes on without a picture.

        After a picture, only sound of at least a hop counts; streams rarely end at the same moment.
        """
        end_s = min(self._info.audio_duration_s, self._limit_s)
        steps = math.ceil((end_s - self._start_s) / self._settings.step_s - 1e-6)
        if num_pictures == 0:
            return max(1, steps)
        rest = steps - num_pictures
        return rest if self._settings.modality == "auto" and rest >= self._settings.hop_frames else 0

    def _sampled_faces(self) -> Iterator[dict[int, SampledFace]]:
        """Yield the faces by track at every step of the sampling grid."""
        linker = TrackLinker()
        found: list[Face] = []
        crops: dict[int, NDArray[np.uint8]] = {}
        picture = 0
        with self._predictor.open_detector() as detector:
            for frame in self._source.frames(self._settings.step_s, self._start_s):
                if frame.time_s >= self._limit_s - 1e-6:
                    return
                previous, found = found, detector.detect(frame)
                linked = linker.update(frame, found)
                if found is not previous:  # a detector repeats its list for a picture that stays on display
                    picture += 1
                    crops = {track: align_face(frame.rgb, face.landmarks_px) for track, face in linked}
                yield {track: SampledFace(crops[track], _box(face, frame.time_s), picture) for track, face in linked}

    def _predict_window(self, moments: Moments) -> None:
        """Predict every visible person in one window, or the sound alone if there is none.

        A window with the same input as the person's last one is not predicted again: a picture that stays on display
        for an hour costs no more than one of a second.
        """
        settings = self._settings
        start_s = self._start_s + moments.start * settings.step_s
        end_s = start_s + settings.step_s * CLIP_FRAMES
        if moments.num_moments < CLIP_FRAMES:
            end_s = min(end_s, max(self._end_s, start_s + settings.step_s))
        info = self._predictor.engine.info
        # In training, a longer window gave the model the sound from its start.
        is_trained = settings.step_s == info.step_s
        mel = _window_mel(self._sound, start_s, min(end_s, self._limit_s), centred=not is_trained)
        inputs = [
            _WindowInput(person, mel) for person in moments.people if settings.modality != "av" or mel is not None
        ]
        if settings.modality in ("auto", "audio") and not inputs and mel is not None:
            inputs = [_WindowInput(None, mel)]
        fresh = [each for each in inputs if not each.equals(self._latest.get(each.track))]
        task: Task = "regression" if info.task == "regression" else "classification"
        rows = score_batches(self._predictor.engine, [each.clip for each in fresh])
        for each, row in zip(fresh, rows, strict=True):
            each.scores = Scores.of(info.labels, row, task)
            self._latest[each.track] = each
        end_s = min(end_s, max(self._end_s, start_s + settings.step_s))  # the grid may go beyond the end
        for each in inputs:
            scores = self._latest[each.track].scores
            assert scores is not None
            coverage, boxes = (each.person.coverage, each.person.boxes) if each.person else (0.0, ())
            self._windows[each.track].append(Window(start_s, end_s, scores, coverage, each.modality, boxes))

    def _tracks(self, num_pictures: int) -> tuple[Track, ...]:
        tracks = []
        for track, windows in sorted(self._windows.items()):
            tally = self._assembler.tallies.get(track)
            coverage = tally.frames / num_pictures if tally else 0.0
            tracks.append(Track(track, tuple(windows), coverage, tally.size_px if tally else 0.0))
        return tuple(tracks)

    def _doubt_length(self, num_pictures: int) -> str | None:
        """Return a note if the video does not have the length that its timestamps claim."""
        read_s = num_pictures * self._settings.step_s
        claimed_s = min(self._info.video_duration_s, self._limit_s) - self._start_s
        if abs(read_s - claimed_s) <= max(1.0, 0.1 * claimed_s):
            return None
        return (
            f"its timestamps claim {claimed_s:.1f} s of pictures, {read_s:.1f} s were read: "
            "its length and frame rate are unknown"
        )

    def _verdict(self, tracks: tuple[Track, ...]) -> tuple[str, str]:
        """Return the status, and the message that explains it."""
        info, settings, assembler = self._info, self._settings, self._assembler
        notes = list(info.warnings)
        silent = self._sound is not None and self._sound.is_silent
        no_face = self._uses_video and (
            not assembler.tallies or (bool(tracks) and all(track.id == VOICE_TRACK for track in tracks))
        )
        if assembler.count < CLIP_FRAMES:
            repeated = ": the last frame was repeated" if self._uses_video else ""
            notes.append(f"shorter than a window of {settings.step_s * CLIP_FRAMES:g} s{repeated}")
        if silent and settings.modality == "av":
            notes.append("the sound is silent, but modality='av' requires it; try modality='auto'")
        elif silent:
            notes.append("the sound is silent" + (": only the face was used" if tracks else ""))
        elif info.has_video and not info.has_audio and settings.modality == "auto" and tracks:
            notes.append("no audio track: only the face was used")
        if no_face:
            notes.insert(0, "no face was found" + (": only the sound was used" if tracks else ""))
        elif not info.has_video and tracks:
            notes.append("no video track: only the sound was used")
        if no_face:
            return "no-face", "; ".join(notes)
        if not tracks:
            return "error", "; ".join(["nothing to predict from", *notes])
        return "ok", "; ".join(notes)


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
