"""The ONNX Runtime engine: needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError, WeightsError, first_line
from hicmae_cli.silence import import_onnxruntime
from hicmae_cli.weights.info import WeightInfo

ort = import_onnxruntime()

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """Runs an exported ``.onnx`` weight.

    Args:
        path: the file.
        device: ``auto`` (a GPU when there is one), ``cpu`` or ``cuda``.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        WeightsError: not an ONNX file of ours.
        SettingsError: the device was asked for and cannot be had. ONNX Runtime itself would fall back to the
            CPU without a word.
    """

    name = "onnx"

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        available = ort.get_available_providers()
        kind = device.partition(":")[0]
        if kind == "auto":
            # The GPU build lists CUDA on machines without one; only a session tells, so try and look.
            wanted = [_PROVIDERS[k] for k in ("cuda", "cpu") if _PROVIDERS[k] in available]
        elif kind in _PROVIDERS:
            wanted = [_PROVIDERS[kind]]
        else:
            raise SettingsError(
                f"--device {device}: the ONNX engine runs on cpu or cuda; use auto to let it choose"
            )
        options = ort.SessionOptions()
        options.log_severity_level = 4  # we look at the providers ourselves
        options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(str(path), options, providers=_with_options(wanted, device))
        except Exception as error:  # onnxruntime raises its own classes, all bare Exceptions
            raise WeightsError(f"{path}: ONNX Runtime cannot load it: {first_line(error)}") from error
        active = self._session.get_providers()[0]
        if kind == "cuda" and active != _PROVIDERS["cuda"]:
            raise SettingsError(
                f"--device {device}: ONNX Runtime cannot use CUDA here (it offers {', '.join(available)} and chose "
                f"{active}); install CUDA 12 and cuDNN 9, or use --device cpu"
            )
        self.device = "cuda" if active == _PROVIDERS["cuda"] else "cpu"
        self.info = WeightInfo.from_metadata(self._session.get_modelmeta().custom_metadata_map, path)
        inputs = [node.name for node in self._session.get_inputs()]
        if inputs != ["video", "audio"]:
            raise WeightsError(f"{path}: expected the inputs video and audio, got {', '.join(inputs)}")
        outputs = [(node.name, node.shape[-1:]) for node in self._session.get_outputs()]
        if outputs != [("logits", [len(self.info.labels)])]:
            raise WeightsError(
                f"{path}: expected the output logits with {len(self.info.labels)} classes, got {outputs}"
            )

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C)."""
        (logits,) = self._session.run(["logits"], {"video": video, "audio": audio})
        return np.asarray(logits, np.float32)


def _with_options(providers: list[str], device: str) -> list[Any]:
    index = device.partition(":")[2]
    return [(p, {"device_id": index}) if index and p == _PROVIDERS["cuda"] else p for p in providers]
