"""The two modality encoders and the fusion encoder of HiCMAE.

Letters: B batch, N tokens, K kept tokens, D width, L layers.
Source: HiCMAE, section 3.1 and 3.2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hicmae_cli.models.config import AUDIO_TOKENS, PATCH_PX, TUBELET_FRAMES, VIDEO_TOKENS, ModelDims
from hicmae_cli.models.layers import Block, CrossBlock, layer_norm, run_block


def sine_cosine_table(num_tokens: int, width: int) -> Tensor:
    """Compute fixed positions over the flat token index (Vaswani et al. 2017, section 3.5) -> (1, N, D) float32.

    Even channels hold sines, odd ones cosines, of index / 10000^(2 * floor(channel / 2) / D).
    """
    index = torch.arange(num_tokens, dtype=torch.float64)[:, None]
    pair = torch.arange(width, dtype=torch.float64) // 2
    angle = index / torch.exp(2 * pair / width * math.log(10000))
    table = torch.where(torch.arange(width) % 2 == 0, angle.sin(), angle.cos())
    return table.float()[None]


def rising_rates(last: float, depth: int) -> list[float]:
    """Compute the stochastic depth of each layer: from 0 to ``last``, linear in depth."""
    return [last * layer / max(1, depth - 1) for layer in range(depth)]


class Encoder(nn.Module):
    """Patch embedding, fixed positions and L pre-norm blocks over one modality.

    ``patches`` is the convolution that cuts the input into tokens; use ``video_encoder`` and
    ``audio_encoder`` to build one.
    """

    positions: Tensor
    recompute = False  # gradient checkpointing

    def __init__(
        self, patches: nn.Conv2d | nn.Conv3d, num_tokens: int, dims: ModelDims, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.patches = patches
        self.register_buffer("positions", sine_cosine_table(num_tokens, dims.width), persistent=False)
        rates = rising_rates(drop_path, dims.depth)
        self.blocks = nn.ModuleList(Block(dims.width, dims.heads, rate) for rate in rates)
        self.norm = layer_norm(dims.width)

    def embed(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Embed input (B, C, ...) -> (B, N, D), or kept patches (B, K, P) at indices (B, K) -> (B, K, D)."""
        if keep is None:
            return self.patches(x).flatten(2).transpose(1, 2) + self.positions  # type: ignore[no-any-return]
        # The same convolution, for the kept patches only.
        return F.linear(x, self.patches.weight.flatten(1), self.patches.bias) + self.positions[0][keep]

    def forward(self, x: Tensor, keep: Tensor | None = None) -> list[Tensor]:
        """Encode the arguments of ``embed`` -> normed tokens of every layer, L tensors (B, N, D) or (B, K, D)."""
        tokens = self.embed(x, keep)
        outputs = []
        for block in self.blocks:
            tokens = run_block(block, tokens, recompute=self.recompute)
            outputs.append(self.norm(tokens))
        return outputs


def video_encoder(dims: ModelDims, drop_path: float = 0.0) -> Encoder:
    """Build the encoder of (B, 3, 16, 160, 160) clips: 800 tokens of 2 x 16 x 16 pixels."""
    size = (TUBELET_FRAMES, PATCH_PX, PATCH_PX)
    return Encoder(nn.Conv3d(3, dims.width, size, size), VIDEO_TOKENS, dims, drop_path)


def audio_encoder(dims: ModelDims, drop_path: float = 0.0) -> Encoder:
    """Build the encoder of (B, 1, 256, 128) log-mels: 128 tokens of 16 frames x 16 bins."""
    size = (PATCH_PX, PATCH_PX)
    return Encoder(nn.Conv2d(1, dims.width, size, size), AUDIO_TOKENS, dims, drop_path)


class FusionEncoder(nn.Module):
    """Layers in which each stream reads the other; the two streams share no parameters."""

    recompute = False  # gradient checkpointing

    def __init__(self, dims: ModelDims, drop_path: float = 0.0) -> None:
        super().__init__()
        rates = rising_rates(drop_path, dims.fusion_depth)

        def stream() -> nn.ModuleList:
            return nn.ModuleList(CrossBlock(dims.width, dims.heads, rate) for rate in rates)

        self.video_blocks, self.audio_blocks = stream(), stream()
        self.video_norm, self.audio_norm = layer_norm(dims.width), layer_norm(dims.width)

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Video (B, N, D) and audio (B, M, D) tokens -> the same shapes, fused and normed."""
        for video_block, audio_block in zip(self.video_blocks, self.audio_blocks, strict=True):
            # One assignment, because each stream reads the other as it was before this layer.
            video, audio = (
                run_block(video_block, video, audio, recompute=self.recompute),
                run_block(audio_block, audio, video, recompute=self.recompute),
            )
        return self.video_norm(video), self.audio_norm(audio)
