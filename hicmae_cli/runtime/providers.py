"""The table of execution providers: the libraries by which ONNX Runtime reaches a device.

ONNX Runtime itself uses the CPU without a word if it cannot use what it was asked for. Here, a device that is asked for
by name is used or refused.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs

from hicmae_cli.errors import SettingsError, WeightsError, first_line
from hicmae_cli.files import compute_sha256
from hicmae_cli.onnx_runtime import computes_with, import_onnxruntime, open_session

Options = Mapping[str, str]

_INDEX: Final = r"\d{1,3}"


@dataclass(frozen=True)
class Provider:
    """One row of the table.

    Attributes:
        device: value of the parameter ``device``; a part may follow after a colon, as in ``cuda:1``.
        name: ONNX Runtime's name.
        package: which package of ONNX Runtime has it, in words.
        needs: what this machine needs for it, in words; empty if nothing.
        part: pattern of the part after the colon; empty if there is none.
        parts: what the part may be, in words.
        options: makes ONNX Runtime's options of the part, the weight file and the number of CPU threads.
        then: device that computes what this one cannot; what is left is for the CPU.
    """

    device: str
    name: str
    package: str
    needs: str = ""
    part: str = ""
    parts: str = ""
    options: Callable[[str, Path, int], Options] = lambda *_: {}
    then: str = ""


def _choose_index(part: str, path: Path, threads: int) -> Options:
    return {"device_id": part} if part else {}


def _cache_engines(part: str, path: Path, threads: int) -> Options:
    # ONNX Runtime finds an engine in its cache by the names in the graph, and does not look at the numbers. So each
    # weight has a folder of its own.
    folder = platformdirs.user_cache_path("hicmae", appauthor=False) / "tensorrt" / compute_sha256(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        # Engines can be built anew each time.
        return {"device_id": part or "0", "trt_fp16_enable": "0"}
    return {
        "device_id": part or "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_fp16_enable": "0",
    }


def _choose_openvino(part: str, path: Path, threads: int) -> Options:
    # ACCURACY: compute in the precision of the file; by default, GPUs compute in half.
    count = {"num_of_threads": str(threads)} if threads else {}
    return {"device_type": (part or "cpu").upper(), "precision": "ACCURACY", **count}


PROVIDERS: Final = {
    row.device: row
    for row in (
        Provider("cpu", "CPUExecutionProvider", "every package"),
        Provider(
            "cuda",
            "CUDAExecutionProvider",
            "the package onnxruntime-gpu",
            needs="an NVIDIA GPU, CUDA 12 and cuDNN 9",
            part=_INDEX,
            parts="a number",
            options=_choose_index,
        ),
        Provider(
            "tensorrt",
            "TensorrtExecutionProvider",
            "the package onnxruntime-gpu",
            needs="an NVIDIA GPU, CUDA 12, cuDNN 9 and TensorRT 10",
            part=_INDEX,
            parts="a number",
            options=_cache_engines,
            then="cuda",
        ),
        Provider(
            "coreml",
            "CoreMLExecutionProvider",
            "the package onnxruntime for macOS",
            needs="macOS 12",
            # Not the older format, which computes in half precision.
            options=lambda *_: {"ModelFormat": "MLProgram"},
        ),
        Provider(
            "directml",
            "DmlExecutionProvider",
            "the package onnxruntime-directml for Windows",
            needs="Windows 10 and a GPU with DirectX 12",
            part=_INDEX,
            parts="a number",
            options=_choose_index,
        ),
        Provider(
            "openvino",
            "OpenVINOExecutionProvider",
            "the package onnxruntime-openvino",
            needs="the driver of that device",
            # OpenVINO takes any other word for the CPU, and `auto` crashed the process (1.24.1).
            part="cpu|gpu|npu",
            parts="cpu, gpu or npu",
            options=_choose_openvino,
        ),
    )
}
"""By the name of the device."""
ONNX_ONLY: Final = tuple(name for name in PROVIDERS if name not in ("cpu", "cuda"))
"""Devices that no other engine has."""
# ``auto`` tries these in this order. Others may compute in half precision, so they must be asked for.
_AUTOMATIC: Final = ("cuda", "cpu")


def open_on_device(path: Path, device: str, threads: int) -> tuple[Any, str]:
    """Open a weight file on a device -> ONNX Runtime's session, and the device that it runs on.

    Args:
        path: the ``.onnx`` file.
        device: ``auto`` (a GPU with CUDA if that works, else the CPU), or a name of ``PROVIDERS``, with its part.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        SettingsError: there is no such device, this ONNX Runtime does not offer it, or another one was loaded.
        WeightsError: ONNX Runtime cannot load the file.
    """
    if device == "auto":
        return _open_automatically(path, threads)
    provider, part = _parse_device(device)
    offered = import_onnxruntime().get_available_providers()
    if provider.name not in offered:
        raise SettingsError(
            f"device={device!r}: the installed ONNX Runtime offers {', '.join(offered)}, but not {provider.name}; "
            f"{provider.package} has it; or use device='cpu'"
        )
    needs = f"; it needs {provider.needs}" if provider.needs else ""
    advice = f"{needs}; `hicmae doctor` tries it, or use device='cpu'"
    refused = f"device={device!r}: ONNX Runtime offers {provider.name}, but cannot use it here"
    try:
        wanted = _list_providers(provider, part, path, threads, offered)
        session = open_session(path, wanted, threads, record_assignment=True)
    except WeightsError as error:
        if provider.device != "cpu":
            # Raises if it is the file that cannot be loaded.
            open_session(path, threads=threads)
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise SettingsError(f"{refused}: {first_line(cause)}{advice}") from error
        raise
    loaded = session.get_providers()[0]
    if loaded != provider.name:
        raise SettingsError(f"{refused}: it loaded {loaded} instead{advice}")
    if not computes_with(session, provider.name):
        raise SettingsError(f"{refused}: it loads, but computes no part of this model; use device='cpu'")
    return session, device


def _open_automatically(path: Path, threads: int) -> tuple[Any, str]:
    offered = import_onnxruntime().get_available_providers()
    names = {PROVIDERS[device].name: device for device in _AUTOMATIC}
    wanted = [name for name in names if name in offered]
    # The GPU build lists CUDA on machines without a GPU, too; only a session shows what works.
    try:
        session = open_session(path, wanted, threads)
    except WeightsError:
        session = open_session(path, threads=threads)
    return session, names[session.get_providers()[0]]


def explain_fallback(asked: str, used: str) -> str | None:
    """Explain that ``auto`` took the CPU although this machine has an NVIDIA GPU; None if there is nothing to say."""
    if asked != "auto" or used != "cpu" or shutil.which("nvidia-smi") is None:
        return None
    return "runs on the CPU, although this machine has an NVIDIA GPU; device='cuda' says why it is not used"


def _parse_device(device: str) -> tuple[Provider, str]:
    """Split ``cuda:1`` -> the row of the table, and the part after the colon."""
    name, colon, part = device.partition(":")
    provider = PROVIDERS.get(name)
    if provider is None:
        raise SettingsError(
            f"device={device!r}: the ONNX engine runs on {', '.join(PROVIDERS)}; use auto to let it choose"
        )
    if colon and not re.fullmatch(provider.part or r"\b\B", part):
        expected = f"{name}:PART with {provider.parts}" if provider.part else f"{name} alone"
        raise SettingsError(f"device={device!r}: expected {expected}")
    return provider, part


def _list_providers(provider: Provider, part: str, path: Path, threads: int, offered: list[str]) -> list[Any]:
    """List the providers of a session, in order of preference, each with its options."""
    rows = [provider, *([PROVIDERS[provider.then]] if provider.then else [])]
    return [(row.name, dict(row.options(part, path, threads))) for row in rows if row.name in offered]
