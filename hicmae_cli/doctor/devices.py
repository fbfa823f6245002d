"""Check the devices: what ONNX Runtime and torch list, and what of it works."""

from __future__ import annotations

import base64
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from typing import Final

from hicmae_cli.doctor.apart import run_apart
from hicmae_cli.doctor.libraries import advise_installing, find_missing_libraries
from hicmae_cli.doctor.results import Check
from hicmae_cli.errors import first_line, install_hint
from hicmae_cli.runtime.providers import PROVIDERS
from hicmae_cli.workers import Report, WorkerDiedError

TINY_MODEL: Final = base64.b64decode(
    "CAcSADo1Cg4KAXgKAXgSAXkiA0FkZBIBZ1oPCgF4EgoKCAgBEgQKAggCYg8KAXkSCgoICAESBAoCCAJCBAoAEA0="
)
"""An ONNX graph of one node: y = x + x, with two floats. `tests/doctor/test_devices.py` makes it."""
_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
_REMOTE: Final = "AzureExecutionProvider"
_NO_GPU: Final = "cuda"


def check_onnx_runtime() -> Iterator[Check]:
    """Check which of the execution providers that ONNX Runtime lists open and run a model."""
    group = "ONNX Runtime"
    for name in run_apart(list_providers, ""):
        if name == _REMOTE:
            yield Check(group, name, "note", "not tried: it calls a remote service; hicmae never uses it")
            continue
        try:
            problem = run_apart(try_provider, name)
        except WorkerDiedError as error:
            problem = str(error)
        row = next((row for row in PROVIDERS.values() if row.name == name), None)
        if problem is None:
            use = f"; `--device {row.device}` uses it" if row else "; hicmae does not use it"
            yield Check(group, name, "ok", f"loads and runs{use}")
        elif name == _CPU:
            advice = "run `pip install --force-reinstall onnxruntime-gpu` (`onnxruntime` on macOS and ARM)"
            yield Check(group, name, "broken", f"does not run: {problem}", advice)
        elif name == _CUDA:
            libraries = find_missing_libraries(problem)
            advice = advise_installing(libraries) if libraries else "needs an NVIDIA GPU with CUDA and cuDNN"
            found = f"listed, but does not load: {problem}; hicmae runs models on the CPU"
            yield Check(group, name, "note", found, f"to use a GPU: {advice}")
        else:
            needs = f"`--device {row.device}` needs {row.needs}" if row else ""
            yield Check(group, name, "note", f"listed, but does not load: {problem}", needs)


def list_providers(job: str, report: Report) -> list[str]:
    """List the execution providers of ONNX Runtime."""
    from hicmae_cli.onnx_runtime import import_onnxruntime

    return list(import_onnxruntime().get_available_providers())


def try_provider(name: str, report: Report) -> str | None:
    """Run a model with an execution provider -> None if that works, or the reason why not."""
    import numpy as np

    from hicmae_cli.onnx_runtime import import_onnxruntime

    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors, which say which library is missing
    with tempfile.TemporaryFile() as log:
        # Native code writes to the descriptor.
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            ort.set_default_logger_severity(3)
            # With the fallback, an error is printed to stdout, and the CPU is used.
            session = ort.InferenceSession(TINY_MODEL, options, providers=[name], enable_fallback=0)
            (doubled,) = session.run(["y"], {"x": np.array([1, 2], np.float32)})
        except Exception as error:
            return first_line(error)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        log.seek(0)
        said = log.read(1 << 16).decode("utf-8", "replace")
    # Without the provider, ONNX Runtime uses the CPU and does not fail.
    if name not in session.get_providers():
        libraries = find_missing_libraries(said)
        return f"{libraries[0]}: cannot open shared object file" if libraries else _last_words(said)
    return None if doubled.tolist() == [2, 4] else f"computed {doubled.tolist()}, expected [2, 4]"


def _last_words(log: str) -> str:
    """Return the message of the last line of a log, without colours, time and place."""
    lines = [line for line in log.splitlines() if line.strip()]
    last = lines[-1].rpartition("] ")[2].replace("\x1b[m", "").strip() if lines else ""
    return last or "ONNX Runtime chose the CPU instead"


def check_torch() -> Iterator[Check]:
    """Check the devices of torch, if it is installed."""
    if importlib.util.find_spec("torch") is None:
        found = "not installed; predicting with ONNX Runtime does not need it"
        yield Check("torch", "torch", "note", found, f"to train, run {install_hint('train')}")
        return
    try:
        devices = run_apart(try_torch, "")
    except WorkerDiedError as error:
        devices = [("torch", str(error))]
    except ImportError as error:  # the row of its package has the advice
        devices = [("torch", f"cannot be imported: {first_line(error)}")]
    for name, problem in devices:
        if problem is None:
            yield Check("torch", name, "ok", "computes")
        elif name == _NO_GPU:
            yield Check("torch", name, "note", problem, "if this machine has an NVIDIA GPU, install its driver")
        elif name in ("torch", "cpu"):
            yield Check("torch", name, "broken", problem, f"run {install_hint('train')}")
        else:
            yield Check("torch", name, "note", problem, "install the build of torch that fits this GPU's driver")


def try_torch(job: str, report: Report) -> list[tuple[str, str | None]]:
    """Compute on every device of torch -> each device with None, or with the reason why it cannot."""
    import torch

    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    names += ["mps"] if torch.backends.mps.is_available() else []
    found: list[tuple[str, str | None]] = []
    for name in names:
        problem = None
        label = name
        try:
            if name.startswith("cuda"):
                label = f"{name} ({torch.cuda.get_device_name(name)})"
            if float((torch.ones(2, device=name) * 2).sum()) != 4:
                problem = "computes wrong sums"
        except Exception as error:
            problem = f"cannot be used: {first_line(error)}"
        found.append((label, problem))
    if torch.version.cuda and not torch.cuda.is_available():
        found.append((_NO_GPU, f"torch was built for CUDA {torch.version.cuda}, but finds no GPU; it runs on the CPU"))
    return found
