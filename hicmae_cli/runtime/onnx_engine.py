"""The ONNX Runtime engine, which runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES, RAW_INPUTS
from hicmae_cli.onnx_runtime import run_session
from hicmae_cli.runtime.providers import open_on_device
from hicmae_cli.weights.info import WeightInfo


class OnnxEngine:
    """Runs an exported ``.onnx`` weight.

    Args:
        path: the file.
        device: ``auto`` (a GPU with CUDA if that works, else the CPU), or a name of ``providers.PROVIDERS``.
        threads: CPU threads; 0 lets the runtime choose.

    Raises:
        WeightsError: the file was not exported by hicmae, or its inputs or outputs do not match.
        SettingsError: the chosen device is not available; see ``open_on_device``.
    """

    name = "onnx"

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        self._session, self.device = open_on_device(path, device, threads)
        self.providers = tuple(self._session.get_providers())
        self.info = WeightInfo.from_metadata(self._session.get_modelmeta().custom_metadata_map, path)
        self._path = path
        self._check_signature()

    def _check_signature(self) -> None:
        """Check the graph's inputs and outputs against its metadata.

        Raises:
            WeightsError: a name, type or shape differs, or the batch size is fixed.
        """
        expected: dict[str, tuple[int, ...]] = {
            "video": (3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX),
            "audio": (1, LOG_MEL_FRAMES, LOG_MEL_BINS),
        }
        inputs = self._session.get_inputs()
        if [node.name for node in inputs] == list(RAW_INPUTS):
            raise WeightsError(
                f"{self._path}: was exported for other programs: its log-mel is inside, and hicmae has its own; use "
                "the weight that it was made of"
            )
        if [node.name for node in inputs] != list(expected):
            names = ", ".join(one_line(node.name) for node in inputs)
            raise WeightsError(f"{self._path}: expected the inputs video and audio, got {names or 'none'}")
        for node in inputs:
            self._check_node(node, expected[node.name])
        outputs = self._session.get_outputs()
        if [node.name for node in outputs] != ["logits"]:
            names = ", ".join(one_line(node.name) for node in outputs)
            raise WeightsError(f"{self._path}: expected the output logits, got {names or 'none'}")
        self._check_node(outputs[0], (len(self.info.labels),))

    def _check_node(self, node: Any, shape: tuple[int, ...]) -> None:
        batch, *rest = node.shape or (0,)
        if node.type != "tensor(float)" or isinstance(batch, int) or rest != list(shape):
            got = f"{node.type} ({', '.join(str(size or '?') for size in node.shape)})"
            raise WeightsError(
                f"{self._path}: expected {node.name} as tensor(float) (batch, {', '.join(map(str, shape))}), "
                f"got {one_line(got)}"
            )

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, C) of video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128).

        Raises:
            WeightsError: the run fails, or its output has another shape than the file says.
        """
        (logits,) = run_session(self._session, self._path, ["logits"], {"video": video, "audio": audio})
        shape = (len(video), len(self.info.labels))
        if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.shape != shape:
            got = getattr(logits, "shape", type(logits).__name__)
            raise WeightsError(f"{self._path}: expected logits of the shape {shape}, got {got}")
        return logits
