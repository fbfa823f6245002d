"""The torch engine, with the same call as the ONNX Runtime engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hicmae_cli.errors import SettingsError
from hicmae_cli.modalities import Modality
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
    providers: tuple[str, ...] = ()

    def __init__(self, model: Classifier, info: WeightInfo, device: str = "auto", threads: int = 0) -> None:
        self.info = info
        self._device = choose_device(device)
        use_wide_products()
        if threads:
            torch.set_num_threads(threads)
        self.device = str(self._device)
        self.model = model.to(self._device)

    @torch.inference_mode()
    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C).

        A stream of a clip that is all zeros is missing, and costs nothing. Neither does the stream that the weight was
        trained without, whatever it contains.
        """
        return self._run_by_streams(self.model, self.model.head.out_features, video, audio)

    @torch.inference_mode()
    def features(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed clips, as ``logits`` -> (B, 4D), the input of the head."""
        return self._run_by_streams(
            lambda *streams: self.model.embeddings(*streams)["fused"], self.model.head.in_features, video, audio
        )

    def _run_by_streams(
        self, run: Callable[..., Tensor], width: int, video: NDArray[np.float32], audio: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Run the model, or a part of it, on the clips of each combination of streams -> (B, width)."""
        self.model.eval()
        has_video, has_audio = _find_streams(video, audio, self.info.modality)
        rows = np.empty((len(video), width), np.float32)
        for with_video, with_audio in ((True, True), (True, False), (False, True)):
            picked = np.flatnonzero((has_video == with_video) & (has_audio == with_audio))
            if len(picked):
                streams = (video if with_video else None, audio if with_audio else None)
                picks = (None if x is None else torch.from_numpy(_pick(x, picked)).to(self._device) for x in streams)
                rows[picked] = run(*picks).float().cpu().numpy()
        return rows


def _find_streams(
    video: NDArray[np.float32], audio: NDArray[np.float32], modality: Modality
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the streams of each clip that the model must run on, (B,) each; a clip without any runs on silence."""
    if modality != "av":
        has_video, has_audio = (np.full(len(video), modality == name) for name in ("video", "audio"))
        return has_video, has_audio
    has_video, has_audio = (np.asarray(x.reshape(len(x), -1).any(axis=1)) for x in (video, audio))
    return has_video, has_audio | ~has_video


def _pick(x: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return x if len(rows) == len(x) else x[rows]
