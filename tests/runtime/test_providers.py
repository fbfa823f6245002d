"""A device that is asked for by name is used or refused; nothing replaces it in silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from hicmae_cli import onnx_runtime
from hicmae_cli.doctor.devices import TINY_MODEL
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.files import compute_sha256
from hicmae_cli.runtime import providers
from hicmae_cli.runtime.engines import ENGINES
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.providers import ONNX_ONLY, PROVIDERS, explain_fallback, open_on_device

CPU = "CPUExecutionProvider"


@dataclass
class FakeOrt:
    """An ONNX Runtime that offers and loads what it is told to.

    ``broken`` are the providers that raise when a session is opened with them.
    """

    offered: list[str]
    loads: list[str]
    broken: tuple[str, ...] = ()
    asked: list[Any] = field(default_factory=list)

    def get_available_providers(self) -> list[str]:
        return self.offered

    class SessionOptions:
        intra_op_num_threads = 0

        def add_session_config_entry(self, key: str, value: str) -> None:
            assert (key, value) == ("session.record_ep_graph_assignment_info", "1")

    def InferenceSession(  # noqa: N802 (its name in ONNX Runtime)
        self, path: str, options: object, *, providers: list[Any], **more: object
    ) -> FakeSession:
        assert more["enable_fallback"] == 0  # it would print a banner to stdout
        self.asked.append(providers)
        names = [each if isinstance(each, str) else each[0] for each in providers]
        if Path(path).read_bytes() != TINY_MODEL:
            raise RuntimeError("not a model")
        if set(names) & set(self.broken):
            raise RuntimeError("the driver is too old\nsee its log")
        return FakeSession([name for name in names if name in self.loads and name != CPU] + [CPU])


@dataclass
class FakeSession:
    loaded: list[str]

    def get_providers(self) -> list[str]:
        return self.loaded


@dataclass(frozen=True)
class Part:
    """A part of the graph, as ONNX Runtime describes it since 1.24."""

    ep_name: str


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(TINY_MODEL)
    return path


def install(patch: pytest.MonkeyPatch, offered: list[str], loads: list[str], broken: tuple[str, ...] = ()) -> FakeOrt:
    fake = FakeOrt(offered, loads, broken)
    patch.setattr(onnx_runtime, "import_onnxruntime", lambda: fake)
    patch.setattr(providers, "import_onnxruntime", lambda: fake)
    return fake


ALL = [row.name for row in PROVIDERS.values()]


@pytest.mark.parametrize("device", PROVIDERS)
def test_what_was_asked_for_is_what_runs(device: str, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, ALL, ALL)
    session, used = open_on_device(model, device, 2)
    assert (session.get_providers()[0], used) == (PROVIDERS[device].name, device)
    ((first, *_),) = fake.asked
    assert first[0] == PROVIDERS[device].name


@pytest.mark.parametrize("device", sorted(PROVIDERS.keys() - {"cpu"}))
def test_what_is_not_offered_is_refused_with_its_package(
    device: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install(monkeypatch, ["AzureExecutionProvider", CPU], [CPU])
    row = PROVIDERS[device]
    with pytest.raises(SettingsError, match=f"offers AzureExecutionProvider, {CPU}, but not {row.name}") as caught:
        open_on_device(model, device, 0)
    assert row.package in str(caught.value) and "\n" not in str(caught.value) and not fake.asked


@pytest.mark.parametrize("device", sorted(PROVIDERS.keys() - {"cpu"}))
@pytest.mark.parametrize("fails", [True, False])
def test_what_is_offered_but_does_not_load_is_refused(
    device: str, fails: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = PROVIDERS[device]
    install(monkeypatch, ALL, [CPU], (row.name,) if fails else ())
    reason = "the driver is too old" if fails else f"it loaded {CPU} instead"
    with pytest.raises(SettingsError, match=f"{device!r}: ONNX Runtime offers {row.name}, .*: {reason}; it needs"):
        open_on_device(model, device, 0)


@pytest.mark.parametrize(("by", "works"), [(["coreml"], True), (["coreml", "cpu"], True), (["cpu"], False)])
def test_a_provider_that_computes_nothing_is_refused(
    by: list[str], works: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, ALL, ALL)
    parts = [Part(PROVIDERS[device].name) for device in by]
    monkeypatch.setattr(FakeSession, "get_provider_graph_assignment_info", lambda _: parts, raising=False)
    if works:
        assert open_on_device(model, "coreml", 0)[1] == "coreml"
    else:
        with pytest.raises(SettingsError, match="it loads, but computes no part of this model; use device='cpu'"):
            open_on_device(model, "coreml", 0)


@pytest.mark.parametrize("device", ["auto", "cuda", "openvino", "cpu"])
def test_a_broken_file_is_the_fault_of_no_device(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ALL, ALL)
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"bad\.onnx: ONNX Runtime cannot load it: not a model"):
        open_on_device(tmp_path / "bad.onnx", device, 0)


@pytest.mark.parametrize(
    ("offered", "loads", "broken", "expected"),
    [
        (ALL, ALL, (), "cuda"),
        (ALL, [CPU], (), "cpu"),
        (ALL, ALL, ("CUDAExecutionProvider",), "cpu"),
        ([CPU], [CPU], (), "cpu"),
        (["OpenVINOExecutionProvider", CPU], ALL, (), "cpu"),  # others are not chosen by themselves
    ],
)
def test_auto_says_what_it_took(
    offered: list[str],
    loads: list[str],
    broken: tuple[str, ...],
    expected: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, offered, loads, broken)
    session, used = open_on_device(model, "auto", 0)
    assert (session.get_providers()[0], used) == (PROVIDERS[expected].name, expected)


def test_options_of_each_provider(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, ALL, ALL)

    def options(device: str) -> list[Any]:
        open_on_device(model, device, 2)
        return [dict(settings) for _, settings in fake.asked[-1]]

    assert options("cuda") == [{}] and options("cuda:1") == [{"device_id": "1"}]
    assert options("directml:2") == [{"device_id": "2"}]
    assert options("coreml") == [{"ModelFormat": "MLProgram"}]
    assert options("openvino")[0] == {"device_type": "CPU", "precision": "ACCURACY", "num_of_threads": "2"}
    assert options("openvino:gpu")[0]["device_type"] == "GPU"
    engine, rest = options("tensorrt:1")
    # Engines are found by the names of the graph: two weights in one folder would be taken for each other.
    folder = platformdirs.user_cache_path("hicmae", appauthor=False) / "tensorrt" / compute_sha256(model)
    assert folder.is_dir() and engine.pop("trt_engine_cache_path") == str(folder)
    assert engine == {"device_id": "1", "trt_engine_cache_enable": "1", "trt_fp16_enable": "0"}
    assert rest == {"device_id": "1"}  # CUDA computes what TensorRT cannot
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.touch()  # a cache that cannot be written: engines are built each time
    assert options("tensorrt")[0] == {"device_id": "0", "trt_fp16_enable": "0"}


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cpu:1", "expected cpu alone"),
        ("coreml:0", "expected coreml alone"),
        ("cuda:", "expected cuda:PART with a number"),
        ("cuda:x", "expected cuda:PART with a number"),
        ("openvino:tpu", "expected openvino:PART with cpu, gpu or npu"),  # which OpenVINO takes for the CPU
        ("openvino:GPU.0", "expected openvino:PART"),
        ("tpu", "the ONNX engine runs on cpu, cuda, tensorrt, coreml, directml, openvino"),
    ],
)
def test_an_odd_name_is_refused(device: str, message: str, model: Path) -> None:
    with pytest.raises(SettingsError, match=f"device={device!r}: {message}"):
        open_on_device(model, device, 0)


def test_the_real_runtime_runs_on_the_cpu_and_refuses_the_rest(model: Path) -> None:
    offered = onnx_runtime.import_onnxruntime().get_available_providers()
    session, used = open_on_device(model, "cpu", 1)
    assert (session.get_providers(), used) == ([CPU], "cpu")
    for device in ONNX_ONLY:
        if PROVIDERS[device].name not in offered:
            with pytest.raises(SettingsError, match=f"but not {PROVIDERS[device].name}"):
                open_on_device(model, device, 1)


@pytest.mark.parametrize("device", [*ONNX_ONLY, "openvino:gpu"])
def test_torch_does_not_know_them(device: str) -> None:
    assert set(ENGINES["onnx"].own_devices) == set(ONNX_ONLY)
    with pytest.raises(SettingsError, match=f"device={device!r}: the torch engine does not know it; use engine='onnx'"):
        open_engine("hicmae-nano", "torch", device)


def test_a_gpu_that_auto_does_not_use_is_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert explain_fallback("auto", "cpu") is None
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    assert "although this machine has an NVIDIA GPU" in (explain_fallback("auto", "cpu") or "")
    assert explain_fallback("cpu", "cpu") is None and explain_fallback("auto", "cuda") is None
