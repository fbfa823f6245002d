"""Videos, sounds and photographs in, emotions out: per person, over time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from hicmae_cli.errors import HicmaeError, SettingsError
from hicmae_cli.faces import FaceDetector, FaceFinder
from hicmae_cli.faces.people import Textures, hash_photographs, name_people, read_people
from hicmae_cli.media import MediaInfo
from hicmae_cli.model_input import CLIP_FRAMES
from hicmae_cli.runtime.ahead import read_ahead
from hicmae_cli.runtime.engine import Engine, FeatureEngine, embed_batches, score_batches
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.inputs import start_of
from hicmae_cli.runtime.occlusion import explain_clip
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.reading import OnSeconds, WindowInput, WindowReader
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sources import OpenSource, Source, open_source
from hicmae_cli.runtime.timings import StageClock
from hicmae_cli.runtime.window_table import WindowTable

OnWindows: TypeAlias = Callable[[Mapping[int, Window]], None]
"""Called with windows by track."""


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
        timings: whether results say where the time went.

    Attributes:
        engine: the model.
        settings: as given; ``modality`` is that of the weight if it was trained on one stream, and so is a window that
            was not given.
        people: textures of photographs by name; empty if nobody is to be named.

    Raises:
        SettingsError: the settings require a stream that the model was not trained on, or photographs of people that
            are not usable.
    """

    def __init__(
        self,
        engine: Engine,
        settings: PredictSettings | None = None,
        detectors: Callable[[int], AbstractContextManager[FaceDetector]] = open_detector,
        timings: bool = False,
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
        if self.settings.features and not isinstance(engine, FeatureEngine):
            raise SettingsError(f"features: the {engine.name} engine has none; use engine='torch'")
        self._detectors = detectors
        self.people: Mapping[str, Textures] = {}
        if self.settings.people is not None and self.settings.modality != "audio":
            folder = Path(self.settings.people)
            self.people = read_people(folder, self.open_detector)
            self.settings = replace(self.settings, people_sha256=hash_photographs(folder))
        self._keeps_timings = timings

    def open_detector(self) -> AbstractContextManager[FaceDetector]:
        """Open a face finder.

        Raises:
            MissingDependencyError: it, or a system library that it needs, cannot be loaded.
        """
        return self._detectors(self.settings.max_faces)

    def predict(
        self,
        source: Source | OpenSource,
        on_seconds: OnSeconds = lambda _done_s, _total_s: None,
        on_windows: OnWindows = lambda _windows: None,
    ) -> FileResult:
        """Predict one input; a file or stream that cannot be read gives a result with status ``error``.

        Args:
            source: a path, an open binary stream, or arrays; with video, sound or both, or a photograph.
            on_seconds: called with the progress, mostly in the thread that reads the input, and with zeros while it
                goes on without any.
            on_windows: called with the windows of one moment by track, as soon as they are decided.

        Raises:
            ValueError: arrays of other shapes or types.
            TypeError: a source of another type.
        """
        path = Path(str(source)) if isinstance(source, str | Path) else Path("stream")
        clock = StageClock()
        try:
            with clock.measure("decode"):
                opened = open_source(source)
                path = opened.path
                info = opened.probe(lambda: on_seconds(0.0, 0.0))
            result = _predict_source(self, opened, info, on_seconds, on_windows, clock)
            if isinstance(source, str | Path):
                result = replace(result, folder=start_of(path))
            return replace(result, timings=clock.read()) if self._keeps_timings else result
        except HicmaeError as error:
            return FileResult(path, "error", str(error))


def _predict_source(
    predictor: Predictor,
    source: OpenSource,
    info: MediaInfo,
    on_seconds: OnSeconds,
    on_windows: OnWindows,
    clock: StageClock,
) -> FileResult:
    """Read an input and predict every window of it."""
    step_s = predictor.engine.info.step_s
    reader = WindowReader(
        source, info, predictor.settings, predictor.open_detector, on_seconds, trained_step_s=step_s, clock=clock
    )
    windows: dict[int, WindowTable] = defaultdict(WindowTable)
    latest: dict[int, Scores] = {}
    explained: dict[int, Explanation] = {}
    embedded: dict[int, tuple[float, ...]] = {}
    # The pictures of a live stream are not to wait anywhere.
    made = read_ahead(reader.read()) if math.isfinite(info.duration_s) else reader.read()
    with closing(made):
        for inputs in made:
            with clock.measure("model"):
                fresh = [each for each in inputs if not each.is_repeated]
                latest |= _score_inputs(predictor.engine, fresh)
                if predictor.settings.features:
                    embedded |= _embed_inputs(predictor.engine, fresh)
                if predictor.settings.explain:
                    for each in fresh:
                        explained[each.track] = _explain(predictor.engine, each)
                        on_seconds(0.0, 0.0)  # it goes on, though slowly
            for each in inputs:
                extras = explained.get(each.track), embedded.get(each.track, ())
                windows[each.track].append(_make_window(each, latest[each.track], *extras))
            on_windows({each.track: windows[each.track][-1] for each in inputs})
    names = name_people(reader.people, predictor.people)
    tracks = []
    for track, found in sorted(windows.items()):
        tally = reader.tallies.get(track)
        coverage = tally.frames / reader.num_pictures if tally else 0.0
        size_px = tally.size_px if tally else 0.0
        tracks.append(Track(track, found, coverage, size_px, names.get(track, "")))
    status, message = _describe_status(
        reader, info, predictor.settings, tuple(tracks), is_photograph=source.is_photograph
    )
    duration_s = None if source.is_photograph else info.duration_s
    fps = float(info.fps) if info.fps else None
    if reader.uses_video and (doubt := reader.doubt_length()):
        message = "; ".join(filter(None, (message, doubt)))
        duration_s, fps = None, None
    return FileResult(
        source.path,
        status,
        message,
        duration_s,
        fps,
        tuple(tracks),
        width_px=info.width_px or None,
        height_px=info.height_px or None,
        is_photograph=source.is_photograph,
        speech=reader.find_speech(windows),
    )


def _score_inputs(engine: Engine, inputs: Sequence[WindowInput]) -> dict[int, Scores]:
    """Run the model on the inputs of one window -> the output of each track, calibrated if the weight can."""
    temperatures = [_find_temperature(engine, each) for each in inputs]
    rows = score_batches(engine, [each.clip for each in inputs], temperatures=temperatures)
    return {
        each.track: Scores.of(engine.info.labels, row, engine.info.kind) for each, row in zip(inputs, rows, strict=True)
    }


def _embed_inputs(engine: Engine, inputs: Sequence[WindowInput]) -> dict[int, tuple[float, ...]]:
    """Run the model up to its head on the inputs of one window -> the features of each track."""
    assert isinstance(engine, FeatureEngine), "the predictor has checked it"
    rows = embed_batches(engine, [each.clip for each in inputs]) if inputs else ()
    return {each.track: tuple(map(float, row)) for each, row in zip(inputs, rows, strict=True)}


def _make_window(
    inputs: WindowInput, scores: Scores, explanation: Explanation | None, features: tuple[float, ...]
) -> Window:
    coverage, boxes = (inputs.person.coverage, inputs.person.boxes) if inputs.person else (0.0, ())
    return Window(
        inputs.start_s,
        inputs.end_s,
        scores,
        coverage,
        inputs.modality,
        boxes,
        inputs.voice,
        inputs.speaker,
        explanation,
        features,
    )


def _explain(engine: Engine, window: WindowInput) -> Explanation:
    return explain_clip(engine, window.clip, _find_temperature(engine, window))


def _find_temperature(engine: Engine, window: WindowInput) -> float:
    return engine.info.find_temperature(window.modality) or 1.0


def _describe_status(
    reader: WindowReader, info: MediaInfo, settings: PredictSettings, tracks: tuple[Track, ...], *, is_photograph: bool
) -> tuple[str, str]:
    """Return the status, and the message that explains it."""
    notes = list(info.warnings)
    silent = reader.is_silent
    no_face = reader.uses_video and (
        not reader.tallies or (bool(tracks) and all(track.id == VOICE_TRACK for track in tracks))
    )
    if reader.is_short and not is_photograph:
        repeated = ": the last frame was repeated" if reader.uses_video else ""
        notes.append(f"shorter than a window of {settings.step_s * CLIP_FRAMES:g} s{repeated}")
    if silent and settings.modality == "av":
        notes.append("the sound is silent, but modality='av' requires it; try modality='auto'")
    elif silent:
        notes.append("the sound is silent" + (": only the face was used" if tracks else ""))
    elif reader.has_heard is False:
        notes.append("no voice was heard" + (": only the face was used" if tracks else "; try sound='shared'"))
    elif info.has_video and not info.has_audio and settings.modality == "auto" and tracks and not is_photograph:
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
