"""Raw files in, emotions out: per person, over time, in one pass; of a window only its scores are kept."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import CLIP_FRAMES, WINDOW_S, Clip, log_mel
from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.errors import HicmaeError, MediaError, SettingsError
from hicmae_cli.faces import FaceDetector, FaceFinder, TrackLinker, align_face
from hicmae_cli.media import Frame, MediaInfo, probe, sample_frames
from hicmae_cli.runtime.engine import Engine, probabilities
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Scores, Track, Window
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.runtime.windows import Moments, WindowAssembler

MODALITIES = ("auto", "av", "video", "audio")
DEFAULT_HOP_S = WINDOW_S / 4
"""Four windows see every moment: an average over fewer moves when another frame rate moves a sampled picture."""

Crops = dict[int, tuple[NDArray[np.uint8], float]]


@dataclass(frozen=True)
class PredictSettings:
    """How a file is looked at.

    Attributes:
        modality: ``auto`` uses what is there; ``av``, ``video`` and ``audio`` insist.
        window_s: length of a window; the models were trained on 2.56 s.
        hop_s: time between the starts of two windows, rounded to the sampling grid of window / 16.
        max_faces: people followed at once.
    """

    modality: str = "auto"
    window_s: float = WINDOW_S
    hop_s: float = DEFAULT_HOP_S
    max_faces: int = 4

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise SettingsError(f"--modality {self.modality}: expected one of {', '.join(MODALITIES)}")
        if not 0.16 <= self.window_s <= 60:
            raise SettingsError(f"--window {self.window_s}: expected 0.16 to 60 seconds")
        if not 0 < self.hop_s <= self.window_s:
            raise SettingsError(
                f"--hop {self.hop_s}: expected more than 0 and at most the window, {self.window_s} s"
            )
        if not 1 <= self.max_faces <= 32:
            raise SettingsError(f"--faces {self.max_faces}: expected 1 to 32")

    @property
    def step_s(self) -> float:
        """Time between two sampled frames."""
        return self.window_s / CLIP_FRAMES

    @property
    def hop_frames(self) -> int:
        """Hop in steps of the sampling grid."""
        return max(1, round(self.hop_s / self.step_s))


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

    def predict(self, path: Path, on_time: Callable[[float], None] = lambda _: None) -> FileResult:
        """Judge one file; a file that cannot be read becomes a result with status ``error``.

        Args:
            path: any file with video, sound or both.
            on_time: told the time reached, in seconds of the file.
        """
        try:
            info = probe(path)
            return self._predict(path, info, on_time)
        except HicmaeError as error:
            return FileResult(path, "error", str(error))

    def _predict(self, path: Path, info: MediaInfo, on_time: Callable[[float], None]) -> FileResult:
        settings = self.settings
        see = info.has_video and settings.modality != "audio"
        hear = info.has_audio and settings.modality != "video"
        _insist(path, info, settings.modality)
        sound = SlidingSound(path) if hear else None
        assembler = WindowAssembler(settings.hop_frames)
        windows: dict[int, list[Window]] = defaultdict(list)

        def judge(moments: Moments) -> None:
            for track, window in self._judge(moments, sound, info.duration_s):
                windows[track].append(window)

        def pass_by(crops: Crops) -> None:
            for moments in assembler.add(crops):
                judge(moments)
            on_time(assembler.count * settings.step_s)

        for crops in self._crops(path) if see else ():
            pass_by(crops)
        watched = assembler.count
        for _ in range(self._only_heard(info, watched) if hear else 0):
            pass_by({})
        for moments in assembler.finish():
            judge(moments)

        tracks = []
        for track, judged in sorted(windows.items()):
            tally = assembler.tallies.get(track)
            coverage = tally.frames / watched if tally else 0.0
            tracks.append(Track(track, tuple(judged), coverage, tally.size_px if tally else 0.0))
        status, message = self._verdict(info, tracks, sound, assembler)
        fps = float(info.fps) if info.fps else None
        return FileResult(path, status, message, info.duration_s, fps, tuple(tracks))

    def _only_heard(self, info: MediaInfo, watched: int) -> int:
        """Steps of the sampling grid on which the sound goes on without a picture.

        Behind a picture only what is worth a window of its own counts; streams rarely end at the same moment.
        """
        steps = math.ceil(info.duration_s / self.settings.step_s - 1e-6)
        if watched == 0:
            return max(1, steps)
        rest = steps - watched
        return rest if self.settings.modality == "auto" and rest >= self.settings.hop_frames else 0

    def _crops(self, path: Path) -> Iterator[Crops]:
        """Faces by track at every step of the sampling grid."""
        linker = TrackLinker()
        with self._detectors(self.settings.max_faces) as detector:
            for frame in sample_frames(path, self.settings.step_s):
                yield _align_all(frame, linker, detector)

    def _judge(
        self, moments: Moments, sound: SlidingSound | None, duration_s: float
    ) -> Iterator[tuple[int, Window]]:
        """Run the model on everybody seen in one window, or on the sound alone when nobody was."""
        settings = self.settings
        start_s = moments.start * settings.step_s
        end_s = start_s + settings.window_s
        if moments.num_moments < CLIP_FRAMES:
            end_s = min(end_s, max(duration_s, settings.step_s))
        mel = _window_mel(sound, start_s, end_s)
        clips = [(seen.track, seen.coverage, Clip(seen.faces, mel)) for seen in moments.seen]
        if settings.modality == "av":
            clips = [entry for entry in clips if entry[2].modality == "av"]
        elif not clips and mel is not None and settings.modality != "video":
            clips = [(VOICE_TRACK, 0.0, Clip(None, mel))]
        rows = probabilities(self.engine, [clip for _, _, clip in clips])
        end_s = min(end_s, max(duration_s, start_s + settings.step_s))  # the grid may reach beyond the file
        for (track, coverage, clip), row in zip(clips, rows, strict=True):
            scores = Scores.of(self.engine.info.labels, row)
            yield track, Window(start_s, end_s, scores, coverage, clip.modality)

    def _verdict(
        self, info: MediaInfo, tracks: list[Track], sound: SlidingSound | None, seen: WindowAssembler
    ) -> tuple[str, str]:
        """Status of a file, and the one line that goes with it."""
        settings = self.settings
        notes = list(info.warnings)
        silent = sound is not None and not sound.heard
        looked_for_faces = info.has_video and settings.modality != "audio"
        no_face = looked_for_faces and (
            not seen.tallies or (bool(tracks) and all(track.id == VOICE_TRACK for track in tracks))
        )
        if seen.count < CLIP_FRAMES:
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


def _insist(path: Path, info: MediaInfo, modality: str) -> None:
    if modality in ("av", "video") and not info.has_video:
        raise MediaError(
            f"{path}: no video track, but --modality {modality} asks for one; try --modality auto"
        )
    if modality in ("av", "audio") and not info.has_audio:
        raise MediaError(
            f"{path}: no audio track, but --modality {modality} asks for one; try --modality auto"
        )


def _align_all(frame: Frame, linker: TrackLinker, detector: FaceDetector) -> Crops:
    linked = linker.update(frame, detector.detect(frame))
    return {track: (align_face(frame.rgb, face.landmarks_px), face.size_px) for track, face in linked}


def _window_mel(sound: SlidingSound | None, start_s: float, end_s: float) -> NDArray[np.float32] | None:
    """Log-mel of a window; of its middle 2.56 s where the window is longer than the model hears."""
    if sound is None:
        return None
    spare_s = max(0.0, end_s - start_s - WINDOW_S)
    cut = sound.cut(start_s + spare_s / 2, end_s - spare_s / 2)
    return log_mel(cut) if cut is not None and len(cut) >= MIN_SAMPLES else None
