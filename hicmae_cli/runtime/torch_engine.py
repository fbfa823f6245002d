"""The torch engine, with the same call as the ONNX Runtime engine."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.weights.info import WeightInfo


def choose_device(device: str = "auto") -> torch.device:
    """Choose a device: ``auto`` takes CUDA, then MPS, then the CPU; any other device must exist.

    Raises:
        SettingsError: this machine has no such device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise SettingsError(f"device={device!r}: torch cannot use it here; try auto or cpu") from error
    return chosen


class TorchEngine:
    """Runs a classifier in evaluation mode.

    Args:
        model: moved to the device.
        info: its metadata.
        device: see `choose_device`.
        threads: CPU threads of the whole process; 0 leaves them as they are.

    Raises:
        SettingsError: this machine has no such device.
    """

    name = "torch"

    def __init__(self, model: Classifier, info: WeightInfo, device: str = "auto", threads: int = 0) -> None:
        self.info = info
        self._device = choose_device(device)
        use_wide_products()
        if threads:
            torch.set_num_threads(threads)
        self.device = str(self._device)
        self._model = model.to(self._device)

    @torch.inference_mode()
    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C)."""
        self._model.eval()
        inputs = (torch.from_numpy(x).to(self._device) for x in (video, audio))
        return np.asarray(self._model(*inputs).float().cpu().numpy(), np.float32)
