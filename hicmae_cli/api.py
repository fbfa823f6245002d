"""The public functions that join several rooms; ``import hicmae_cli as hicmae`` gives them.

They do what the commands of the same names do, without printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.inputs import find_inputs
from hicmae_cli.runtime.opening import describe_weight, open_engine, open_predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sources import Source
from hicmae_cli.runtime.timings import StageClock, sum_timings


def predict(
    source: Source | Sequence[Source],
    *,
    weights: str | Path = DEFAULT_WEIGHT,
    engine: str = "auto",
    device: str = "auto",
    modality: str = "auto",
    window_s: float | None = None,
    hop_s: float | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    faces: int | str = 4,
    people: str | Path | None = None,
    smooth_s: float = 0.0,
    abstain: float = 0.0,
    timings: bool = False,
    sound: str = "speaker",
    explain: bool = False,
    features: bool = False,
) -> Prediction:
    """Predict emotions in videos, sounds or photographs, per person and over time.

    Args:
        source: one input or a list of them. An input is a path (a file, a folder or a pattern such as
            ``"clips/*.mp4"``), an open binary stream, or a dict of arrays: ``frames`` (T, H, W, 3) uint8 RGB with
            ``times_s`` (T,), ``samples`` (N,) float32 mono with ``sample_rate_hz``, or both pairs.
        weights: a name from ``hicmae weights list``, a weight file, or the folder of a training run.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda`` …
        modality: ``auto`` uses the streams that are there; ``av``, ``video`` and ``audio`` require theirs.
        window_s: length of a window in seconds; by default that of the weight's training, usually 2.56 s.
        hop_s: time between the starts of two windows; by default a quarter of the training's window, usually 0.64 s.
        start_s: where in each input to start.
        end_s: where to stop; None for its end.
        faces: largest number of people to follow at once; ``"all"`` for everybody; ``"largest"`` to predict in each
            window only the person with the largest face.
        people: a folder with photographs of people, ``NAME.jpg`` or ``NAME/*.jpg``, after which tracks are named.
        smooth_s: width in seconds of a centred mean over the windows, for timelines; 0 for none.
        abstain: smallest probability of a label in a timeline; a moment below it has no label.
        timings: whether the results say where the time went.
        sound: ``speaker`` gives a voice to the person who speaks, and judges listeners, and windows without a voice, by
            the face; ``shared`` gives any sound to everybody in view.
        explain: whether each window says what moved its answer; see `Explanation`.
        features: whether each window has its embedding, the layer ``fused`` of `embed`; needs torch.

    Returns:
        One result per input. An input that cannot be read is among ``failures``, and the others are done.

    Raises:
        WeightsError: no such weight, or not loadable.
        SettingsError: a parameter out of range, or photographs of people that are not usable.
        MissingDependencyError: packages of the engine are not installed.
        ValueError: arrays of other shapes or types.
    """
    settings = PredictSettings(
        modality,
        window_s,
        hop_s,
        faces,
        start_s,
        end_s,
        people=None if people is None else str(people),
        smooth_s=smooth_s,
        abstain=abstain,
        sound=sound,
        explain=explain,
        features=features,
    )
    clock = StageClock()
    with clock.measure("loading"):
        predictor = open_predictor(str(weights), settings, engine, device, timings=timings)
    files: list[FileResult] = []
    for each in cast("Sequence[Source]", source if isinstance(source, list | tuple) else [source]):
        if not isinstance(each, str | Path):
            files.append(predictor.predict(each))
            continue
        paths, faults = find_inputs([str(each)])
        files += map(predictor.predict, paths)
        files += [FileResult(Path(name), "error", message) for name, message in faults]
    model = describe_weight(str(weights), predictor.engine)
    return Prediction(model, predictor.settings, tuple(files), sum_timings(files, clock.read()) if timings else None)


def load_weight(name_or_file: str | Path, engine: str = "auto", device: str = "auto") -> Engine:
    """Load a weight, for `Predictor`.

    Args:
        name_or_file: a name from ``hicmae weights list``, a weight file, or the folder of a training run.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda`` …

    Raises:
        WeightsError: no such weight, or not loadable.
        SettingsError: an unknown engine, or a device that is not available.
        MissingDependencyError: packages of the engine are not installed.
    """
    return open_engine(str(name_or_file), engine, device)
