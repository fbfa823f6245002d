"""Execution providers that are listed and those that load."""

from __future__ import annotations

import importlib.util

import pytest

from hicmae_cli.doctor import devices
from hicmae_cli.doctor.devices import TINY_MODEL, check_onnx_runtime, check_torch, list_providers, try_provider
from hicmae_cli.workers import WorkerDiedError


def ignore(value: object) -> None:
    """No progress."""


def test_the_tiny_model_is_what_it_says() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(TINY_MODEL)
    onnx.checker.check_model(model)
    (node,) = model.graph.node
    assert (node.op_type, list(node.input), list(node.output)) == ("Add", ["x", "x"], ["y"])


def test_the_cpu_works_and_a_provider_that_does_not_load_says_why() -> None:
    assert try_provider("CPUExecutionProvider", ignore) is None
    for name in set(list_providers("", ignore)) & {"CUDAExecutionProvider"}:
        torch = pytest.importorskip("torch")
        problem = try_provider(name, ignore)
        assert (problem is None) or not torch.cuda.is_available()
        assert problem is None or "cannot open shared object file" in problem or "chose the CPU" in problem or problem


def planted(monkeypatch: pytest.MonkeyPatch, outcomes: dict[str, object]) -> None:
    """Let the jobs of other processes have these outcomes."""

    def run(work: object, job: str) -> object:
        found = list(outcomes) if work is list_providers else outcomes[job]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(devices, "run_apart", run)


def test_only_the_cpu_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = "libcublasLt.so.12: cannot open shared object file"
    planted(
        monkeypatch,
        {
            "TensorrtExecutionProvider": WorkerDiedError("its process crashed (SIGSEGV)"),
            "CUDAExecutionProvider": lost,
            "AzureExecutionProvider": "never tried",
            "CPUExecutionProvider": None,
        },
    )
    found = {check.name: check for check in check_onnx_runtime()}
    assert [check.status for check in found.values()] == ["note", "note", "note", "ok"]
    assert "SIGSEGV" in found["TensorrtExecutionProvider"].found
    assert found["CUDAExecutionProvider"].found == f"listed, but does not load: {lost}; hicmae runs models on the CPU"
    assert "cuDNN that contain libcublasLt.so.12" in found["CUDAExecutionProvider"].advice
    assert "remote service" in found["AzureExecutionProvider"].found
    planted(monkeypatch, {"CPUExecutionProvider": "computed [0, 0], expected [2, 4]"})
    assert [check.status for check in check_onnx_runtime()] == ["broken"]


def test_torch_is_not_imported_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, {})  # a job would fail
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (check,) = check_torch()
    assert check.status == "note" and "pip install '.[train]'" in check.advice


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ([("cpu", None), ("cuda:0 (H200)", None)], ["ok", "ok"]),
        ([("cpu", None), ("cuda:0 (H200)", "cannot be used: no kernel image")], ["ok", "note"]),
        ([("cpu", None), ("cuda", "finds no GPU")], ["ok", "note"]),
        ([("cpu", "computes wrong sums")], ["broken"]),
        (WorkerDiedError("its process crashed (SIGILL)"), ["broken"]),
        (ImportError("libtorch_cpu.so"), ["broken"]),
    ],
)
def test_devices_of_torch(monkeypatch: pytest.MonkeyPatch, outcome: object, statuses: list[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    planted(monkeypatch, {"": outcome})
    assert [check.status for check in check_torch()] == statuses
