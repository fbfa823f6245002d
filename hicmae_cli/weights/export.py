"""Trace a classifier to ONNX, and write the file if it agrees with torch."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import write_atomically
from hicmae_cli.modalities import Modality
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.encoders import Encoded
from hicmae_cli.onnx_runtime import import_onnxruntime, open_session, run_session
from hicmae_cli.tasks import Kind
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.info import METADATA_KEY, STORAGE_KEY, ComputePrecision, Precision, WeightInfo
from hicmae_cli.weights.onnx_parameters import describe_storage, halve, strip_notes, to_half

# Must come before torch's exporter, which imports ONNX Runtime itself.
import_onnxruntime()

# The first opset with GELU as one operation.
OPSET = 20
TOLERANCE = 1e-3
SEED = 0
# More than one size, to detect a frozen batch dimension.
CHECKED_BATCHES = (1, 3)


@dataclass(frozen=True)
class ExportReport:
    """Result of the numeric check: largest absolute differences over seeded inputs, or for int8 over clips.

    ``max_probability_difference`` is None for a regression, which has no probabilities. ``limited`` is what must stay
    within the limit: ``a logit``, ``a probability`` or ``a value``. ``agreement`` is the share of the clips for which
    an int8 file decides as torch does; NaN for other files, which are checked on noise. The differences of an int8
    file with front end are those to the network without it.
    """

    path: Path
    opset: int
    size_bytes: int
    max_logit_difference: float
    max_probability_difference: float | None
    checked_clips: int
    limit: float
    limited: str
    agreement: float = math.nan


def write_onnx(source: str | Path, target: str | Path, *, store: Precision = "float32") -> ExportReport:
    """Write a weight as the ONNX file that hicmae's own engine runs, with the same metadata and a dynamic batch size.

    To export a weight for somebody else, use `hicmae_cli.exporting.export.export_onnx`: it also attaches the front end
    and computes in other precisions, but needs rooms above this one.

    The file also says where each parameter is, so that torch can read them from it.

    The graph of a weight that was trained on one stream lacks the encoder of the other one; that input is still there,
    but has no effect. Torch cannot read such a file.

    The ONNX checker validates the graph, and ONNX Runtime's outputs are compared with torch's on seeded inputs; the
    file appears only if both pass.

    Args:
        source: a ``.safetensors`` file, or an ``.onnx`` file that holds the parameters by name.
        target: the ``.onnx`` file.
        store: ``float16`` rounds the parameters and halves the file. The graph converts them to float32 again, and is
            compared with a torch model of the same rounded parameters.

    Raises:
        WeightsError: the source cannot be read, a number is too large for float16, or a logit differs by more than
            1e-3. A regression's outputs have no fixed range: the limit is 1e-3 of the largest output if that is above
            1.
    """
    traced = trace_weight(Path(source), Path(target), store)
    network, kind = traced.network, traced.info.kind
    return write_checked(traced, Path(target), lambda file: compare(network, file, kind))


class Differences(NamedTuple):
    """How much a file differs from torch.

    Attributes:
        logit: largest difference of a logit, or of a value.
        probability: largest difference of a probability.
        largest: largest output of torch.
        clips: how many clips were compared.
        agreement: share of the clips for which both decide alike; NaN if that was not counted.
    """

    logit: float
    probability: float
    largest: float
    clips: int
    agreement: float = math.nan


class TracedWeight(NamedTuple):
    """A weight as a graph.

    Attributes:
        model: the classifier, its parameters rounded if they are stored so.
        network: the same with the inputs of the graph.
        info: its metadata.
        proto: ``video`` and ``audio`` -> ``logits``.
        store: precision of the stored parameters.
    """

    model: Classifier
    network: nn.Module
    info: WeightInfo
    proto: onnx.ModelProto
    store: Precision


def trace_weight(source: Path, target: Path, store: Precision = "float32") -> TracedWeight:
    """Read a weight and trace it, for a file that messages name; see `write_onnx`."""
    model, info = load_classifier(source)
    if store == "float16":
        _round(model, target)
    network = model if info.modality == "av" else OneStream(model, info.modality)
    proto = _fold_constants(_trace(network))
    for node in proto.graph.input:
        # The exporter fixes the batch size of an input that it finds unused.
        node.type.tensor_type.shape.dim[0].dim_param = "batch"
    if info.modality != "av":
        withheld = "audio" if info.modality == "video" else "video"
        for each in proto.graph.node:
            # The exporter may read the batch size from either input.
            each.input[:] = [info.modality if name == withheld else name for name in each.input]
    strip_notes(proto)
    if store == "float16":
        halve(proto)
    return TracedWeight(model, network, info, proto, store)


def write_checked(
    traced: TracedWeight,
    target: Path,
    measure: Callable[[Path], Differences],
    *,
    precision: ComputePrecision = "float32",
    tolerance: float = TOLERANCE,
    by_probability: bool = False,
) -> ExportReport:
    """Write a graph with metadata; the file appears only if the ONNX checker takes it and it agrees with torch.

    Args:
        traced: the graph, which is changed, and what it was made of.
        target: the file.
        measure: compares the file with torch, as `compare` does.
        precision: what the graph computes in. Only one of float32 holds the parameters by name.
        tolerance: the largest difference, for outputs up to 1.
        by_probability: compare probabilities, not logits. A regression has only values.

    Raises:
        WeightsError: it differs by more.
    """
    info, proto = traced.info, traced.proto
    with write_atomically(target) as temporary:
        state = None
        if info.modality == "av" and precision == "float32":
            state = {name: tensor.numpy() for name, tensor in traced.model.state_dict().items()}
        storage = describe_storage(proto, traced.store if precision == "float32" else precision, state)
        onnx.helper.set_model_props(proto, {METADATA_KEY: info.to_json(), STORAGE_KEY: storage})
        onnx.save(proto, temporary)
        onnx.checker.check_model(str(temporary), full_check=True)
        found = measure(temporary)
        valued = info.task == "regression"
        limit = tolerance * max(1.0, found.largest) if valued else tolerance
        compares = "a value" if valued else "a probability" if by_probability else "a logit"
        worst = found.probability if compares == "a probability" else found.logit
        if not worst <= limit:
            raise WeightsError(
                f"{target}: not written: ONNX Runtime differs from torch by {worst:.2e} in {compares}, more than "
                f"{limit:.0e}"
            )
    opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    size, probability = target.stat().st_size, None if valued else found.probability
    return ExportReport(target, opset, size, found.logit, probability, found.clips, limit, compares, found.agreement)


def _round(model: Classifier, target: Path) -> None:
    """Round the parameters to float16.

    Raises:
        WeightsError: a number is too large for float16.
    """
    try:
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                tensor.copy_(torch.from_numpy(to_half(tensor.numpy(), name)))
    except ValueError as error:
        raise WeightsError(f"{target}: not written: {error}") from error


class OneStream(nn.Module):
    """A classifier of one stream, with the inputs of any other: it contains the withheld stream as constants.

    Args:
        model: the classifier.
        modality: the stream that it was trained on, ``video`` or ``audio``.
    """

    means: Tensor
    tokens: Tensor

    def __init__(self, model: Classifier, modality: Modality) -> None:
        super().__init__()
        self.model, self.modality = model, modality
        withheld = model.video_encoder if modality == "audio" else model.audio_encoder
        with torch.no_grad():
            means, tokens = model.encode(withheld, None)
        self.register_buffer("means", means)
        self.register_buffer("tokens", tokens)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """(B, 3, 16, 160, 160) and (B, 1, 256, 128) -> logits (B, C); the withheld input is ignored."""
        model, constant = self.model, Encoded(self.means, self.tokens)
        if self.modality == "audio":
            streams = constant, model.encode(model.audio_encoder, audio)
        else:
            streams = model.encode(model.video_encoder, video), constant
        return model.head(model.fuse(*streams, batch=audio.shape[0]))  # type: ignore[no-any-return]


def _fold_constants(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Compute the tensors that depend on weights alone.

    The exporter skips tensors of more than 8192 numbers, and `open_session` folds no constants.
    """
    largest = 2**31 - 1
    with _without_notes():
        return optimizer.optimize(
            proto, onnx_shape_inference=False, input_size_limit=largest, output_size_limit=largest
        )


def compare(model: nn.Module, onnx_file: Path, task: Kind) -> Differences:
    """Compare torch and ONNX Runtime on seeded noise."""
    session = open_session(onnx_file)
    generator = np.random.default_rng(SEED)
    worst_logit = worst_probability = largest = 0.0
    for batch in CHECKED_BATCHES:
        video, audio = (generator.standard_normal(shape, np.float32) for shape in _make_input_shapes(batch))
        with torch.inference_mode():
            expected = model(torch.from_numpy(video), torch.from_numpy(audio))
        (logits,) = run_session(session, onnx_file, ["logits"], {"video": video, "audio": audio})
        got = torch.from_numpy(logits)
        # Not max(), which ignores NaN.
        worst_logit = float(np.maximum(worst_logit, (got - expected).abs().max()))
        shares = [each.sigmoid() if task == "multilabel" else each.softmax(-1) for each in (got, expected)]
        worst_probability = float(np.maximum(worst_probability, (shares[0] - shares[1]).abs().max()))
        largest = max(largest, float(expected.abs().max()))
    return Differences(worst_logit, worst_probability, largest, sum(CHECKED_BATCHES))


def _make_input_shapes(batch: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    video = (batch, 3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX)
    return video, (batch, 1, LOG_MEL_FRAMES, LOG_MEL_BINS)


def _trace(model: nn.Module) -> onnx.ModelProto:
    inputs = tuple(torch.zeros(shape) for shape in _make_input_shapes(2))
    batch = torch.export.Dim("batch", min=1, max=4096)
    with _without_notes():
        program = torch.onnx.export(
            model,
            inputs,
            input_names=["video", "audio"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            dynamic_shapes={"video": {0: batch}, "audio": {0: batch}},
        )
    assert program is not None
    return program.model_proto


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Silence the exporter, which prints its steps and warns about its own internals."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("torch.onnx", "onnxscript"))}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
