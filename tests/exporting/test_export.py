"""Every precision of every kind of weight against torch."""

from __future__ import annotations

import copy
import resource
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.exporting import export, report
from hicmae_cli.exporting.clips import ClipChoice, measure_agreement
from hicmae_cli.exporting.export import export_onnx
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS, ModelDims
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.export import TracedWeight, trace_weight
from hicmae_cli.weights.info import ComputePrecision
from hicmae_cli.weights.reading import read_info, read_precision
from tests.weights.toys import DIMS, info_of

pytestmark = pytest.mark.integration

FLOATS: tuple[ComputePrecision, ...] = ("float32", "float16")


def save_any(path: Path, dims: ModelDims = DIMS, **fields: Any) -> Path:
    """A random classifier whose outputs differ from clip to clip, with other metadata."""
    torch.manual_seed(0)
    model = Classifier(dims, 3)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    save_classifier(path, model, info_of(dims, 3).model_copy(update=fields))
    return path


@cache
def _trace(source: Path) -> TracedWeight:
    return trace_weight(source, source)


@pytest.fixture(autouse=True)
def _trace_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's exporter takes seconds: each weight goes through it once."""

    def trace(source: Path, target: Path, store: str = "float32") -> TracedWeight:
        traced = _trace(source)
        return traced._replace(proto=copy.deepcopy(traced.proto))

    monkeypatch.setattr(export, "trace_weight", trace)
    monkeypatch.setattr(report, "trace_weight", trace)


@pytest.fixture(scope="module")
def toy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_any(tmp_path_factory.mktemp("toy") / "toy.safetensors", temperature=1.5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of eight prepared clips of noise, with one of another split."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    lines = ["id,video,audio,label,fold,split,speaker"]
    for at in range(8):
        faces = rng.integers(0, 256, (16, 160, 160, 3), np.uint8) // (at + 1)
        sound = (0.3 / (at + 1) * rng.standard_normal(40960)).astype(np.float32)
        write_prepared_clip(folder / f"{at}.mkv", faces, Fraction(25, 4), sound)
        lines.append(f"{at},{at}.mkv,{at}.mkv,,,{'test' if at == 7 else 'train'},")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def run_both(source: Path, target: Path) -> tuple[np.ndarray, np.ndarray]:
    """Logits of torch and of the file, on other clips than the export compares."""
    model, info = load_classifier(source)
    rng = np.random.default_rng(5)
    video = rng.standard_normal((2, 3, 16, 160, 160), np.float32)
    audio = rng.standard_normal((2, 1, 256, 128), np.float32)
    shown = (
        None if info.modality == "audio" else torch.from_numpy(video),
        None if info.modality == "video" else torch.from_numpy(audio),
    )
    with torch.inference_mode():
        expected = model(*shown).numpy()
    return expected, OnnxEngine(target, "cpu", threads=1).logits(video, audio)


def answer(logits: np.ndarray, task: str) -> np.ndarray:
    if task == "regression":
        return logits
    tensor = torch.from_numpy(logits)
    return (tensor.sigmoid() if task == "multilabel" else tensor.softmax(-1)).numpy()


def check_float_precisions(source: Path, folder: Path, task: str = "classification") -> None:
    """Export to float32 and float16, and compare with torch by the limits that we promise."""
    target = folder / "w.onnx"
    for precision in FLOATS:
        report = export_onnx(source, target, precision=precision)
        assert (report.max_probability_difference is None) == (task == "regression")
        expected, got = run_both(source, target)
        assert np.ptp(expected) > 0.05
        limit = 1e-3 if precision == "float32" else 5e-3
        np.testing.assert_allclose(answer(got, task), answer(expected, task), atol=limit)
        assert read_info(str(target)) == read_info(str(source))
        assert read_precision(str(target)) == precision


def test_float_precisions_agree_with_torch(toy_file: Path, tmp_path: Path) -> None:
    check_float_precisions(toy_file, tmp_path)
    wrapped = export_onnx(toy_file, tmp_path / "f.onnx", precision="float16", with_front_end=True)
    assert (wrapped.limited, wrapped.limit) == ("a probability", 5e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "modality"),
    [("multilabel", "av"), ("regression", "av"), ("regression", "audio"), ("classification", "video")],
)
def test_all_tasks_and_streams_agree_with_torch(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, task: str, modality: str
) -> None:
    source = save_any(tmp_path_factory.mktemp("w") / "w.safetensors", task=task, modality=modality)
    check_float_precisions(source, tmp_path, task)
    for precision in FLOATS:
        wrapped = export_onnx(source, tmp_path / "f.onnx", precision=precision, with_front_end=True)
        assert wrapped.limited == ("a value" if task == "regression" else "a probability")


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_variants_agree_with_torch(tmp_path: Path, variant: str) -> None:
    check_float_precisions(save_any(tmp_path / "w.safetensors", VARIANTS[variant]), tmp_path)


def test_float16_computes_in_it_and_takes_and_gives_float32(toy_file: Path, tmp_path: Path) -> None:
    export_onnx(toy_file, tmp_path / "half.onnx", precision="float16")
    graph = onnx.load(tmp_path / "half.onnx").graph
    assert {node.type.tensor_type.elem_type for node in (*graph.input, *graph.output)} == {onnx.TensorProto.FLOAT}
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    weights = [kinds[node.input[1]] for node in graph.node if node.op_type == "Gemm"]
    assert weights and set(weights) == {onnx.TensorProto.FLOAT16}
    with pytest.raises(WeightsError, match=r"does not hold the parameters by name: .*compute in float16 or int8"):
        load_classifier(tmp_path / "half.onnx")


def test_int8_is_of_integers_with_a_scale_for_each_channel(toy_file: Path, clips: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    written = export_onnx(toy_file, target, precision="int8", manifest=clips)
    assert written.checked_clips == 8 and written.agreement == 1.0
    assert read_precision(str(target)) == "int8"
    graph = onnx.load(target).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    scales = [
        stored[node.input[1]].dims[0]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in stored and len(stored[node.input[0]].dims) == 2
    ]
    assert len(scales) > 10 and min(scales) >= DIMS.width
    expected, got = run_both(toy_file, target)
    assert 0 < np.abs(got - expected).max() < 0.2
    wrapped = export_onnx(toy_file, target, precision="int8", manifest=clips, split="train", with_front_end=True)
    assert wrapped.agreement == 1.0 and wrapped.limit == export.FRONT_END_TOLERANCE


def test_a_full_disk_is_named_while_int8_is_made(toy_file: Path, clips: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    _trace(toy_file)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # no file may grow beyond, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            export_onnx(toy_file, tmp_path / "int8.onnx", precision="int8", manifest=clips)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Path(caught.value.filename).parent == Path(tempfile.gettempdir())
    assert list(tmp_path.iterdir()) == []


def test_int8_that_decides_otherwise_is_not_written(
    toy_file: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "measure_agreement", lambda *_: 0.98)
    with pytest.raises(WeightsError, match=r"not written: in int8 it decides as torch does for 98\.0% of 8 clips"):
        export_onnx(toy_file, tmp_path / "int8.onnx", precision="int8", manifest=clips)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"precision": "int8"}, "prepared clips determine; give `manifest` or `dataset`"),
        ({"precision": "int4"}, "expected one of float32, float16, int8"),
        ({"precision": "float16", "store": "float16"}, "is for files that compute in float32"),
        ({"manifest": "list.csv"}, "`manifest`: only precision='int8' needs clips"),
        ({"split": "test"}, "`split`: only precision='int8' needs clips"),
    ],
)
def test_settings_that_do_not_fit_are_refused_first(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        export_onnx("no-such.safetensors", tmp_path / "w.onnx", **settings)


def test_a_weight_is_not_replaced_by_its_export(toy_file: Path, tmp_path: Path) -> None:
    """A file of int8 or with a front end does not hold the parameters by name."""
    (tmp_path / "link.onnx").symlink_to(toy_file)
    with pytest.raises(SettingsError, match=r"link\.onnx: is the weight itself, whose parameters would be lost"):
        export_onnx(toy_file, tmp_path / "link.onnx", with_front_end=True)


def test_clips_that_cannot_be_used_are_named(toy_file: Path, clips: Path, tmp_path: Path) -> None:
    info = read_info(str(toy_file))
    with pytest.raises(ManifestError, match="no clips of split='dev'"):
        ClipChoice(manifest=clips, split="dev").read(info)
    (tmp_path / "0.mkv").write_bytes(b"not a video")
    (tmp_path / "list.csv").write_text("id,video,audio\nodd,0.mkv,0.mkv\n")
    with pytest.raises(ManifestError, match=r"list\.csv: .*0\.mkv: cannot be read"):
        ClipChoice(manifest=tmp_path / "list.csv").read(info)


def test_agreement_by_task() -> None:
    one = np.array([[0.6, 0.3], [0.2, 0.7], [0.55, 0.9]])
    other = np.array([[0.7, 0.1], [0.6, 0.7], [0.45, 0.9]])
    assert measure_agreement(one, other, "classification") == 1.0
    assert measure_agreement(one, other, "multilabel") == pytest.approx(1 / 3)
    assert measure_agreement(one, one + 0.01, "regression") == 1.0
    assert measure_agreement(one, other, "regression") == 0.0


def test_the_report_compares_all_precisions(toy_file: Path, clips: Path) -> None:
    found = report.compare_precisions(toy_file, name="[toy]", manifest=clips)
    document = found.to_dict()
    assert (document["schema"], document["clips"], document["task"]) == ("hicmae.export/1", 4, "classification")
    assert [(each["precision"], each["stored"]) for each in document["precisions"]] == [
        ("float32", "float32"),
        ("float32", "float16"),
        ("float16", "float16"),
        ("int8", "int8"),
    ]
    whole, stored, half, eight = found.precisions
    assert all(set(each.one_stream_agreement) == {"video", "audio"} for each in found.precisions)
    assert stored.size_bytes < 0.7 * whole.size_bytes
    assert whole.max_probability_difference is not None and whole.max_probability_difference < 1e-4
    assert half.size_bytes < 0.7 * whole.size_bytes
    assert whole.max_logit_difference < half.max_logit_difference < eight.max_logit_difference
    assert min(each.time_ratio for each in found.precisions) > 0
    assert "| int8 |" in found.to_markdown() and found.advise() in found.to_markdown()


def facts(
    precision: ComputePrecision, ratio: float, difference: float = 0.0, agreement: float = 1.0, alone: Any = None
) -> Any:
    return report.PrecisionFacts(precision, precision, difference, difference, agreement, alone or {}, 1, ratio)


@pytest.mark.parametrize(
    ("half", "eight", "best"),
    [
        (facts("float16", 0.5), facts("int8", 0.7), "float16"),
        (facts("float16", 1.5), facts("int8", 0.7, 0.02, 0.995), "int8"),
        (facts("float16", 0.5, 0.006), facts("int8", 0.7, 0.02, 0.985), "float32"),
        (facts("float16", 0.99), facts("int8", 0.98), "float32"),
        (facts("float16", 0.99), facts("int8", 0.7, 0.02, 1.0, {"video": 1.0, "audio": 0.96}), "float32"),
    ],
)
def test_only_what_is_faster_and_exact_is_recommended(half: Any, eight: Any, best: str) -> None:
    found = report.PrecisionReport("w", "classification", 200, (facts("float32", 1.0), half, eight))
    assert found.recommended == best
    assert f"Recommended on this processor: {best}." in found.advise()
