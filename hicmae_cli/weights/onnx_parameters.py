"""The parameters inside an ONNX file: stored in half precision, and readable by their names, without running it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hicmae_cli.errors import WeightsError, first_line, one_line
from hicmae_cli.weights.info import STORAGE_KEY, ComputePrecision

HALVED_FROM: Final = 1024
"""Initializers with fewer numbers stay in float32: a node to convert them would take more bytes than it saves."""
_MAX_PARTS: Final = 3
# Equal parameters share one initializer. The parameters of any real model are still less than this many files together;
# a file that refers to one large initializer again and again would fill the memory.
_MAX_REPEATS: Final = 4
_SPARE_BYTES: Final = 16_000_000
_FLOATS: Final = (TensorProto.FLOAT, TensorProto.FLOAT16)


def strip_notes(proto: onnx.ModelProto) -> None:
    """Remove the exporter's notes: a megabyte of stack traces, with the folders of the machine that exported."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]


def halve(proto: onnx.ModelProto) -> None:
    """Store the large float32 initializers in float16; a node before the graph converts each to float32 again.

    Raises:
        ValueError: a number is too large for float16.
    """
    casts, renamed = [], {}
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < HALVED_FROM:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(to_half(numpy_helper.to_array(tensor), name), name))
        renamed[name] = f"{name}.float32"
        casts.append(onnx.helper.make_node("Cast", [name], [renamed[name]], to=TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    del proto.graph.node[:]
    proto.graph.node.extend([*casts, *nodes])


def to_half(numbers: NDArray[Any], name: str) -> NDArray[np.float16]:
    """Round numbers to float16.

    Raises:
        ValueError: a number is too large for float16; names the tensor.
    """
    largest = float(np.abs(numbers).max(initial=0))
    if not largest <= np.finfo(np.float16).max:
        raise ValueError(f"{name}: has the value {largest:.3g}, too large for store='float16'")
    return numbers.astype(np.float16)


def describe_storage(
    proto: onnx.ModelProto, precision: ComputePrecision, state: Mapping[str, NDArray[np.float32]] | None
) -> str:
    """Describe where each parameter is stored in the graph, as the JSON text of ``STORAGE_KEY``.

    The exporter renames, transposes and splits matrices. A parameter that is not in the graph, such as the layer
    weights before their softmax, is added as an initializer that no node reads.

    Args:
        proto: the graph, which is changed.
        precision: the precision of its large initializers.
        state: every parameter; None if the graph does not hold all of them.
    """
    storage: dict[str, Any] = {"precision": precision}
    if state is not None:
        stored: dict[tuple[tuple[int, ...], bytes], tuple[str, bool]] = {}
        for tensor in proto.graph.initializer:
            if tensor.data_type in _FLOATS:
                numbers = numpy_helper.to_array(tensor).astype(np.float32)
                stored.setdefault(_make_key(numbers.T), (tensor.name, True))
                stored[_make_key(numbers)] = (tensor.name, False)
        storage["parameters"] = {name: _find_parts(proto, stored, name, numbers) for name, numbers in state.items()}
    return json.dumps(storage, sort_keys=True, separators=(",", ":"))


def _make_key(numbers: NDArray[np.float32]) -> tuple[tuple[int, ...], bytes]:
    return numbers.shape, numbers.tobytes()


def _find_parts(
    proto: onnx.ModelProto,
    stored: Mapping[tuple[tuple[int, ...], bytes], tuple[str, bool]],
    name: str,
    numbers: NDArray[np.float32],
) -> list[tuple[str, bool]]:
    """Find the initializers whose rows make a parameter -> their names, each with whether it is transposed."""
    for count in range(1, _MAX_PARTS + 1):
        if numbers.ndim and len(numbers) % count == 0:
            parts = [stored.get(_make_key(part)) for part in np.split(numbers, count)]
            found = [part for part in parts if part is not None]
            if len(found) == count:
                return found
    proto.graph.initializer.append(numpy_helper.from_array(numbers, name))
    return [(name, False)]


def read_parameters(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Read the metadata of an ``.onnx`` file, and its parameters by name, float32 or float16.

    Raises:
        WeightsError: the file cannot be read, or does not hold every parameter.
    """
    try:
        # Data in other files are not loaded, and refused below.
        proto = onnx.load(path, load_external_data=False)
    # Protobuf's errors derive from Exception only.
    except Exception as error:
        raise WeightsError(f"{path}: cannot be read as an ONNX file: {first_line(error)}") from error
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    try:
        named = json.loads(metadata.get(STORAGE_KEY, "{}")).get("parameters")
        if not named:
            raise WeightsError(
                f"{path}: does not hold the parameters by name: it was exported by an earlier version of hicmae, from "
                "a weight of one stream, or to compute in float16 or int8; use its .safetensors file"
            )
        tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
        limit = _MAX_REPEATS * path.stat().st_size + _SPARE_BYTES
        return metadata, _join_all(tensors, named, limit)
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise WeightsError(one_line(f"{path}: its parameters cannot be read: {first_line(error)}")) from error


def _join_all(
    tensors: Mapping[str, TensorProto], named: Mapping[str, Sequence[tuple[str, bool]]], limit_bytes: int
) -> dict[str, NDArray[Any]]:
    """Put each parameter together.

    Raises:
        ValueError: not as `describe_storage` wrote it, or more than ``limit_bytes`` in all.
    """
    state: dict[str, NDArray[Any]] = {}
    size_bytes = 0
    for name, parts in named.items():
        state[name] = _join(tensors, parts)
        size_bytes += state[name].nbytes
        if size_bytes > limit_bytes:
            raise ValueError(f"more than {_MAX_REPEATS} times as large as the file")
    return state


def _join(tensors: Mapping[str, TensorProto], parts: Sequence[tuple[str, bool]]) -> NDArray[Any]:
    """Put the parts of a parameter together.

    Raises:
        ValueError: not as `describe_storage` wrote it.
    """
    if not 1 <= len(parts) <= _MAX_PARTS:
        raise ValueError(f"expected 1 to {_MAX_PARTS} parts, got {len(parts)}")
    found = []
    for name, transposed in parts:
        if (tensor := tensors.get(name)) is None:
            raise ValueError(f"{name}: is not in the graph")
        if tensor.data_type not in _FLOATS or tensor.data_location == TensorProto.EXTERNAL:
            raise ValueError(f"{name}: expected float32 or float16 inside the file")
        numbers = numpy_helper.to_array(tensor)
        found.append(numbers.T if transposed else numbers)
    # A copy: torch does not take arrays that cannot be written to.
    return np.concatenate(found) if len(found) > 1 else np.array(found[0])
