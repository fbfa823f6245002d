"""Graphs that compute in half precision or in 8-bit integers, made by ONNX Runtime's own tools."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from hicmae_cli.files import make_scratch_folder
from hicmae_cli.onnx_runtime import import_tools

# Processors have no half-precision kernels for them: there, ONNX Runtime would take each to pieces.
_KEPT: Final = ("Gelu", "Softmax")
_PRODUCTS: Final = ("Gemm", "MatMul")


def convert_to_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a graph so that it computes in float16; its inputs and outputs stay float32.

    A softmax and a GELU stay in float32, and a LayerNorm adds up in float32 by ONNX's definition.
    """
    tools = import_tools("transformers.float16")
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    kept = [*tools.DEFAULT_OP_BLOCK_LIST, *_KEPT]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of each number that it rounds; the result is compared with torch
        half = tools.convert_float_to_float16(copy, keep_io_types=True, op_block_list=kept)
    model = import_tools("quantization.onnx_model").ONNXModel(half)
    # The conversion appends nodes at the end, which the ONNX checker refuses, also for an input that has no effect.
    model.topological_sort()
    used = {output.name for output in proto.graph.output}.union(*(node.input for node in model.nodes()))
    model.remove_nodes([node for node in model.nodes() if not used & set(node.output)])
    return model.model


def quantise(proto: onnx.ModelProto, clips: Iterable[Mapping[str, NDArray[Any]]]) -> onnx.ModelProto:
    """Convert the products with weights to 8-bit integers, with fixed ranges that some clips determine.

    A weight has a scale for each output channel, and the input of a product one range: the smallest and the largest
    number of all clips. All else stays in float32: attention, whose products have no weights and would be slower, the
    patch embeddings, sums, norms and the head.

    Args:
        proto: the network, which stays as it is.
        clips: its inputs by name, a batch at a time.
    """
    tools = import_tools("quantization")

    class Clips(tools.CalibrationDataReader):  # type: ignore[name-defined,misc]
        left: Iterator[Mapping[str, NDArray[Any]]] = iter(clips)

        def get_next(self) -> Mapping[str, NDArray[Any]] | None:
            return next(self.left, None)

    weights = {tensor.name for tensor in proto.graph.initializer}
    outputs = {output.name for output in proto.graph.output}
    products = [
        node.name
        for node in proto.graph.node
        if node.op_type in _PRODUCTS and node.input[1] in weights and not outputs & set(node.output)
    ]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises steps that the exporter has done
    try:
        with make_scratch_folder() as folder:
            source, target = folder / "float32.onnx", folder / "int8.onnx"
            onnx.save(proto, source)
            tools.quantize_static(
                source,
                target,
                Clips(),
                quant_format=tools.QuantFormat.QDQ,
                per_channel=True,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
                nodes_to_quantize=products,
                extra_options={"OpTypesToExcludeOutputQuantization": list(_PRODUCTS)},
            )
            return onnx.load(target)
    finally:
        root.setLevel(level)
