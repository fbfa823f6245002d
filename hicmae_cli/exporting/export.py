"""Export a weight for other programs, and compare the file with hicmae's own path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, compute_log_mel, stack_clips
from hicmae_cli.exporting.front_end import attach_front_end
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, RAW_INPUTS, WINDOW_SAMPLES
from hicmae_cli.onnx_runtime import open_session, run_session
from hicmae_cli.runtime.engine import softmax, to_outputs
from hicmae_cli.weights.export import (
    CHECKED_BATCHES,
    SEED,
    ExportReport,
    TracedWeight,
    export_onnx,
    trace_weight,
    write_checked,
)
from hicmae_cli.weights.info import Precision

FRONT_END_TOLERANCE = 2e-3


def export_weight(
    source: str | Path, target: str | Path, *, store: Precision = "float32", with_front_end: bool = False
) -> ExportReport:
    """Write a weight as ONNX with the same metadata and a dynamic batch size.

    The ONNX checker validates the graph, and ONNX Runtime's outputs are compared with torch's on seeded inputs; the
    file appears only if both pass. ``hicmae predict`` runs a file without front end.

    Args:
        source: a ``.safetensors`` file, or an ``.onnx`` file that holds the parameters by name.
        target: the ``.onnx`` file.
        store: ``float16`` rounds the parameters and halves the file; see ``weights/export.py``.
        with_front_end: take 8-bit aligned faces and sound at 16 kHz, and give calibrated probabilities too; see
            ``exporting/front_end.py``.

    Raises:
        WeightsError: the source cannot be read, a number is too large for float16, or the file differs too much: by
            1e-3 in a logit, with front end by 2e-3 in a probability. Values of a regression may differ by that share of
            the largest one if that is above 1.
    """
    if not with_front_end:
        return export_onnx(source, target, store=store)
    traced = trace_weight(Path(source), Path(target), store)
    attach_front_end(traced.proto, traced.info)
    return write_checked(
        traced,
        traced.proto,
        Path(target),
        lambda file: _compare_front_end(traced, file),
        tolerance=FRONT_END_TOLERANCE,
        by_probability=True,
    )


def _compare_front_end(traced: TracedWeight, onnx_file: Path) -> tuple[float, float, float]:
    """Compare a file with front end with hicmae's own one and torch, on seeded clips; see ``compare``."""
    session, info = open_session(onnx_file), traced.info
    answer = "values" if info.kind == "regression" else "probabilities"
    worst_logit = worst_answer = largest = 0.0
    for inputs in _make_raw_inputs():
        video, audio, temperatures = _prepare(traced, inputs)
        with torch.inference_mode():
            expected = traced.network(torch.from_numpy(video), torch.from_numpy(audio)).numpy()
        answers = softmax(expected / temperatures) if info.kind == "classification" else to_outputs(expected, info.kind)
        logits, found = run_session(session, onnx_file, ["logits", answer], inputs)
        # Not max(), which ignores NaN.
        worst_logit = float(np.maximum(worst_logit, np.abs(logits - expected).max()))
        worst_answer = float(np.maximum(worst_answer, np.abs(found - answers).max()))
        largest = max(largest, float(np.abs(expected).max()))
    return worst_logit, worst_answer, largest


def _make_raw_inputs() -> Iterator[dict[str, NDArray[np.generic]]]:
    """Make seeded inputs of a front end: with both streams, with either alone, and a short sound."""
    generator = np.random.default_rng(SEED)
    for clips, samples in zip(CHECKED_BATCHES, (WINDOW_SAMPLES // 3, WINDOW_SAMPLES), strict=True):
        shape = (clips, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3)
        streams = np.arange(clips) % 3
        yield dict(
            zip(
                RAW_INPUTS,
                (
                    generator.integers(0, 256, shape, np.uint8),
                    (0.1 * generator.standard_normal((clips, samples), np.float32)),
                    streams != 1,
                    streams != 2,
                ),
                strict=True,
            )
        )


def _prepare(
    traced: TracedWeight, inputs: dict[str, NDArray[np.generic]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Do what the front end does -> video, audio, temperatures (B, 1)."""
    one_stream = traced.info.modality != "av"
    clips = [
        Clip(faces if use_faces or one_stream else None, compute_log_mel(sound) if use_sound or one_stream else None)
        for faces, sound, use_faces, use_sound in zip(*(inputs[name] for name in RAW_INPUTS), strict=True)
    ]
    streams = (traced.info.modality if one_stream else clip.modality for clip in clips)
    temperatures = [traced.info.find_temperature(each) or 1.0 for each in streams]
    return *stack_clips(clips), np.array(temperatures, np.float32)[:, None]
