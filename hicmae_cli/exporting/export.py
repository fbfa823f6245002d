"""Export a weight for other programs, and compare the file with hicmae's own path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, compute_log_mel, stack_clips
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.exporting.clips import ClipChoice, add_withheld, feed, measure_agreement
from hicmae_cli.exporting.front_end import attach_front_end
from hicmae_cli.exporting.precision import convert_to_half, quantise
from hicmae_cli.files import make_scratch_folder
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, RAW_INPUTS, WINDOW_SAMPLES
from hicmae_cli.onnx_runtime import open_session, run_session
from hicmae_cli.runtime.engine import to_outputs
from hicmae_cli.weights.export import (
    CHECKED_BATCHES,
    SEED,
    TOLERANCE,
    Differences,
    ExportReport,
    TracedWeight,
    compare,
    trace_weight,
    write_checked,
)
from hicmae_cli.weights.info import PRECISIONS, ComputePrecision, Precision, WeightInfo
from hicmae_cli.weights.reading import read_info

FRONT_END_TOLERANCE: Final = 2e-3
HALF_TOLERANCE: Final = 5e-3
LEAST_AGREEMENT: Final = 0.99
"""An int8 file that decides otherwise for more clips is not written."""
Run = Callable[..., NDArray[np.float32]]
"""A network: ``video`` (B, 3, 16, 160, 160) and ``audio`` (B, 1, 256, 128) -> logits (B, C)."""


def export_onnx(
    source: str | Path,
    target: str | Path,
    *,
    store: Precision = "float32",
    precision: ComputePrecision = "float32",
    with_front_end: bool = False,
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    split: str | None = None,
) -> ExportReport:
    """Write a weight as ONNX with the same metadata and a dynamic batch size.

    The ONNX checker validates the graph, and ONNX Runtime's outputs are compared with torch's; the file appears only
    if both pass. ``hicmae predict`` runs a file without front end.

    Args:
        source: a ``.safetensors`` file, or an ``.onnx`` file that holds the parameters by name.
        target: the ``.onnx`` file.
        store: ``float16`` rounds the parameters and halves the file, which computes in float32; see
            ``weights/export.py``.
        precision: what the network computes in: ``float32``, ``float16`` or ``int8``. Only a file of float32 holds the
            parameters by name.
        with_front_end: take 8-bit aligned faces and sound at 16 kHz, and give calibrated probabilities too; see
            ``exporting/front_end.py``.
        dataset: name of a known dataset whose prepared clips determine the ranges of int8.
        root: its folder.
        manifest: a list of prepared clips instead.
        split: only the clips of this split; by default all clips, of which at most 256 are used.

    Raises:
        WeightsError: the source cannot be read, a number is too large for float16, or the file differs too much. The
            limit is 1e-3 in a logit, 5e-3 in a probability for float16, and 2e-3 in a probability with front end.
            Values of a regression may differ by that share of the largest one if that is above 1. int8 must decide as
            torch does for 99 % of the clips.
        SettingsError: int8 without clips, clips or a split without int8, two precisions, or the target is the source.
        ManifestError: the clips are missing or cannot be read.
    """
    target, choice = Path(target), ClipChoice(dataset, root, manifest, split)
    _check_settings(store, precision, choice)
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise SettingsError(f"{target}: is the weight itself, whose parameters would be lost; choose another file")
    clips = choice.read(read_info(str(source))) if precision == "int8" else []
    traced = trace_weight(Path(source), target, store)
    info, network = traced.info, _run_torch(traced)
    on_clips = None
    if precision == "int8":
        traced = traced._replace(proto=quantise(traced.proto, feed(add_withheld(clips))))
        quantised = _run_proto(traced.proto)
        on_clips = compare_rows(_run_all(network, clips), _run_all(quantised, clips), info)
        if not on_clips.agreement >= LEAST_AGREEMENT:
            raise WeightsError(
                f"{target}: not written: in int8 it decides as torch does for {on_clips.agreement:.1%} of "
                f"{len(clips)} clips, less than {LEAST_AGREEMENT:.0%}"
            )
        network = quantised
    if precision == "float16":
        traced = traced._replace(proto=convert_to_half(traced.proto))
    tolerance = {"float32": TOLERANCE, "float16": HALF_TOLERANCE, "int8": math.inf}[precision]
    if with_front_end:
        attach_front_end(traced.proto, info)
        tolerance = HALF_TOLERANCE if precision == "float16" else FRONT_END_TOLERANCE

    def measure(file: Path) -> Differences:
        return on_clips or compare(traced.network, file, info.kind)

    def measure_front_end(file: Path) -> Differences:
        found = _compare_front_end(network, file, info)
        return found._replace(agreement=on_clips.agreement) if on_clips else found

    return write_checked(
        traced,
        target,
        measure_front_end if with_front_end else measure,
        precision=precision,
        tolerance=tolerance,
        by_probability=with_front_end or precision != "float32",
    )


def _check_settings(store: Precision, precision: ComputePrecision, choice: ClipChoice) -> None:
    if precision not in PRECISIONS:
        raise SettingsError(f"precision={precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision != "float32" and store != "float32":
        raise SettingsError(f"store={store!r}: is for files that compute in float32, not precision={precision!r}")
    if precision == "int8":
        if choice.dataset is None and choice.manifest is None:
            raise SettingsError(
                "precision='int8': its numbers have fixed ranges, which prepared clips determine; give `manifest` or "
                "`dataset`"
            )
        return
    given = next((name for name, value in asdict(choice).items() if value is not None), None)
    if given is not None:
        raise SettingsError(f"`{given}`: only precision='int8' needs clips, got precision={precision!r}")


def _run_torch(traced: TracedWeight) -> Run:
    def run(video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(traced.network(torch.from_numpy(video), torch.from_numpy(audio)))

    return run


def _run_proto(proto: onnx.ModelProto) -> Run:
    """Run a graph that is not in its file yet."""
    with make_scratch_folder() as folder:
        file = folder / "network.onnx"
        onnx.save(proto, file)
        session = open_session(file)
    return lambda video, audio: np.asarray(run_session(session, file, ["logits"], {"video": video, "audio": audio})[0])


def _run_all(run: Run, clips: Sequence[Clip]) -> NDArray[np.float32]:
    return np.concatenate([run(**inputs) for inputs in feed(clips)])


def compare_rows(expected: NDArray[np.float32], got: NDArray[np.float32], info: WeightInfo) -> Differences:
    """Compare the logits (n, C) of two models on the same clips."""
    answers, found = (to_outputs(rows, info.kind) for rows in (expected, got))
    return Differences(
        float(np.abs(got - expected).max()),
        float(np.abs(found - answers).max()),
        float(np.abs(expected).max()),
        len(expected),
        measure_agreement(answers, found, info.kind),
    )


def _compare_front_end(network: Run, onnx_file: Path, info: WeightInfo) -> Differences:
    """Compare a file with front end with hicmae's own one before a network, on seeded clips."""
    session = open_session(onnx_file)
    answer = "values" if info.kind == "regression" else "probabilities"
    worst_logit = worst_answer = largest = 0.0
    for inputs in _make_raw_inputs():
        video, audio, temperatures = _prepare(info, inputs)
        expected = network(video, audio)
        calibrated = expected / temperatures if info.kind == "classification" else expected
        logits, found = run_session(session, onnx_file, ["logits", answer], inputs)
        # Not max(), which ignores NaN.
        worst_logit = float(np.maximum(worst_logit, np.abs(logits - expected).max()))
        worst_answer = float(np.maximum(worst_answer, np.abs(found - to_outputs(calibrated, info.kind)).max()))
        largest = max(largest, float(np.abs(expected).max()))
    return Differences(worst_logit, worst_answer, largest, sum(CHECKED_BATCHES))


def _make_raw_inputs() -> Iterator[dict[str, NDArray[Any]]]:
    """Make seeded inputs of a front end: with both streams, with either alone, and a short sound."""
    generator = np.random.default_rng(SEED)
    for clips, samples in zip(CHECKED_BATCHES, (WINDOW_SAMPLES // 3, WINDOW_SAMPLES), strict=True):
        faces = generator.integers(0, 256, (clips, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
        sound = 0.1 * generator.standard_normal((clips, samples), np.float32)
        withheld = np.arange(clips) % 3
        yield dict(zip(RAW_INPUTS, (faces, sound, withheld != 1, withheld != 2), strict=True))


def _prepare(
    info: WeightInfo, inputs: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Do what the front end does -> video, audio, temperatures (B, 1)."""
    one_stream = info.modality != "av"
    clips = [
        Clip(faces if use_faces or one_stream else None, compute_log_mel(sound) if use_sound or one_stream else None)
        for faces, sound, use_faces, use_sound in zip(*(inputs[name] for name in RAW_INPUTS), strict=True)
    ]
    streams = (info.modality if one_stream else clip.modality for clip in clips)
    temperatures = [info.find_temperature(each) or 1.0 for each in streams]
    return *stack_clips(clips), np.array(temperatures, np.float32)[:, None]
