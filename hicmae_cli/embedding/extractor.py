"""Compute the embeddings of every layer of a model.

Letters: B batch, D width, L encoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture
from hicmae_cli.models.products import use_wide_products
from hicmae_cli.runtime.torch_engine import choose_device
from hicmae_cli.weights.checkpoint import load_classifier, load_pretrained
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import find_parameters, read_info

FUSED: Final = "fused"
"""The input of the classification head: both streams over all layers and both fused streams, normed (4D values)."""
EACH: Final = "each"
"""Stands for all layers."""


class Extractor:
    """A model that gives embeddings of clips.

    The layers are ``fused`` (4D values, what the classification head sees), ``video`` and ``audio`` (D values each: the
    stream's encoder layers, weighed as the head sees them), ``video_fusion`` and ``audio_fusion`` (D: after the fusion
    encoder), and ``video_1`` to ``video_L`` and ``audio_1`` to ``audio_L`` (D: the mean over the tokens of one encoder
    layer). A pre-trained weight has them too: it has learned no weights of the layers, so they count alike, and no
    norm, so ``fused`` has mean 0 and variance 1.

    Args:
        model: moved to the device.
        info: its metadata.
        device: ``auto``, ``cpu``, ``cuda`` …

    Raises:
        SettingsError: this machine has no such device.
    """

    def __init__(self, model: Classifier, info: WeightInfo, device: str = "auto") -> None:
        self.info = info
        self._device = choose_device(device)
        use_wide_products()
        self._model = model.to(self._device).eval()
        depth = model.dims.depth
        streams = ("video", "audio")
        self.layers: tuple[str, ...] = (
            FUSED,
            *streams,
            *(f"{stream}_fusion" for stream in streams),
            *(f"{stream}_{layer}" for stream in streams for layer in range(1, depth + 1)),
        )

    def choose_layers(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the layers of these names, ``each`` for all.

        Raises:
            SettingsError: none, or a layer that the model does not have.
        """
        if list(wanted) == [EACH]:
            return self.layers
        unknown = [name for name in wanted if name not in self.layers]
        if unknown or not wanted:
            got = ",".join(wanted)
            raise SettingsError(f"layers={got!r}: expected {EACH}, or some of {', '.join(self.layers)}")
        return tuple(dict.fromkeys(wanted))

    def embed(self, clips: Sequence[Clip], layers: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Embed clips -> each layer's embeddings (B, W). A missing stream counts as zeros, as in prediction.

        Raises:
            WeightsError: an embedding is not finite.
        """
        video, audio = stack_clips(clips)
        withheld = {"av": "", "video": "audio", "audio": "video"}[self.info.modality]
        has_video = withheld != "video" and any(clip.video is not None for clip in clips)
        has_audio = withheld != "audio" and any(clip.audio is not None for clip in clips)
        # A clip without any stream that the model knows runs on silence.
        return self.embed_arrays(
            video if has_video or withheld == "audio" else None, audio if has_audio or not has_video else None, layers
        )

    @torch.inference_mode()
    def embed_arrays(
        self, video: NDArray[np.float32] | None, audio: NDArray[np.float32] | None, layers: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Embed video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128); one of them may be None. See ``embed``."""
        inputs = (None if array is None else torch.from_numpy(array).to(self._device) for array in (video, audio))
        found = self._model.embeddings(*inputs)
        wanted = {name: found[name].float().cpu().numpy() for name in layers}
        if not all(np.isfinite(values).all() for values in wanted.values()):
            raise WeightsError("the model's embeddings are not finite: its weights are damaged")
        return wanted


def open_extractor(weights: str, device: str = "auto") -> Extractor:
    """Load a weight for embeddings: fine-tuned or pre-trained.

    Args:
        weights: a name of the catalogue, a ``.safetensors`` file, or the folder of a training run.
        device: ``auto``, ``cpu``, ``cuda`` …

    Raises:
        WeightsError: no such weight, not loadable, or without a ``.safetensors`` file.
        SettingsError: this machine has no such device.
    """
    path = find_parameters(weights, "embed with")
    if read_info(str(path)).pretraining is None:
        return Extractor(*load_classifier(path), device)
    return Extractor(*_load_pretrained_encoders(path), device)


def _load_pretrained_encoders(path: Path) -> tuple[Classifier, WeightInfo]:
    """Read the encoders of a pre-trained weight into a classifier whose head and layer weights are fresh."""
    pretrained, info = load_pretrained(path)
    model = build_classifier(Architecture(info.model_dims, outputs=1))
    for name in ("video_encoder", "audio_encoder", "fusion_encoder"):
        setattr(model, name, getattr(pretrained, name))
    return model, info
