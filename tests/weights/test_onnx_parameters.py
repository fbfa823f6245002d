from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from hicmae_cli.errors import WeightsError
from hicmae_cli.onnx_runtime import open_session
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.weights import onnx_parameters
from hicmae_cli.weights.checkpoint import load_classifier, read_shapes, save_classifier
from hicmae_cli.weights.export import write_onnx
from hicmae_cli.weights.info import METADATA_KEY, STORAGE_KEY
from hicmae_cli.weights.reading import find_parameters, has_parameters, read_precision
from tests.runtime.stubs import noise


def change_storage(path: Path, storage: object) -> None:
    proto = onnx.load(path)
    kept = {entry.key: entry.value for entry in proto.metadata_props if entry.key != STORAGE_KEY}
    onnx.helper.set_model_props(proto, kept | ({STORAGE_KEY: json.dumps(storage)} if storage is not None else {}))
    onnx.save(proto, path)


def test_torch_reads_the_same_numbers_from_both_files(toy: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(toy.with_suffix(".onnx"), tmp_path / "alone.onnx"))
    (expected, info), (got, read) = load_classifier(toy), load_classifier(alone)
    assert read == info
    for name, tensor in expected.state_dict().items():
        assert torch.equal(got.state_dict()[name], tensor), name
    assert read_shapes(alone)[1] == read_shapes(toy)[1]
    assert find_parameters(alone, "start from") == alone
    engine = open_engine(str(alone), "torch", "cpu")
    np.testing.assert_array_equal(engine.logits(*noise(1)), open_engine(str(toy), "torch", "cpu").logits(*noise(1)))


def test_half_precision_halves_the_file_and_changes_little(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_parameters, "HALVED_FROM", 1)
    proto = onnx.load(toy.with_suffix(".onnx"))
    whole = sum(len(tensor.raw_data) for tensor in proto.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    onnx_parameters.halve(proto)
    halves = [tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.FLOAT16]
    assert sum(len(tensor.raw_data) for tensor in halves) == whole // 2
    assert not any(tensor.data_type == TensorProto.FLOAT for tensor in proto.graph.initializer)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, tmp_path / "half.onnx")
    video, audio = noise(1)
    rows = [
        open_session(path).run(["logits"], {"video": video, "audio": audio})[0]
        for path in (toy.with_suffix(".onnx"), tmp_path / "half.onnx")
    ]
    assert rows[1].dtype == np.float32
    assert 0 < np.abs(rows[1] - rows[0]).max() < 0.02


def test_an_export_has_no_stack_traces(toy: Path) -> None:
    content = toy.with_suffix(".onnx").read_bytes()
    assert b"stack_trace" not in content and str(Path(__file__).parents[2]).encode() not in content


def test_a_safetensors_file_in_half_precision_is_computed_in_float32(toy: Path, tmp_path: Path) -> None:
    model, info = load_classifier(toy)
    half = tmp_path / "half.safetensors"
    save_classifier(half, model, info, store="float16")
    assert half.stat().st_size < 0.6 * toy.stat().st_size
    assert (read_precision(str(half)), read_precision(str(toy))) == ("float16", "float32")
    got, read = load_classifier(half)
    assert read == info
    for name, tensor in model.state_dict().items():
        assert got.state_dict()[name].dtype == torch.float32
        assert torch.equal(got.state_dict()[name], tensor.half().float())
    with torch.no_grad():
        model.head.bias[0] = 1e5
    with pytest.raises(WeightsError, match=r"big\.safetensors: .*\n.*too large for float16 head\.bias"):
        save_classifier(tmp_path / "big.safetensors", model, info, store="float16")
    assert not (tmp_path / "big.safetensors").exists()


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        (None, "does not hold the parameters by name"),
        ({"precision": "float32"}, "does not hold the parameters by name"),
        ([], "parameters cannot be read"),
        ({"parameters": {"head.bias": [["no such", False]]}}, "no such: is not in the graph"),
        ({"parameters": {"head.bias": [["head.bias", False]] * 4}}, "expected 1 to 3 parts, got 4"),
        ({"parameters": {"head.bias": []}}, "expected 1 to 3 parts, got 0"),
        ({"parameters": {"head.bias": [["head.bias", False]]}}, "the tensors do not fit the model"),
        ({"parameters": {"head.bias": 3}}, "parameters cannot be read"),
    ],
)
def test_a_file_that_misstates_its_parameters_is_refused(toy: Path, tmp_path: Path, storage: object, said: str) -> None:
    path = Path(shutil.copy(toy.with_suffix(".onnx"), tmp_path / "w.onnx"))
    change_storage(path, storage)
    with pytest.raises(WeightsError) as caught:
        load_classifier(path)
    assert said in str(caught.value) and "w.onnx" in str(caught.value)


def write_tensor(path: Path, tensor: TensorProto, storage: str) -> Path:
    proto = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor]))
    onnx.helper.set_model_props(proto, {METADATA_KEY: "{}", STORAGE_KEY: storage})
    path.write_bytes(proto.SerializeToString())
    return path


def test_a_small_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = numpy_helper.from_array(np.zeros(10_000, np.float32), "w")
    storage = json.dumps({"parameters": {f"p{number}": [["w", False]] for number in range(100)}})
    path = write_tensor(tmp_path / "w.onnx", tensor, storage)
    assert len(onnx_parameters.read_parameters(path)[1]) == 100
    monkeypatch.setattr(onnx_parameters, "_SPARE_BYTES", 0)
    with pytest.raises(WeightsError, match="times as large as the file"):
        onnx_parameters.read_parameters(path)


@pytest.mark.parametrize("storage", ["[" * 100_000, '{"parameters": {"p": [["w\\n\\u001b[2J", false]]}}'])
def test_a_damaged_list_of_parameters_is_one_line(tmp_path: Path, storage: str) -> None:
    path = write_tensor(tmp_path / "w.onnx", numpy_helper.from_array(np.zeros(3, np.float32), "w"), storage)
    with pytest.raises(WeightsError, match="parameters cannot be read") as caught:
        onnx_parameters.read_parameters(path)
    assert str(caught.value).isprintable()
    has_parameters({STORAGE_KEY: storage})


def test_parameters_in_other_files_are_not_read(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "head.bias")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    storage = json.dumps({"parameters": {"head.bias": [["head.bias", False]]}})
    path = write_tensor(tmp_path / "w.onnx", tensor, storage)
    with pytest.raises(WeightsError, match="inside the file"):
        onnx_parameters.read_parameters(path)


def test_a_file_without_parameters_by_name_cannot_be_a_start(toy: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(toy.with_suffix(".onnx"), tmp_path / "old.onnx"))
    change_storage(path, None)
    with pytest.raises(WeightsError, match=r"old\.onnx: has no \.safetensors file to start from, and its \.onnx"):
        find_parameters(path, "start from")


@pytest.mark.slow
def test_an_export_in_half_precision_is_the_rounded_model(toy: Path, tmp_path: Path) -> None:
    report = write_onnx(toy, tmp_path / "half.onnx", store="float16")
    assert report.max_logit_difference < 1e-3
    assert report.size_bytes < 0.7 * toy.with_suffix(".onnx").stat().st_size
    assert read_precision(str(tmp_path / "half.onnx")) == "float16"
    (expected, info), (got, read) = load_classifier(toy), load_classifier(tmp_path / "half.onnx")
    assert read == info
    for name, tensor in expected.state_dict().items():
        assert torch.equal(got.state_dict()[name], tensor.half().float()), name
