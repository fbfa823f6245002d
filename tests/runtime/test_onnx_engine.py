from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.models.config import ModelDims
from hicmae_cli.onnx_runtime import import_onnxruntime
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.export import write_onnx
from hicmae_cli.weights.info import METADATA_KEY
from tests.runtime.stubs import noise
from tests.weights.toys import DIMS, info_of, save_toy

pytestmark = pytest.mark.integration

Shape = list[str | int | None]


VIDEO: Shape = ["batch", 3, 16, 160, 160]
AUDIO: Shape = ["batch", 1, 256, 128]
METADATA = {METADATA_KEY: info_of(DIMS, 3).to_json()}


def write_model(
    path: Path,
    inputs: dict[str, Shape] | None = None,
    output: tuple[str, Shape] = ("logits", ["batch", 3]),
    metadata: dict[str, str] = METADATA,
    kinds: tuple[int, int] = (TensorProto.FLOAT, TensorProto.FLOAT),
    nodes: list[onnx.NodeProto] | None = None,
    constants: dict[str, np.ndarray] | None = None,
    typed: onnx.ValueInfoProto | None = None,
) -> Path:
    """An ONNX file that any tool could have made: three times the mean of the first input.

    ``nodes`` turn ``threefold``, the right answer, into the output. ``kinds`` are those of the inputs and the output;
    ``typed`` stands in for the latter.
    """
    inputs = {"video": VIDEO, "audio": AUDIO} if inputs is None else inputs
    first = next(iter(inputs))
    values = [helper.make_tensor_value_info(name, kinds[0], shape) for name, shape in inputs.items()]
    answers = helper.make_node("Identity", ["threefold"], [output[0]])
    numbers = {"axes": np.array([1]), "shape": np.array([0, -1]), "three": np.array([1, 3]), **(constants or {})}
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", [first, "shape"], ["flat"]),
            helper.make_node("ReduceMean", ["flat", "axes"], ["mean"]),
            helper.make_node("Expand", ["mean", "three"], ["threefold"]),
            *(nodes or [answers]),
        ],
        "mean",
        values,
        [typed or helper.make_tensor_value_info(output[0], kinds[1], output[1])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def reshaped(shape: list[int]) -> list[onnx.NodeProto]:
    """The answer in another shape, which only a run brings to light."""
    return [
        helper.make_node("ReduceMax", ["threefold"], ["largest"], keepdims=0),
        helper.make_node("Sub", ["largest", "largest"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Constant", [], ["sizes"], value_ints=shape),
        helper.make_node("Add", ["sizes", "whole"], ["to"]),
        helper.make_node("Reshape", ["threefold", "to"], ["logits"]),
    ]


def endless_loop() -> list[onnx.NodeProto]:
    """A loop of 2^62 steps around the answer."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Add", ["x", "x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3]),
        ],
    )
    return [helper.make_node("Loop", ["steps", "go", "threefold"], ["logits"], body=body)]


@pytest.mark.parametrize("batch", [1, 3])
def test_it_agrees_with_torch(toy: Path, batch: int) -> None:
    model, info = load_classifier(toy)
    engine = OnnxEngine(toy.with_suffix(".onnx"), "cpu", threads=1)
    assert (engine.name, engine.device, engine.info) == ("onnx", "cpu", info)
    video, audio = noise(batch, seed=batch)
    logits = engine.logits(video, audio)
    assert logits.dtype == np.float32
    with torch.inference_mode():
        expected = model(torch.from_numpy(video), torch.from_numpy(audio)).numpy()
    assert np.ptp(expected) > 0.01  # or anything would agree
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("device", ["mps", "tpu", "", "CPU"])
def test_other_devices_are_refused(toy: Path, device: str) -> None:
    with pytest.raises(
        SettingsError, match=f"device={device!r}: the ONNX engine runs on cpu, cuda, tensorrt, coreml, "
    ):
        OnnxEngine(toy.with_suffix(".onnx"), device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(toy: Path, device: str) -> None:
    with pytest.raises(SettingsError, match=rf"device={device!r}: .*use device='cpu'"):
        OnnxEngine(toy.with_suffix(".onnx"), device)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07\xff" * 50])
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.onnx: ONNX Runtime cannot load it") as caught:
        OnnxEngine(path, "cpu")
    assert "\n" not in str(caught.value)


def test_a_cut_off_file_is_refused(toy: Path, tmp_path: Path) -> None:
    whole = toy.with_suffix(".onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"half\.onnx"):
        OnnxEngine(tmp_path / "half.onnx", "cpu")


def test_a_model_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "theirs.onnx", metadata={"author": "somebody"})
    with pytest.raises(WeightsError, match=r"theirs\.onnx: has no hicmae metadata"):
        OnnxEngine(path, "cpu")


def test_a_model_that_keeps_to_its_word_is_taken(tmp_path: Path) -> None:
    engine = OnnxEngine(write_model(tmp_path / "w.onnx"), "cpu")
    video, audio = noise(2)
    expected = np.repeat(video.reshape(2, -1).mean(1, keepdims=True), 3, axis=1)
    np.testing.assert_allclose(engine.logits(video, audio), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {"pixels": VIDEO}}, "expected the inputs video and audio, got pixels"),
        ({"inputs": {"audio": AUDIO, "video": VIDEO}}, "expected the inputs video and audio, got audio, video"),
        ({"inputs": {"video": VIDEO, "audio": AUDIO, "\x1b[31m": AUDIO}}, r"got video, audio, \\x1b\[31m"),
        ({"inputs": {"video": VIDEO[:4], "audio": AUDIO}}, r"expected video as .*160\), got .* \(batch, 3, 16, 160\)"),
        ({"inputs": {"video": VIDEO, "audio": ["batch", 1, 128, 128]}}, r"expected audio as .* 256, 128\), got"),
        ({"inputs": {"video": VIDEO, "audio": ["batch", 1, "time", 128]}}, r"expected audio as .*got .* 1, time, 128"),
        ({"inputs": {"video": [1, *VIDEO[1:]], "audio": AUDIO}}, r"expected video as .*got tensor\(float\) \(1, 3"),
        ({"inputs": {"video": VIDEO, "audio": []}}, r"expected audio as .* got tensor\(float\) \(\)"),
        ({"kinds": (TensorProto.DOUBLE, TensorProto.DOUBLE)}, r"expected video as .*got tensor\(double\)"),
        ({"output": ("scores", ["batch", 3])}, "expected the output logits, got scores"),
        (
            {
                "nodes": [helper.make_node("Reshape", ["threefold", "to"], ["logits"])],
                "constants": {"to": np.array([0, 3, 1])},
                "output": ("logits", ["batch", 3, 1]),
            },
            r"expected logits as .*got tensor\(float\) \(batch, 3, 1\)",
        ),
        ({"nodes": reshaped([0, -1]), "output": ("logits", ["batch", "any"])}, r"expected logits as .*\(batch, any\)"),
        (
            {
                "nodes": [helper.make_node("SequenceConstruct", ["threefold"], ["logits"])],
                "typed": helper.make_tensor_sequence_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
            },
            r"expected logits as .*got seq\(tensor\(float\)\)",
        ),
    ],
)
def test_a_model_with_other_inputs_or_outputs_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=rf"w\.onnx: .*{message}|w\.onnx: {message}") as caught:
        OnnxEngine(write_model(tmp_path / "w.onnx", **changes), "cpu")
    assert str(caught.value).isprintable()


def test_another_number_of_classes_than_labels_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "w.onnx", metadata={METADATA_KEY: info_of(DIMS, 4).to_json()})
    with pytest.raises(WeightsError, match=r"expected logits as tensor\(float\) \(batch, 4\), got .*\(batch, 3\)"):
        OnnxEngine(path, "cpu")


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (reshaped([3, -1]), {}),  # (3, B) for (B, 3)
        ([helper.make_node("Gather", ["threefold", "far"], ["logits"], axis=1)], {"far": np.array([9, 9, 9])}),
        # 400 GB, which the runtime's memory refuses.
        (
            [
                helper.make_node("ConstantOfShape", ["to"], ["large"]),
                helper.make_node("ReduceMax", ["large"], ["one"], keepdims=0),
                helper.make_node("Add", ["threefold", "one"], ["logits"]),
            ],
            {"to": np.array([100_000_000_000])},
        ),
    ],
)
def test_a_graph_that_breaks_its_word_is_refused_when_it_runs(
    tmp_path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_model(tmp_path / "w.onnx", nodes=nodes, constants=constants)
    with pytest.raises(WeightsError, match=r"w\.onnx: (ONNX Runtime cannot|expected logits of the shape)") as caught:
        OnnxEngine(path, "cpu").logits(*noise(2))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # ONNX Runtime logs none of it


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_opening_a_file_computes_nothing(tmp_path: Path) -> None:
    """400 MB and more, had the runtime its way."""
    nodes = [
        helper.make_node("ConstantOfShape", ["to"], ["large"]),
        helper.make_node("Add", ["large", "half"], ["larger"]),
        helper.make_node("ReduceMax", ["larger"], ["one"], keepdims=0),
        helper.make_node("Add", ["threefold", "one"], ["logits"]),
    ]
    constants = {"to": np.array([100_000_000]), "half": np.array([0.5], np.float32)}
    path = write_model(tmp_path / "w.onnx", nodes=nodes, constants=constants)
    code = (
        "import sys; from pathlib import Path; from hicmae_cli.runtime.onnx_engine import OnnxEngine\n"
        "OnnxEngine(Path(sys.argv[1]), 'cpu')\n"
        "print(*[line for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)
    assert int(done.stdout.split()[1]) < 300_000  # kB


@pytest.mark.slow
def test_an_export_has_nothing_left_to_compute_in_advance(tmp_path: Path) -> None:
    """So not doing it costs no time. Each weight has more than 8192 numbers, as in all real models."""
    source = save_toy(tmp_path / "wide.safetensors", dims=ModelDims(width=96, heads=1, depth=1, fusion_depth=1))
    write_onnx(source, source.with_suffix(".onnx"))
    ort, operators = import_onnxruntime(), []
    for disabled in ([], ["ConstantFolding"]):
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        ort.InferenceSession(
            str(source.with_suffix(".onnx")), options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
        )
        operators.append(sorted(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node))
    assert operators[0] == operators[1]


INTERRUPTED = """
import sys
from pathlib import Path
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from tests.runtime.stubs import noise
try:
    engine = OnnxEngine(Path(sys.argv[1]), "cpu")
    print("runs", flush=True)
    engine.logits(*noise(1))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_a_graph_that_would_run_for_ever(tmp_path: Path) -> None:
    constants = {"steps": np.array(2**62), "go": np.array(True)}
    path = write_model(tmp_path / "loop.onnx", nodes=endless_loop(), constants=constants)
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, path], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"runs\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 130
    finally:
        child.kill()
