from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.info import METADATA_KEY
from tests.runtime.stubs import noise
from tests.weights.toys import DIMS, info_of


def write_model(path: Path, inputs: list[str], metadata: dict[str, str]) -> Path:
    """An ONNX file that any tool could have made: three "classes", the sum of its inputs."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in inputs]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [3])
    graph = helper.make_graph([helper.make_node("Sum", inputs, ["logits"])], "sum", values, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


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
    with pytest.raises(SettingsError, match=f"--device {device}: the ONNX engine runs on cpu or cuda"):
        OnnxEngine(toy.with_suffix(".onnx"), device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens without a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(toy: Path, device: str) -> None:
    with pytest.raises(SettingsError, match=rf"--device {device}: .*use --device cpu"):
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
    path = write_model(tmp_path / "theirs.onnx", ["video", "audio"], {"author": "somebody"})
    with pytest.raises(WeightsError, match=r"theirs\.onnx: no hicmae metadata"):
        OnnxEngine(path, "cpu")


@pytest.mark.parametrize("inputs", [["pixels"], ["audio", "video"], ["video", "audio", "text"]])
def test_a_model_with_other_inputs_is_refused(tmp_path: Path, inputs: list[str]) -> None:
    metadata = {METADATA_KEY: info_of(DIMS, 3).to_json()}
    OnnxEngine(write_model(tmp_path / "right.onnx", ["video", "audio"], metadata), "cpu")
    path = write_model(tmp_path / "w.onnx", inputs, metadata)
    with pytest.raises(WeightsError, match=f"expected the inputs video and audio, got {', '.join(inputs)}"):
        OnnxEngine(path, "cpu")


def test_another_number_of_classes_than_labels_is_refused(tmp_path: Path) -> None:
    metadata = {METADATA_KEY: info_of(DIMS, 4).to_json()}
    path = write_model(tmp_path / "w.onnx", ["video", "audio"], metadata)
    with pytest.raises(WeightsError, match="expected the output logits with 4 classes, got"):
        OnnxEngine(path, "cpu")
