"""Translate the operators of a TFLite graph to ONNX, as far as the nets of convert_face_models.py need them.

tf2onnx is not used: it needs TensorFlow, and it has no counterpart of what makes the nets fast here (blocks of
channels, convolutions for PRelu, any number of inputs).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CHANNEL_BLOCK = 16
OPERATOR_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
TENSOR_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


class TfliteGraph:
    """The one subgraph of a TFLite file: its operators in order and its constants."""

    def __init__(self, data: bytes) -> None:
        self._model = tflite.Model.GetRootAsModel(data, 0)
        assert self._model.SubgraphsLength() == 1
        self._graph = self._model.Subgraphs(0)
        self.inputs = [self._graph.Inputs(i) for i in range(self._graph.InputsLength())]
        self.outputs = [self._graph.Outputs(i) for i in range(self._graph.OutputsLength())]
        self.operators = [self._graph.Operators(i) for i in range(self._graph.OperatorsLength())]

    def kind(self, operator: Any) -> str:
        """Return an operator's name, such as CONV_2D."""
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        return str(OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])

    def shape(self, tensor: int) -> list[int]:
        """Return a tensor's shape; empty for a scalar."""
        found = self._graph.Tensors(tensor)
        return [int(n) for n in found.ShapeAsNumpy()] if found.ShapeLength() else []

    def constant(self, tensor: int) -> NDArray[Any] | None:
        """Return a tensor's value if it is stored in the file."""
        found = self._graph.Tensors(tensor)
        buffer = self._model.Buffers(found.Buffer())
        if buffer.DataIsNone():
            return None
        values: NDArray[Any] = buffer.DataAsNumpy().view(TENSOR_TYPES[found.Type()])
        return values.reshape(self.shape(tensor))


def read_options(operator: Any, options: Any) -> Any:
    """Fill an object of an options class with an operator's options."""
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


class Converter:
    """Writes the ONNX operators of one TFLite graph.

    Args:
        graph: the graph to convert.
        is_picture_net: whether four-dimensional tensors are pictures, which change from channels last to channels
            first. Otherwise they keep their layout, and convolutions, all 1 x 1, become matrix products.
    """

    def __init__(self, graph: TfliteGraph, is_picture_net: bool) -> None:
        self.graph = graph
        self.is_picture_net = is_picture_net
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.constants: dict[int, NDArray[Any]] = {}
        self.narrow = set(graph.inputs) | {
            operator.Inputs(0) for operator in graph.operators if graph.kind(operator) in ("RESHAPE", "LOGISTIC")
        }
        self.narrow.update(graph.outputs)
        self.names = {tensor: f"t{tensor}" for tensor in graph.inputs}

    def run(self) -> None:
        """Convert every operator."""
        for operator in self.graph.operators:
            kind = self.graph.kind(operator)
            inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
            (output,) = [operator.Outputs(i) for i in range(operator.OutputsLength())]
            if kind == "DEQUANTIZE":
                self.constants[output] = self.value(inputs[0])
                continue
            self.names[output] = CONVERSIONS[kind](self, operator, inputs, output)

    def value(self, tensor: int) -> NDArray[Any]:
        """Return the value of a constant, in half precision if the file has it so."""
        if tensor in self.constants:
            return self.constants[tensor]
        found = self.graph.constant(tensor)
        assert found is not None, f"tensor {tensor} is not a constant"
        return found

    def is_constant(self, tensor: int) -> bool:
        """Whether a tensor is stored in the file."""
        return tensor in self.constants or self.graph.constant(tensor) is not None

    def name(self, tensor: int) -> str:
        """Return the ONNX name of a tensor, constant or not."""
        if tensor not in self.names:
            self.names[tensor] = self.store(self.value(tensor), f"c{tensor}")
        return self.names[tensor]

    def store(self, values: NDArray[Any], name: str) -> str:
        """Add a constant and return its name; half precision is stored as such and widened by a Cast."""
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
            if values.dtype == np.float16:
                self.nodes.insert(0, helper.make_node("Cast", [name], [f"{name}_f32"], to=TensorProto.FLOAT))
        return f"{name}_f32" if values.dtype == np.float16 else name

    def widen(self, values: NDArray[Any], axis: int, tensor: int) -> NDArray[Any]:
        """Pad constants with zeros along the channels of a tensor, up to whole blocks of channels.

        ONNX Runtime keeps pictures in blocks of 8 or 16 channels if their number is a multiple of it; otherwise it
        spends as much time on reordering as on computing.
        """
        if tensor in self.narrow:
            return values
        pads = [(0, 0)] * values.ndim
        pads[axis] = (0, -values.shape[axis] % CHANNEL_BLOCK)
        return np.pad(values, pads)

    def add(self, kind: str, inputs: list[str], output: int | str, **attributes: Any) -> str:
        """Append a node and return its output's name."""
        name = f"t{output}" if isinstance(output, int) else output
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


def _compute_same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Compute TensorFlow's SAME padding before and after; the odd pixel comes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _compute_window(c: Converter, o: Any, picture: int, kernel: tuple[int, int]) -> dict[str, Any]:
    """Compute the attributes of a convolution or pooling with options o."""
    strides = (o.StrideH(), o.StrideW())
    pads = [(0, 0), (0, 0)]
    if o.Padding() == tflite.Padding.SAME:
        sizes = c.graph.shape(picture)[1:3]
        pads = [_compute_same_pads(*axis) for axis in zip(sizes, kernel, strides, strict=True)]
    return {"kernel_shape": kernel, "strides": strides, "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]}


def _add_activation(c: Converter, o: Any, name: str, output: int) -> str:
    activation = o.FusedActivationFunction()
    if activation == tflite.ActivationFunctionType.RELU:
        return c.add("Relu", [name], f"t{output}_active")
    assert activation == tflite.ActivationFunctionType.NONE, activation
    return name


def _convolve(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    o = read_options(operator, tflite.Conv2DOptions())
    kernel = c.value(inputs[1])  # (out, height, width, in)
    if c.is_picture_net:
        spatial = _compute_window(c, o, inputs[0], kernel.shape[1:3])
        kernel = c.widen(c.widen(kernel.transpose(0, 3, 1, 2), 0, output), 1, inputs[0])
        weight = c.store(kernel, f"c{inputs[1]}")
        bias = c.store(c.widen(c.value(inputs[2]), 0, output), f"bias{output}")
        name = c.add("Conv", [c.name(inputs[0]), weight, bias], output, **spatial)
    else:
        assert kernel.shape[1:3] == (1, 1)
        weight = c.store(kernel[:, 0, 0].T, f"c{inputs[1]}")
        product = c.add("MatMul", [c.name(inputs[0]), weight], f"t{output}_product")
        name = c.add("Add", [product, c.name(inputs[2])], output)
    return _add_activation(c, o, name, output)


def _convolve_depthwise(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    o = read_options(operator, tflite.DepthwiseConv2DOptions())
    assert c.is_picture_net and o.DepthMultiplier() == 1
    kernel = c.value(inputs[1])  # (1, height, width, channels)
    spatial = _compute_window(c, o, inputs[0], kernel.shape[1:3])
    kernel = c.widen(kernel.transpose(3, 0, 1, 2), 0, output)
    weight = c.store(kernel, f"c{inputs[1]}")
    bias = c.store(c.widen(c.value(inputs[2]), 0, output), f"bias{output}")
    name = c.add("Conv", [c.name(inputs[0]), weight, bias], output, group=len(kernel), **spatial)
    return _add_activation(c, o, name, output)


def _pool(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    o = read_options(operator, tflite.Pool2DOptions())
    spatial = _compute_window(c, o, inputs[0], (o.FilterHeight(), o.FilterWidth()))
    return _add_activation(c, o, c.add("MaxPool", [c.name(inputs[0])], output, **spatial), output)


def _convert_prelu(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    """Write PRelu as x + (1 - slope) relu(-x) with convolutions of one pixel: PRelu itself takes most of the time."""
    slopes = c.value(inputs[1])  # (1, 1, channels)
    assert c.is_picture_net and slopes.shape[:2] == (1, 1)
    slopes = c.widen(slopes.reshape(-1, 1, 1, 1), 0, output)
    size = len(slopes)
    one = {"kernel_shape": (1, 1), "group": size}
    x = c.name(inputs[0])
    minus = c.store(np.full((size, 1, 1, 1), -1, np.float32), f"minus{size}")
    below = c.add("Relu", [c.add("Conv", [x, minus], f"t{output}_minus", **one)], f"t{output}_below")
    factor = c.store(1 - slopes.astype(np.float32), f"c{inputs[1]}")
    return c.add("Add", [c.add("Conv", [below, factor], f"t{output}_part", **one), x], output)


def _pad(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    """Append channels of zeros, by a convolution of one pixel that copies."""
    pads = c.value(inputs[1])  # (4, 2)
    assert c.is_picture_net and not pads[:3].any() and pads[3, 0] == 0
    x = c.name(inputs[0])
    sizes = [c.graph.shape(tensor)[3] for tensor in (inputs[0], output)]
    copies = np.zeros((sizes[1], sizes[0], 1, 1), np.float16)
    copies[range(sizes[0]), range(sizes[0])] = 1
    copies = c.widen(c.widen(copies, 0, output), 1, inputs[0])
    if copies.shape[0] == copies.shape[1]:
        return x
    weight = c.store(copies, "copies{}_{}".format(*copies.shape[:2]))
    return c.add("Conv", [x, weight], output, kernel_shape=(1, 1))


def _reshape(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    source, shape = c.graph.shape(inputs[0]), c.graph.shape(output)
    name = c.name(inputs[0])
    if c.is_picture_net and len(source) == 4:
        name = c.add("Transpose", [name], f"t{output}_last", perm=[0, 2, 3, 1])
    assert source[0] == shape[0] == 1  # the batch
    target = c.store(np.array([0, *shape[1:]], np.int64), f"shape{output}")
    return c.add("Reshape", [name, target], output)


def _concatenate(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    o = read_options(operator, tflite.ConcatenationOptions())
    axis, rank = o.Axis(), len(c.graph.shape(output))
    assert not (c.is_picture_net and rank == 4) and o.FusedActivationFunction() == 0
    names = []
    for tensor in inputs:
        name = c.name(tensor)
        # A constant is repeated for each input of the batch.
        if c.is_constant(tensor):
            batch = c.add("Shape", [c.name(c.graph.inputs[0])], f"t{output}_batch", start=0, end=1)
            ones = c.store(np.ones(rank - 1, np.int64), f"ones{rank - 1}")
            size = c.add("Concat", [batch, ones], f"t{output}_size", axis=0)
            name = c.add("Expand", [name, size], f"t{output}_many")
        names.append(name)
    return c.add("Concat", names, output, axis=axis)


def _slice(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    o = read_options(operator, tflite.StridedSliceOptions())
    begin, end, step = (c.value(tensor) for tensor in inputs[1:])
    source = c.graph.shape(inputs[0])
    axes = [a for a in range(len(source)) if not (o.BeginMask() & o.EndMask()) >> a & 1]
    # The slice takes the single element out of the batch: keep the batch.
    if o.ShrinkAxisMask():
        assert axes == [0] and source[0] == 1 and o.ShrinkAxisMask() == 1
        return c.name(inputs[0])
    assert not o.EllipsisMask() and not o.NewAxisMask()
    if not axes:
        return c.name(inputs[0])
    (axis,) = axes
    assert axis > 0
    first = 0 if o.BeginMask() >> axis & 1 else int(begin[axis])
    last = source[axis] if o.EndMask() >> axis & 1 else int(end[axis])
    bounds = [np.array([n], np.int64) for n in (first, last, axis, int(step[axis]))]
    names = [c.store(n, f"slice{output}_{i}") for i, n in enumerate(bounds)]
    return c.add("Slice", [c.name(inputs[0]), *names], output)


def _transpose(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    assert not c.is_picture_net
    return c.add("Transpose", [c.name(inputs[0])], output, perm=c.value(inputs[1]).tolist())


def _reduce(kind: str) -> Callable[[Converter, Any, list[int], int], str]:
    def convert(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
        assert not c.is_picture_net
        keeps = int(read_options(operator, tflite.ReducerOptions()).KeepDims())
        axes = np.atleast_1d(c.value(inputs[1])).astype(np.int64)
        # ReduceSum takes its axes as an input since opset 13, ReduceMean only since 18.
        if kind == "ReduceSum":
            return c.add(kind, [c.name(inputs[0]), c.store(axes, f"axes{output}")], output, keepdims=keeps)
        return c.add(kind, [c.name(inputs[0])], output, axes=axes.tolist(), keepdims=keeps)

    return convert


def _translate(kind: str, options: Callable[[], Any] | None = None) -> Callable[[Converter, Any, list[int], int], str]:
    def convert(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
        name = c.add(kind, [c.name(tensor) for tensor in inputs], output)
        return name if options is None else _add_activation(c, read_options(operator, options()), name, output)

    return convert


def _square_difference(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    difference = c.add("Sub", [c.name(tensor) for tensor in inputs], f"t{output}_difference")
    return c.add("Mul", [difference, difference], output)


def _reciprocal_root(c: Converter, operator: Any, inputs: list[int], output: int) -> str:
    return c.add("Reciprocal", [c.add("Sqrt", [c.name(inputs[0])], f"t{output}_root")], output)


CONVERSIONS: dict[str, Callable[[Converter, Any, list[int], int], str]] = {
    "ADD": _translate("Add", tflite.AddOptions),
    "CONCATENATION": _concatenate,
    "CONV_2D": _convolve,
    "DEPTHWISE_CONV_2D": _convolve_depthwise,
    "DIV": _translate("Div", tflite.DivOptions),
    "LOGISTIC": _translate("Sigmoid"),
    "MAX_POOL_2D": _pool,
    "MEAN": _reduce("ReduceMean"),
    "MUL": _translate("Mul", tflite.MulOptions),
    "NEG": _translate("Neg"),
    "PAD": _pad,
    "PRELU": _convert_prelu,
    "RELU": _translate("Relu"),
    "RESHAPE": _reshape,
    "RSQRT": _reciprocal_root,
    "SQRT": _translate("Sqrt"),
    "SQUARED_DIFFERENCE": _square_difference,
    "STRIDED_SLICE": _slice,
    "SUB": _translate("Sub", tflite.SubOptions),
    "SUM": _reduce("ReduceSum"),
    "TRANSPOSE": _transpose,
}
