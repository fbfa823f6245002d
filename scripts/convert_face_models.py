"""Convert the three nets of weights/face_landmarker.task from TFLite to ONNX, once.

    pip install tflite onnx numpy
    python scripts/convert_face_models.py weights/face_landmarker.task weights

The weights keep their values in half precision; ONNX Runtime widens them when it loads them. The picture nets become
channels first, because ONNX Runtime is slow otherwise, and take bytes; the net of the expressions takes all landmarks
and selects its own. Every net takes any number of inputs at a time. The script always writes the same bytes;
hicmae_cli/faces/nets.py has their sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from tflite_to_onnx import Converter, TfliteGraph

OPSET = 17
NUM_LANDMARKS = 478
# The landmarks that the net of the expressions uses.
BLENDSHAPE_POINTS = """
0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103
105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176
178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310
311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386
387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
"""
Outputs = dict[str, tuple[int, tuple[int, ...]]]
"""Name of an ONNX output -> index of the TFLite output, and its shape for one input."""


def _from_bytes(c: Converter, name: str, value_range: tuple[float, float]) -> str:
    """Turn pictures (n, height, width, 3) of bytes into channels first, in the range of values that the net expects."""
    low, high = value_range
    planes = c.add("Transpose", [name], f"{name}_planes", perm=[0, 3, 1, 2])
    values = c.add("Cast", [planes], f"{name}_values", to=TensorProto.FLOAT)
    scale = c.store(np.array((high - low) / 255, np.float32), "scale")
    values = c.add("Mul", [values, scale], f"{name}_scaled")
    return c.add("Add", [values, c.store(np.array(low, np.float32), "low")], f"{name}_ready") if low else values


def convert(data: bytes, name: str, input_name: str, outputs: Outputs, value_range: tuple[float, float]) -> bytes:
    """Convert one net to the bytes of an ONNX file.

    Args:
        data: the TFLite file.
        name: the graph's name.
        input_name: the name of its one input.
        outputs: the outputs to keep.
        value_range: the net's values for black and white, if its input is a picture.
    """
    graph = TfliteGraph(data)
    (source,) = graph.inputs
    shape = graph.shape(source)
    is_picture_net = len(shape) == 4
    input_type = TensorProto.UINT8 if is_picture_net else TensorProto.FLOAT
    converter = Converter(graph, is_picture_net)
    if is_picture_net:
        converter.names[source] = _from_bytes(converter, input_name, value_range)
    else:
        shape[1] = NUM_LANDMARKS
        points = converter.store(np.array(BLENDSHAPE_POINTS.split(), np.int64), "points")
        converter.names[source] = converter.add("Gather", [input_name, points], "chosen", axis=1)
    converter.run()
    for wanted, (index, wanted_shape) in outputs.items():
        target = converter.store(np.array([-1, *wanted_shape], np.int64), f"shape_{wanted}")
        found = converter.name(graph.outputs[index])
        # An output of 1 x 1 pixels is the same in both layouts.
        if is_picture_net and len(graph.shape(graph.outputs[index])) == 4:
            assert graph.shape(graph.outputs[index])[1:3] == [1, 1]
        converter.add("Reshape", [found, target], wanted)
    model = helper.make_model(
        helper.make_graph(
            _select_needed(converter.nodes, set(outputs)),
            name,
            [helper.make_tensor_value_info(input_name, input_type, ["n", *shape[1:]])],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, ["n", *s]) for o, (_, s) in outputs.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="scripts/convert_face_models.py",
    )
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(t for n, t in converter.initializers.items() if n in used)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _select_needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """Keep the nodes that the wanted tensors depend on, in their order."""
    wanted = set(wanted)
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


NETS: dict[str, tuple[str, Outputs, tuple[float, float]]] = {
    "face_detector": ("pictures", {"boxes": (0, (896, 16)), "scores": (1, (896,))}, (-1.0, 1.0)),
    "face_landmarks": ("pictures", {"landmarks": (0, (NUM_LANDMARKS, 3)), "presence": (1, ())}, (0.0, 1.0)),
    "face_blendshapes": ("landmarks", {"blendshapes": (0, (52,))}, (0.0, 1.0)),
}
TFLITE_NAMES = {"face_landmarks": "face_landmarks_detector.tflite"}


def convert_all(task: Path) -> dict[str, bytes]:
    """Convert MediaPipe's ``face_landmarker.task`` -> ONNX files by name."""
    with zipfile.ZipFile(task) as parts:
        return {
            f"{name}.onnx": convert(parts.read(TFLITE_NAMES.get(name, f"{name}.tflite")), name, *settings)
            for name, settings in NETS.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    for name, data in convert_all(arguments.task).items():
        path = arguments.folder / name
        path.write_bytes(data)
        print(path, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
