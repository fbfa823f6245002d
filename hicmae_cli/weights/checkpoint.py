"""Read and write models as safetensors with one JSON of metadata. A file must fit its model exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hicmae_cli.errors import WeightsError, first_line, one_line
from hicmae_cli.files import written_whole
from hicmae_cli.models.build import Network, build_model
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.weights.authors import decoder_of_shapes, dims_of_shapes, to_our_names
from hicmae_cli.weights.checkpoint_archive import check_tensors, read_checkpoint
from hicmae_cli.weights.checkpoint_pickle import StoredTensor
from hicmae_cli.weights.info import METADATA_KEY, WeightInfo

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each tensor by its name."""

_LISTED = 40  # tensors named in an error before it says "and N more"
_LETTERS = 200  # of each name, which comes from the file
_MAX_TENSORS = 20_000
_DTYPES = ("F32", "F16", "BF16", "F64")


def load_state(model: torch.nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Fill a model with tensors of exactly its names and shapes, or leave it untouched.

    Raises:
        WeightsError: tensors are missing, unknown, misshapen or hold values that are not finite; lists all of them.
    """
    faults = _list_misfits(model, {name: tuple(tensor.shape) for name, tensor in state.items()})
    faults += [f"not finite {name}" for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    _refuse(source, faults)
    model.load_state_dict(state)


def _list_misfits(model: torch.nn.Module, shapes: Shapes) -> list[str]:
    """The names and shapes in which a file differs from a model."""
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


def save_classifier(path: Path, model: Classifier, info: WeightInfo) -> None:
    """Write weights and metadata; the file appears whole or not at all."""
    _save(path, model, info)


def _save(path: Path, model: torch.nn.Module, info: WeightInfo) -> None:
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with written_whole(path) as temporary:
        # Not save_file, which gives its file the mode 0600 whatever the umask.
        temporary.write_bytes(save(state, metadata={METADATA_KEY: info.to_json()}))


def load_classifier(path: Path) -> tuple[Classifier, WeightInfo]:
    """Read a ``.safetensors`` weight -> the model in evaluation mode, on the CPU, and its metadata.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, it is pre-trained only, or its tensors do
            not fit the model.
    """
    info, shapes = read_shapes(path)
    if info.task == "pretraining":
        raise WeightsError(
            f"{path}: is pre-trained and has no emotions to name yet; fine-tune it: hicmae finetune --init {path.name}"
        )
    model = _filled(info.architecture, shapes, lambda: read_state(path)[1], path)
    assert isinstance(model, Classifier)
    return model, info


def save_pretrained(path: Path, model: PretrainingModel, info: WeightInfo) -> None:
    """Write a pre-training model and its metadata; the file appears whole or not at all."""
    _save(path, model, info)


def load_pretrained(path: Path) -> tuple[PretrainingModel, WeightInfo]:
    """Read a pre-trained ``.safetensors`` weight -> the model in evaluation mode, on the CPU, and its metadata.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, it is a classifier, or its tensors do not
            fit the model.
    """
    info, shapes = read_shapes(path)
    if info.pretraining is None:
        raise WeightsError(f"{path}: is a classifier without decoders; a pre-trained weight was expected")
    try:
        architecture = info.architecture
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    model = _filled(architecture, shapes, lambda: read_state(path)[1], path)
    assert isinstance(model, PretrainingModel)
    return model, info


def read_shapes(path: Path) -> tuple[WeightInfo, dict[str, tuple[int, ...]]]:
    """Metadata of a ``.safetensors`` weight of either kind, and the shapes of its tensors; loads none of them.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, or a tensor is of another type than float.
    """
    with _opened(path) as file:
        info = WeightInfo.from_metadata(file.metadata(), path)
        return info, _shapes_of_floats(file, path)


def read_state(path: Path) -> tuple[WeightInfo, dict[str, Tensor]]:
    """Metadata and tensors of a ``.safetensors`` weight of either kind.

    Raises:
        WeightsError: the file cannot be read, its metadata are malformed, or a tensor is of another type than float.
    """
    with _opened(path) as file:
        info = WeightInfo.from_metadata(file.metadata(), path)
        return info, {name: file.get_tensor(name) for name in _shapes_of_floats(file, path)}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {first_line(error)}") from error


def _shapes_of_floats(file: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by its name.

    Raises:
        WeightsError: a tensor is of another type than float.
    """
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    for name, tensor in slices.items():
        if (dtype := tensor.get_dtype()) not in _DTYPES:
            raise WeightsError(
                one_line(f"{path}: {name[:_LETTERS]} is of the type {dtype}; expected {', '.join(_DTYPES)}")
            )
    return {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}


def _filled(
    architecture: Architecture, shapes: Shapes, load: Callable[[], Mapping[str, Tensor]], source: Path
) -> Network:
    """Build a model with the tensors that ``load`` reads, in evaluation mode.

    A file may claim any sizes. Memory is allocated only after the shapes of its tensors agree with them.
    """
    with torch.device("meta"):
        _refuse(source, _list_misfits(build_model(architecture), shapes))
    model = build_model(architecture)
    load_state(model, {name: tensor.float() for name, tensor in load().items()}, source)
    return model.eval()


def read_authors_model(path: Path, heads: int | None = None) -> Network:
    """Read a ``.pth`` of the paper's authors, fine-tuned or pre-trained, without running any code it carries.

    Beside tensors the file may hold an ``argparse.Namespace``, in which the authors keep their options. ``heads``
    defaults to D / 64. Reading takes about as much memory as the file has bytes.

    Raises:
        WeightsError: the file is not a checkpoint, carries other classes, or has tensors of neither model.
    """
    checkpoint = read_checkpoint(path)
    content = checkpoint.content
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, StoredTensor) for name, tensor in state.items()
    ):
        raise WeightsError(f"{path}: expected a dictionary with the tensors under 'model', found none")
    if len(state) > _MAX_TENSORS:
        raise WeightsError(f"{path}: expected at most {_MAX_TENSORS} tensors, got {len(state)}")
    check_tensors(path, state)
    ours = to_our_names(state)
    shapes = {name: tensor.shape for name, tensor in ours.items()}
    try:
        architecture = _find_architecture(shapes, heads)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return _filled(architecture, shapes, lambda: checkpoint.load(ours), path)


def _find_architecture(shapes: Shapes, heads: int | None) -> Architecture:
    """Infer the architecture of an authors' model from the shapes of its tensors."""
    dims = dims_of_shapes(shapes, heads)
    if (head := shapes.get("head.weight")) is not None:
        if len(head) != 2:
            raise WeightsError(f"head.weight: expected a matrix with a row for each class, got the shape {head}")
        return Architecture(dims, outputs=head[0])
    decoder, skips = decoder_of_shapes(shapes, dims)
    return Architecture(dims, decoder=decoder, skips=skips)
