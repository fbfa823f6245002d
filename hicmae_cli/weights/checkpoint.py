"""Read and write models as safetensors with JSON metadata. A file must fit its model exactly.

An ONNX file that holds the parameters by name can be read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hicmae_cli.errors import MissingDependencyError, WeightsError, first_line, install_hint, one_line
from hicmae_cli.files import write_atomically
from hicmae_cli.models.build import Network, build_model
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.weights.authors import explain_relative, infer_decoder, infer_dims, strip_wrapper, to_our_names
from hicmae_cli.weights.checkpoint_archive import check_tensors, read_archive
from hicmae_cli.weights.checkpoint_pickle import StoredTensor
from hicmae_cli.weights.info import METADATA_KEY, Precision, WeightInfo
from hicmae_cli.weights.suffixes import ONNX

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each tensor by its name."""

# Limits of an error message: tensors, and letters of each name, which comes from the file.
_LISTED = 40
_LETTERS = 200
_MAX_TENSORS = 20_000
_OUR_ENCODERS = ("video_encoder.", "audio_encoder.")
_DTYPES = ("F32", "F16", "BF16", "F64")


def load_state(model: torch.nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Fill a model with tensors of exactly its names and shapes, or leave it unchanged.

    Raises:
        WeightsError: tensors are missing, unknown, misshapen or not finite; lists all of them.
    """
    faults = _list_misfits(model, {name: tuple(tensor.shape) for name, tensor in state.items()})
    faults += [f"not finite {name}" for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    _refuse(source, faults)
    model.load_state_dict(state)


def _list_misfits(model: torch.nn.Module, shapes: Shapes) -> list[str]:
    """List the differences between a file's tensors and a model's."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    missing = [f"missing {name} {shape}" for name, shape in expected.items() if name not in shapes]
    unknown = [f"unknown {name} {shape}" for name, shape in shapes.items() if name not in expected]
    misshapen = [
        f"misshapen {name}: expected {expected[name]}, got {shapes[name]}"
        for name in expected.keys() & shapes.keys()
        if shapes[name] != expected[name]
    ]
    return missing + unknown + misshapen


def _refuse(source: Path, faults: list[str]) -> None:
    if faults:
        more = f"\n  and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        listed = "".join(f"\n  {one_line(fault[:_LETTERS])}" for fault in sorted(faults)[:_LISTED])
        raise WeightsError(f"{source}: the tensors do not fit the model, nothing was loaded:{listed}{more}")


def save_classifier(path: Path, model: Classifier, info: WeightInfo, *, store: Precision = "float32") -> None:
    """Write weights and metadata; the file appears complete or not at all.

    Args:
        path: the ``.safetensors`` file.
        model: the model.
        info: its metadata.
        store: ``float16`` halves the file; it is converted to float32 when it is loaded.

    Raises:
        WeightsError: a number is too large for float16.
    """
    if store == "float16":
        _refuse(
            path, [f"too large for float16 {name}" for name, tensor in model.state_dict().items() if _overflows(tensor)]
        )
    _save(path, model, info, store)


def _overflows(tensor: Tensor) -> bool:
    return not bool(torch.isfinite(tensor.half()).all())


def _save(path: Path, model: torch.nn.Module, info: WeightInfo, store: Precision = "float32") -> None:
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if store == "float16":
        state = {name: tensor.half() for name, tensor in state.items()}
    with write_atomically(path) as temporary:
        # Not save_file, which ignores the umask and gives its file the mode 0600.
        temporary.write_bytes(save(state, metadata={METADATA_KEY: info.to_json()}))


def load_classifier(path: Path) -> tuple[Classifier, WeightInfo]:
    """Read a weight -> the model in evaluation mode and float32, on the CPU, and its metadata.

    Args:
        path: a ``.safetensors`` file, or an ``.onnx`` file that holds the parameters by name.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, it is pre-trained only, or its tensors do
            not fit the model.
    """
    info, shapes = read_shapes(path)
    if info.task == "pretraining":
        raise WeightsError(f"{path}: is only pre-trained and cannot predict; fine-tune it first")
    model = _build_filled(info.architecture, shapes, lambda: read_state(path)[1], path)
    assert isinstance(model, Classifier)
    return model, info


def save_pretrained(path: Path, model: PretrainingModel, info: WeightInfo) -> None:
    """Write a pre-training model and its metadata; the file appears complete or not at all."""
    _save(path, model, info)


def load_pretrained(path: Path) -> tuple[PretrainingModel, WeightInfo]:
    """Read a pre-trained ``.safetensors`` weight -> the model in evaluation mode, on the CPU, and its metadata.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, it is a classifier, or its tensors do not
            fit the model.
    """
    info, shapes = read_shapes(path)
    if info.pretraining is None:
        raise WeightsError(f"{path}: is a classifier without decoders, expected a pre-trained weight")
    try:
        architecture = info.architecture
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    model = _build_filled(architecture, shapes, lambda: read_state(path)[1], path)
    assert isinstance(model, PretrainingModel)
    return model, info


def read_shapes(path: Path) -> tuple[WeightInfo, dict[str, tuple[int, ...]]]:
    """Read the metadata of a weight and the shapes of its tensors; of a ``.safetensors`` file without loading these.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, or a tensor does not have a float type.
    """
    if path.suffix == ONNX:
        info, state = _read_onnx(path)
        return info, {name: tuple(tensor.shape) for name, tensor in state.items()}
    with _open_weight(path) as file:
        info = WeightInfo.from_metadata(file.metadata(), path)
        return info, _read_float_shapes(file, path)


def read_state(path: Path) -> tuple[WeightInfo, dict[str, Tensor]]:
    """Read the metadata and tensors of a weight, in the precision of the file.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, or a tensor does not have a float type.
    """
    if path.suffix == ONNX:
        return _read_onnx(path)
    with _open_weight(path) as file:
        info = WeightInfo.from_metadata(file.metadata(), path)
        return info, {name: file.get_tensor(name) for name in _read_float_shapes(file, path)}


def _read_onnx(path: Path) -> tuple[WeightInfo, dict[str, Tensor]]:
    try:
        # Importing onnx takes half a second.
        from hicmae_cli.weights.onnx_parameters import read_parameters
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{path}: reading its parameters needs onnx: {install_hint('train')}") from error
    metadata, state = read_parameters(path)
    return WeightInfo.from_metadata(metadata, path), {name: torch.from_numpy(array) for name, array in state.items()}


@contextmanager
def _open_weight(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {first_line(error)}") from error


def _read_float_shapes(file: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shape of each tensor -> shapes by name.

    Raises:
        WeightsError: a tensor does not have a float type.
    """
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    for name, tensor in slices.items():
        if (dtype := tensor.get_dtype()) not in _DTYPES:
            raise WeightsError(
                one_line(f"{path}: {name[:_LETTERS]} has the type {dtype}, expected {', '.join(_DTYPES)}")
            )
    return {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}


def _build_filled(
    architecture: Architecture, shapes: Shapes, load: Callable[[], Mapping[str, Tensor]], source: Path
) -> Network:
    """Build a model, fill it with the tensors that ``load`` returns, and set evaluation mode.

    A file's metadata may state any sizes. Memory is allocated only if the shapes of the file's tensors agree with them.
    """
    with torch.device("meta"):
        _refuse(source, _list_misfits(build_model(architecture), shapes))
    model = build_model(architecture)
    load_state(model, {name: tensor.float() for name, tensor in load().items()}, source)
    return model.eval()


def read_authors_model(path: Path, heads: int | None = None) -> Network:
    """Read a ``.pth`` of the paper's authors, fine-tuned or pre-trained, without running any code in it.

    Besides tensors, the file may contain an ``argparse.Namespace`` with the authors' options, and an optimiser. Of the
    trained weights and their moving average (``model_ema``), the former are read, which the authors test. Reading takes
    about as much memory as the file has bytes.

    Args:
        path: the ``.pth``.
        heads: number of attention heads; D / 64 by default.

    Raises:
        WeightsError: the file is not a checkpoint, contains other classes, or has the tensors of neither model; names
            the model if it is MAE-DFER or AVF-MAE++.
    """
    checkpoint = read_archive(path)
    content = checkpoint.content
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, StoredTensor) for name, tensor in state.items()
    ):
        raise WeightsError(f"{path}: expected a dictionary with the tensors under 'model', got none")
    if len(state) > _MAX_TENSORS:
        raise WeightsError(f"{path}: expected at most {_MAX_TENSORS} tensors, got {len(state)}")
    check_tensors(path, state)
    state = strip_wrapper(state)
    if relative := explain_relative(state):
        raise WeightsError(f"{path}: {relative}; hicmae runs HiCMAE only")
    ours = to_our_names(state)
    if state and ours.keys() == state.keys() and any(name.startswith(_OUR_ENCODERS) for name in ours):
        raise WeightsError(
            f"{path}: has the tensors of a hicmae model, without its metadata; add the .safetensors file of the run "
            "with `hicmae weights add`"
        )
    shapes = {name: tensor.shape for name, tensor in ours.items()}
    try:
        architecture = _find_architecture(shapes, heads)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return _build_filled(architecture, shapes, lambda: checkpoint.load(ours), path)


def has_average(path: Path) -> bool:
    """Whether a checkpoint has a moving average of the weights, too, which `read_authors_model` does not read.

    Raises:
        WeightsError: the file is not a checkpoint, or contains other classes.
    """
    content = read_archive(path).content
    return isinstance(content, dict) and "model" in content and "model_ema" in content


def _find_architecture(shapes: Shapes, heads: int | None) -> Architecture:
    """Infer the architecture of an authors' model from the shapes of its tensors."""
    dims = infer_dims(shapes, heads)
    if (head := shapes.get("head.weight")) is not None:
        if len(head) != 2:
            raise WeightsError(f"head.weight: expected a matrix with one row per class, got the shape {head}")
        return Architecture(dims, outputs=head[0])
    decoder, skips = infer_decoder(shapes, dims)
    return Architecture(dims, decoder=decoder, skips=skips)
