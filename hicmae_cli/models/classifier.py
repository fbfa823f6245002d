"""The fine-tuned model: hierarchical feature fusion over two encoders (HiCMAE, section 3.5).

Letters: B batch, N tokens, D width, L encoder layers, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hicmae_cli.models.config import ModelDims
from hicmae_cli.models.encoders import FusionEncoder, audio_encoder, video_encoder
from hicmae_cli.models.layers import initialise, layer_norm


def pool_layers(outputs: list[Tensor], weights: Tensor) -> Tensor:
    """Mean over tokens, then a softmax-weighted sum over layers: L x (B, N, D), (L,) -> (B, D)."""
    means = torch.stack([tokens.mean(dim=1) for tokens in outputs], dim=1)  # (B, L, D)
    return torch.einsum("bld,l->bd", means, weights.softmax(0))


_LAST_ONLY = 1000.0  # as a layer weight: the softmax of the others is 0, not just small


@torch.no_grad()
def use_last_layer(model: Classifier) -> None:
    """Switch the fusion over layers off: only the last one is seen, and the layer weights learn no more."""
    for weights in (model.video_layer_weights, model.audio_layer_weights):
        weights.zero_()
        weights[-1] = _LAST_ONLY
        weights.requires_grad_(False)


def sees_last_layer_only(layer_weights: Tensor) -> bool:
    """Whether layer weights (L,) are those of ``use_last_layer``, from which no gradient leads back."""
    return bool(layer_weights[-1] == _LAST_ONLY)


class Classifier(nn.Module):
    """Video and log-mel in, class logits (or regression values) out.

    Args:
        dims: sizes of the encoders.
        num_outputs: C, classes or regression targets.
        drop_path: stochastic depth of the last layer, rising linearly from 0.
    """

    def __init__(self, dims: ModelDims, num_outputs: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.dims = dims
        self.video_encoder = video_encoder(dims, drop_path)
        self.audio_encoder = audio_encoder(dims, drop_path)
        self.fusion_encoder = FusionEncoder(dims, drop_path)
        self.video_layer_weights = nn.Parameter(torch.full((dims.depth,), 1 / dims.depth))
        self.audio_layer_weights = nn.Parameter(torch.full((dims.depth,), 1 / dims.depth))
        self.feature_norm = layer_norm(4 * dims.width)
        self.head = nn.Linear(4 * dims.width, num_outputs)
        self.apply(initialise)

    def features(
        self, video: Tensor, audio: Tensor, keep_video: Tensor | None = None, keep_audio: Tensor | None = None
    ) -> Tensor:
        """What the head sees: (B, 3, 16, 160, 160) and (B, 1, 256, 128) -> (B, 4D), normed.

        With ``keep_video`` (B, K), the indices of the tokens to look at, ``video`` holds their patches (B, K, P)
        instead, and so for audio; training uses it to spend less time on each clip.
        """
        video_outputs = self.video_encoder(video, keep_video)
        audio_outputs = self.audio_encoder(audio, keep_audio)
        fused_video, fused_audio = self.fusion_encoder(video_outputs[-1], audio_outputs[-1])
        parts = (
            pool_layers(video_outputs, self.video_layer_weights),
            pool_layers(audio_outputs, self.audio_layer_weights),
            fused_video.mean(dim=1),
            fused_audio.mean(dim=1),
        )
        return self.feature_norm(torch.cat(parts, dim=-1))  # type: ignore[no-any-return]

    def forward(
        self, video: Tensor, audio: Tensor, keep_video: Tensor | None = None, keep_audio: Tensor | None = None
    ) -> Tensor:
        """(B, 3, 16, 160, 160) and (B, 1, 256, 128) -> logits (B, C)."""
        return self.head(self.features(video, audio, keep_video, keep_audio))  # type: ignore[no-any-return]
