from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.weights import export
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from tests.weights.toys import save_toy

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = save_toy(tmp_path_factory.mktemp("export") / "w.safetensors")
    report = export.write_onnx(str(source), str(source.with_suffix(".onnx")))  # a path may be text
    assert report.path == source.with_suffix(".onnx")
    assert report.path.stat().st_size == report.size_bytes
    assert report.opset >= 20
    assert report.max_logit_difference < 1e-4
    return report.path


def test_gelu_is_one_operation(exported: Path) -> None:
    """Written out as an error function and products it costs a pass over the hidden values each."""
    operations = {node.op_type for node in onnx.load(exported).graph.node}
    assert "Gelu" in operations and "Erf" not in operations


def test_any_batch_and_the_same_metadata(exported: Path) -> None:
    model, info = load_classifier(exported.with_suffix(".safetensors"))
    engine = OnnxEngine(exported, "cpu")
    assert engine.info == info
    rng = np.random.default_rng(1)
    for batch in (1, 2, 5):
        video = rng.standard_normal((batch, 3, 16, 160, 160), np.float32)
        audio = rng.standard_normal((batch, 1, 256, 128), np.float32)
        with torch.inference_mode():
            expected = model(torch.from_numpy(video), torch.from_numpy(audio)).numpy()
        np.testing.assert_allclose(engine.logits(video, audio), expected, atol=1e-4)


def test_the_file_passes_the_checker_in_one_piece(exported: Path) -> None:
    onnx.checker.check_model(str(exported), full_check=True)
    assert sorted(p.suffix for p in exported.parent.iterdir()) == [".onnx", ".safetensors"]


def test_its_mode_is_that_of_any_other_file(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert exported.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_wrong_graph_fails_the_export(exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trace = export._trace

    def trace_shifted(model: Classifier) -> onnx.ModelProto:
        torch.nn.init.constant_(model.head.bias, 0.0)
        graph = trace(model)
        torch.nn.init.constant_(model.head.bias, 2e-3)
        return graph

    monkeypatch.setattr(export, "_trace", trace_shifted)
    with pytest.raises(WeightsError, match="differs from torch"):
        export.write_onnx(exported.with_suffix(".safetensors"), tmp_path / "bad.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_graph_that_answers_nothing_fails_the_export(
    exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trace = export._trace

    def trace_broken(model: Classifier) -> onnx.ModelProto:
        graph = trace(model)
        (last,) = (node for node in graph.graph.node if "logits" in node.output)
        last.output[0] = "answer"
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.float32("nan"), "nothing"))
        graph.graph.node.append(onnx.helper.make_node("Add", ["answer", "nothing"], ["logits"]))
        return graph

    monkeypatch.setattr(export, "_trace", trace_broken)
    with pytest.raises(WeightsError, match="by nan in a logit"):
        export.write_onnx(exported.with_suffix(".safetensors"), tmp_path / "bad.onnx")
    assert list(tmp_path.iterdir()) == []


def test_values_of_a_regression_are_compared_by_their_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A difference of 0.01 is much in a logit, and little in values around 100; no softmax is looked at."""
    monkeypatch.setattr(export, "_trace", lambda model: _empty_graph())
    monkeypatch.setattr(export, "compare", lambda *_: export.Differences(0.01, 0.5, 100.0, 4))
    valued = save_toy(tmp_path / "valued.safetensors")
    model, info = load_classifier(valued)
    with pytest.raises(WeightsError, match=r"by 1\.00e-02 in a logit, more than 1e-03"):
        export.write_onnx(valued, tmp_path / "a.onnx")
    save_classifier(valued, model, info.model_copy(update={"task": "regression"}))
    report = export.write_onnx(valued, tmp_path / "a.onnx")
    assert report.max_probability_difference is None and report.limit == pytest.approx(0.1)
    monkeypatch.setattr(export, "compare", lambda *_: export.Differences(0.01, 0.5, 0.5, 4))
    with pytest.raises(WeightsError, match=r"by 1\.00e-02 in a value, more than 1e-03"):
        export.write_onnx(valued, tmp_path / "b.onnx")


def _empty_graph() -> onnx.ModelProto:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    return onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [value], [out]), opset_imports=[onnx.helper.make_opsetid("", 18)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("withheld", ["zeros", "mean token"])
@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_weight_of_one_stream_is_exported_without_the_other_encoder(
    exported: Path, tmp_path: Path, modality: str, withheld: str
) -> None:
    model, info = load_classifier(exported.with_suffix(".safetensors"))
    source = tmp_path / "w.safetensors"
    save_classifier(source, model, info.model_copy(update={"modality": modality, "withheld": withheld}))
    model, _ = load_classifier(source)
    export.write_onnx(source, source.with_suffix(".onnx"))
    other = "audio" if modality == "video" else "video"
    tensors = [each.name for each in onnx.load(source.with_suffix(".onnx")).graph.initializer]
    assert any(f"{modality}_encoder" in name for name in tensors)
    assert not any(f"{other}_encoder" in name for name in tensors)
    engine, rng = OnnxEngine(source.with_suffix(".onnx"), "cpu"), np.random.default_rng(1)
    for batch in (1, 3):
        video = rng.standard_normal((batch, 3, 16, 160, 160), np.float32)
        audio = rng.standard_normal((batch, 1, 256, 128), np.float32)
        given = {"video": torch.from_numpy(video), "audio": torch.from_numpy(audio)}
        nothing = torch.zeros_like(given[other]) if withheld == "zeros" else None
        with torch.inference_mode():
            expected = model(*{**given, other: nothing}.values()).numpy()
        np.testing.assert_allclose(engine.logits(video, audio), expected, atol=1e-5)
