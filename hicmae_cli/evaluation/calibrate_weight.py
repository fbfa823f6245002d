"""Fit the temperatures of a weight on held-out clips, and write them into its metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.evaluation.calibration import describe_calibration, find_temperature
from hicmae_cli.evaluation.evaluate import EACH, evaluate
from hicmae_cli.modalities import MODALITIES
from hicmae_cli.weights.adding import find_file, write_with_metadata
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.storing import ORIGIN
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES


@dataclass(frozen=True)
class CalibratedStreams:
    """The temperature of one stream or of both.

    Attributes:
        temperature: the fitted one; None if the clips do not determine it, as without a single error.
        clips: number of clips that it was fitted on.
        ece_before: expected calibration error on these clips, without a temperature.
        ece_after: with the temperature; None without one.
    """

    temperature: float | None
    clips: int
    ece_before: float
    ece_after: float | None


@dataclass(frozen=True)
class CalibrationReport:
    """What `calibrate_weight` wrote.

    Attributes:
        path: the file with the new metadata.
        info: these metadata.
        streams: by streams: ``av``, ``video`` or ``audio``.
        warnings: what a reader must know, such as that the weight has learned from the clips, or that its file in the
            other format lacks the temperature.
    """

    path: Path
    info: WeightInfo
    streams: Mapping[str, CalibratedStreams]
    warnings: tuple[str, ...]


def calibrate_weight(
    weight: str | Path,
    output: str | Path | None = None,
    *,
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    split: str = "validation",
    modality: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    draw_puppets: Callable[[Path], Path] | None = None,
    on_start: Callable[[WeightInfo, int], None] = lambda *_: None,
    on_clip: Callable[[], None] = lambda: None,
) -> CalibrationReport:
    """Fit a temperature on held-out clips and write it into a weight (Guo et al. 2017); its tensors do not change.

    A weight of both streams gets one temperature for clips with both, and one for clips with either alone, as far as
    the clips have them and ``modality`` wants them; it keeps its temperatures of other streams. ``predict`` applies
    them; a temperature never changes the most probable label.

    Args:
        weight: a weight file, the folder of a run, or a name.
        output: the file to write; by default the weight's own file is replaced.
        dataset: name of a known dataset.
        root: its folder.
        manifest: a list of clips instead. People in it must not be in the training.
        fold: fit on the clips of this fold.
        split: fit on this split if the list has no folds; ``all`` takes every clip.
        modality: fit the temperature of ``av``, ``video`` or ``audio`` only; by default of all that the weight has.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda``, …
        draw_puppets: draws the generated corpus into a folder if it is missing; see ``find_clips``.
        on_start: called with the metadata of the weight and the number of clips before the first clip.
        on_clip: called after each clip.

    Raises:
        WeightsError: no such weight, not a classification, or a bundled or pulled one without ``output``; or the clips
            determine no temperature at all.
        SettingsError: see `evaluate`, or ``output`` has another suffix than the weight.
        OSError: the file cannot be written.
    """
    file = find_file(str(weight))
    target = file if output is None else Path(output)
    info = read_info(str(file))
    if info.task != "classification":
        raise WeightsError(f"{weight}: is a {info.task} weight; only the probabilities of classes have a temperature")
    if target.suffix != file.suffix:
        raise SettingsError(f"output={str(output)!r}: expected a name that ends in {file.suffix}, like the weight")
    if target.resolve().parent == find_bundled_dir().resolve():
        raise WeightsError(f"{weight}: is bundled with hicmae, and bundled files are never changed: give `output`")
    if target == file and file.with_suffix(ORIGIN).is_file():
        raise WeightsError(f"{weight}: was pulled, and pulled files are never changed: give `output`")
    sheet = evaluate(
        weights=str(file),
        dataset=dataset,
        root=root,
        manifest=manifest,
        fold=fold,
        split=split,
        modality=modality or (EACH if info.modality == "av" else None),
        engine=engine,
        device=device,
        draw_puppets=draw_puppets,
        on_start=on_start,
        on_clip=on_clip,
    )
    streams = {}
    for modality, found in sheet.results.items():
        temperature = find_temperature(found.pooled)
        described = describe_calibration(found, temperature)
        streams[modality] = CalibratedStreams(
            temperature,
            len(found.pooled.samples),
            described["before"]["ece"],
            described["after"]["ece"] if temperature is not None else None,
        )
    fitted = {name: each.temperature for name, each in streams.items()}
    if not any(fitted.values()):
        raise WeightsError(
            f"{weight}: the clips do not determine a temperature, as without a single error, or without any skill"
        )
    known = {name: info.find_temperature(name) for name in MODALITIES} | fitted
    fields = {
        "temperature": known[info.modality],
        "one_stream_temperatures": {
            name: value for name, value in known.items() if name != info.modality and value is not None
        },
    }
    calibrated = WeightInfo.model_validate({**info.model_dump(), **fields})
    write_with_metadata(file, calibrated, target)
    stale = [
        f"{other}: was not changed, so it lacks the new temperature; export it again, or remove it"
        for other in (target.with_suffix(suffix) for suffix in WEIGHT_SUFFIXES if suffix != target.suffix)
        if other.is_file()
    ]
    return CalibrationReport(target, calibrated, streams, (*sheet.warnings, *stale))
