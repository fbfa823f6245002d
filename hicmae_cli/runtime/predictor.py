"""Raw files in, emotions out: per person, over time, in one pass; of a window only its scores are kept."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, compute_log_mel
from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.errors import HicmaeError, MediaError, SettingsError
from hicmae_cli.faces import Face, FaceDetector, FaceFinder, TrackLinker, align_face
from hicmae_cli.media import MediaInfo, probe, sample_frames
from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_S
from hicmae_cli.runtime.engine import Engine, probabilities
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Scores, Track, Window
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.runtime.windows import Moments, WindowAssembler, WindowFaces

Crops = dict[int, tuple[NDArray[np.uint8], float]]
OnProgress = Callable[[float, float], None]
"""Called with the seconds of a file that are done and those that there are."""


@dataclass
class _WindowInput:
    """The model's input for one person in one window and, once the model has run, the scores."""

    seen: WindowFaces | None
    mel: NDArray[np.float32] | None
    scores: Scores | None = None

    @property
    def track(self) -> int:
        return VOICE_TRACK if self.seen is None else self.seen.track

    @property
    def coverage(self) -> float:
        return 0.0 if self.seen is None else self.seen.coverage

    @property
    def modality(self) -> str:
        if self.seen is None:
            return "audio"
        return "video" if self.mel is None else "av"

    @property
    def clip(self) -> Clip:
        return Clip(None if self.seen is None else self.seen.faces, self.mel)

    def equals(self, other: _WindowInput | None) -> bool:
        """Whether the model would answer the same because it would get the same."""
        if other is None or self.modality != other.modality:
            return False
        if self.mel is not None and other.mel is not None and not np.array_equal(self.mel, other.mel):
            return False
        return self.seen is None or other.seen is None or self.seen.shows_the_same_as(other.seen)


def open_detector(max_faces: int) -> AbstractContextManager[FaceDetector]:
    """The face finder ``Predictor`` uses unless given another."""
    return FaceFinder(num_faces=max_faces)


class Predictor:
    """A model and a way of looking, applied to any number of files.

    Args:
        engine: see ``open_engine``.
        settings: windows, modality, number of faces.
        detectors: makes a fresh face finder for each file, given the number of faces.

    Raises:
        SettingsError: the settings ask for a stream that the model has never learned from.
    """

    def __init__(
        self,
        engine: Engine,
        settings: PredictSettings | None = None,
        detectors: Callable[[int], AbstractContextManager[FaceDetector]] = open_detector,
    ) -> None:
        self.engine = engine
        self.settings = settings or PredictSettings()
        learned = engine.info.modality
        if learned != "av":
            if self.settings.modality not in ("auto", learned):
                raise SettingsError(
                    f"--modality {self.settings.modality}: the weight has learned from {learned} alone; "
                    f"use --modality {learned}"
                )
            self.settings = replace(self.settings, modality=learned)
        self._detectors = detectors

    def open_detector(self) -> AbstractContextManager[FaceDetector]:
        """A fresh face finder.

        Raises:
            MissingDependencyError: it, or a system library that it needs, cannot be loaded.
        """
        return self._detectors(self.settings.max_faces)

    def predict(self, path: Path, on_progress: OnProgress = lambda _done_s, _total_s: None) -> FileResult:
        """Judge one file; a file that cannot be read becomes a result with status ``error``.

        Args:
            path: any file with video, sound or both.
            on_progress: called with the seconds of the file that are done and those that there are; 0 and 0 while the
                file is only being looked through.
        """
        try:
            info = probe(path, lambda: on_progress(0.0, 0.0))
            return self._predict(path, info, on_progress)
        except HicmaeError as error:
            return FileResult(path, "error", str(error))

    def _predict(self, path: Path, info: MediaInfo, on_progress: OnProgress) -> FileResult:
        settings = self.settings
        see = info.has_video and settings.modality != "audio"
        hear = info.has_audio and settings.modality != "video"
        _require_streams(path, info, settings.modality)
        sound = SlidingSound(path) if hear else None
        assembler = WindowAssembler(settings.hop_frames)
        windows: dict[int, list[Window]] = defaultdict(list)
        latest: dict[int, _WindowInput] = {}

        def judge(moments: Moments) -> None:
            for track, window in self._judge(moments, sound, info.duration_s, latest):
                windows[track].append(window)

        def add_moment(crops: Crops) -> None:
            for moments in assembler.add(crops):
                judge(moments)
            on_progress(min(assembler.count * settings.step_s, info.duration_s), info.duration_s)

        for crops in self._crops(path) if see else ():
            add_moment(crops)
        num_video_steps = assembler.count
        for _ in range(self._audio_only_steps(info, num_video_steps) if hear else 0):
            add_moment({})
        for moments in assembler.finish():
            judge(moments)

        tracks = []
        for track, judged in sorted(windows.items()):
            tally = assembler.tallies.get(track)
            coverage = tally.frames / num_video_steps if tally else 0.0
            tracks.append(Track(track, tuple(judged), coverage, tally.size_px if tally else 0.0))
        status, message = self._verdict(info, tracks, sound, assembler)
        fps = float(info.fps) if info.fps else None
        read_s = num_video_steps * settings.step_s
        if see and abs(read_s - info.video_duration_s) > max(1.0, 0.1 * info.video_duration_s):
            claim = f"its timestamps claim {info.video_duration_s:.1f} s of pictures, {read_s:.1f} s were read"
            message = "; ".join(filter(None, (message, f"{claim}: its length and frame rate are unknown")))
            return FileResult(path, status, message, None, None, tuple(tracks))
        return FileResult(path, status, message, info.duration_s, fps, tuple(tracks))

    def _audio_only_steps(self, info: MediaInfo, num_video_steps: int) -> int:
        """Steps of the sampling grid on which the sound goes on without a picture.

        Behind a picture only what is worth a window of its own counts; streams rarely end at the same moment.
        """
        steps = math.ceil(info.audio_duration_s / self.settings.step_s - 1e-6)
        if num_video_steps == 0:
            return max(1, steps)
        rest = steps - num_video_steps
        return rest if self.settings.modality == "auto" and rest >= self.settings.hop_frames else 0

    def _crops(self, path: Path) -> Iterator[Crops]:
        """Faces by track at every step of the sampling grid; the same objects while a picture stays on display."""
        linker = TrackLinker()
        faces: Sequence[Face] = ()
        crops: Crops = {}
        with self.open_detector() as detector:
            for frame in sample_frames(path, self.settings.step_s):
                found = detector.detect(frame)
                linked = linker.update(frame, found)
                if found is not faces:  # else the detector was shown the same picture again
                    crops = {track: (align_face(frame.rgb, f.landmarks_px), f.size_px) for track, f in linked}
                faces = found
                yield crops

    def _judge(
        self, moments: Moments, sound: SlidingSound | None, duration_s: float, latest: dict[int, _WindowInput]
    ) -> Iterator[tuple[int, Window]]:
        """Score every visible person in one window, or the sound alone if no face is visible.

        A window with the same input as the person's last one is not judged again: a picture that stays on display for
        an hour costs no more than one of a second.
        """
        settings = self.settings
        start_s = moments.start * settings.step_s
        end_s = start_s + settings.window_s
        if moments.num_moments < CLIP_FRAMES:
            end_s = min(end_s, max(duration_s, settings.step_s))
        mel = _window_mel(sound, start_s, end_s)
        inputs = [_WindowInput(seen, mel) for seen in moments.seen if settings.modality != "av" or mel is not None]
        if settings.modality in ("auto", "audio") and not inputs and mel is not None:
            inputs = [_WindowInput(None, mel)]
        fresh = [each for each in inputs if not each.equals(latest.get(each.track))]
        rows = probabilities(self.engine, [each.clip for each in fresh])
        for each, row in zip(fresh, rows, strict=True):
            each.scores = Scores.of(self.engine.info.labels, row)
            latest[each.track] = each
        end_s = min(end_s, max(duration_s, start_s + settings.step_s))  # the grid may reach beyond the file
        for each in inputs:
            scores = latest[each.track].scores
            assert scores is not None
            yield each.track, Window(start_s, end_s, scores, each.coverage, each.modality)

    def _verdict(
        self, info: MediaInfo, tracks: list[Track], sound: SlidingSound | None, assembler: WindowAssembler
    ) -> tuple[str, str]:
        """Status of a file, and the one line that goes with it."""
        settings = self.settings
        notes = list(info.warnings)
        silent = sound is not None and not sound.heard
        looked_for_faces = info.has_video and settings.modality != "audio"
        no_face = looked_for_faces and (
            not assembler.tallies or (bool(tracks) and all(track.id == VOICE_TRACK for track in tracks))
        )
        if assembler.count < CLIP_FRAMES:
            repeated = ": the last frame was repeated" if looked_for_faces else ""
            notes.append(f"shorter than a window of {settings.window_s:g} s{repeated}")
        if silent and settings.modality == "av":
            notes.append("the sound is silent, but --modality av asks for it; try --modality auto")
        elif silent:
            notes.append("the sound is silent" + ("" if not tracks else ": judged by the face alone"))
        elif info.has_video and not info.has_audio and settings.modality == "auto" and tracks:
            notes.append("no audio track: judged by the face alone")
        if no_face:
            notes.insert(0, "no face was found" + (": judged by the sound alone" if tracks else ""))
        elif not info.has_video and tracks:
            notes.append("no video track: judged by the sound alone")
        if no_face:
            return "no-face", "; ".join(notes)
        if not tracks:
            return "error", "; ".join(["nothing to judge", *notes])
        return "ok", "; ".join(notes)


def _require_streams(path: Path, info: MediaInfo, modality: str) -> None:
    if modality in ("av", "video") and not info.has_video:
        raise MediaError(f"{path}: no video track, but --modality {modality} asks for one; try --modality auto")
    if modality in ("av", "audio") and not info.has_audio:
        raise MediaError(f"{path}: no audio track, but --modality {modality} asks for one; try --modality auto")


def _window_mel(sound: SlidingSound | None, start_s: float, end_s: float) -> NDArray[np.float32] | None:
    """Log-mel of a window; of its middle 2.56 s where the window is longer than the model hears."""
    if sound is None:
        return None
    spare_s = max(0.0, end_s - start_s - WINDOW_S)
    cut = sound.cut(start_s + spare_s / 2, end_s - spare_s / 2)
    return compute_log_mel(cut) if cut is not None and len(cut) >= MIN_SAMPLES else None
