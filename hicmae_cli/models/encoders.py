"""The two modality encoders and the fusion encoder of HiCMAE.

Letters: B batch, N tokens, K kept tokens, D width, L layers.
Source: HiCMAE, section 3.1 and 3.2.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hicmae_cli.models.config import AUDIO_TOKENS, PATCH_PX, TUBELET_FRAMES, VIDEO_GRID, VIDEO_TOKENS, ModelDims
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


class Encoded(NamedTuple):
    """One stream as the classifier uses it. B is 1 for a withheld stream, which is the same for every clip.

    Attributes:
        means: mean over the tokens of every layer (B, L, D).
        tokens: the last layer's tokens (B, N, D).
    """

    means: Tensor
    tokens: Tensor

    @classmethod
    def summarise(cls, outputs: list[Tensor]) -> Encoded:
        """Summarise an encoder's output, L tensors (B, N, D)."""
        return cls(torch.stack([tokens.mean(dim=1) for tokens in outputs], dim=1), outputs[-1])


class _Cached(NamedTuple):
    """An answer to zeros, with the parameters that gave it.

    ``parameters`` share the memory of the encoder's: as long as they are here, no other tensor gets their address.
    """

    parameters: list[Tensor]
    versions: list[int]
    encoded: Encoded


class Encoder(nn.Module):
    """Patch embedding, fixed positions and L pre-norm blocks over one modality.

    ``patches`` is the convolution that cuts the input into tokens; use ``video_encoder`` and
    ``audio_encoder`` to build one. ``read`` are the indices of the tokens to read when none are given; None for all.
    """

    positions: Tensor
    read: Tensor | None
    recompute = False  # gradient checkpointing

    def __init__(
        self, patches: nn.Conv2d | nn.Conv3d, num_tokens: int, dims: ModelDims, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.patches = patches
        self.register_buffer("positions", sine_cosine_table(num_tokens, dims.width), persistent=False)
        self.register_buffer("read", None, persistent=False)
        rates = rising_rates(drop_path, dims.depth)
        self.blocks = nn.ModuleList(Block(dims.width, dims.heads, rate) for rate in rates)
        self.norm = layer_norm(dims.width)
        self._zeros: _Cached | None = None

    def embed(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Embed input (B, C, ...) -> (B, N, D), or kept patches (B, K, P) at indices (B, K) -> (B, K, D).

        Without indices, N counts the tokens to read.
        """
        if keep is None:
            return self._pick(self.patches(x).flatten(2).transpose(1, 2) + self.positions)
        # The same convolution, for the kept patches only.
        return F.linear(x, self.patches.weight.flatten(1), self.patches.bias) + self.positions[0][keep]

    def forward(self, x: Tensor, keep: Tensor | None = None) -> list[Tensor]:
        """Encode the arguments of ``embed`` -> normed tokens of every layer, L tensors (B, N, D) or (B, K, D)."""
        return self._run_blocks(self.embed(x, keep))

    def encode_zeros(self) -> Encoded:
        """Encode one clip of zeros, which stands for a withheld stream: means (1, L, D) and tokens (1, N, D).

        The answer depends on the parameters alone. It is computed once, in full precision and without stochastic
        depth, and again after a parameter has changed. Only while the encoder itself is trained, every call computes
        it, with gradients.
        """
        if torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.parameters()):
            return Encoded.summarise(self._run_blocks(self._embed_zeros()))
        if self._zeros is None or not self._is_current(self._zeros):
            training = self.training
            self.eval()
            # Not in inference mode: a later training step may use the answer.
            with (
                torch.inference_mode(False),
                torch.no_grad(),
                torch.autocast(self.positions.device.type, enabled=False),
            ):
                encoded = Encoded.summarise(self._run_blocks(self._embed_zeros()))
                parameters = [parameter.detach() for parameter in self.parameters()]
            self.train(training)
            self._zeros = _Cached(parameters, [parameter._version for parameter in parameters], encoded)
        return self._zeros.encoded

    def _is_current(self, cached: _Cached) -> bool:
        """Whether no parameter was changed or replaced since an answer was computed."""
        return all(
            (now.device, now.data_ptr(), now._version) == (then.device, then.data_ptr(), version)
            for now, then, version in zip(self.parameters(), cached.parameters, cached.versions, strict=True)
        )

    def _embed_zeros(self) -> Tensor:
        """Embed zeros -> (1, N, D): the convolution leaves its bias."""
        assert self.patches.bias is not None
        return self._pick(self.patches.bias + self.positions)

    def _pick(self, tokens: Tensor) -> Tensor:
        return tokens if self.read is None else tokens[:, self.read]

    def _run_blocks(self, tokens: Tensor) -> list[Tensor]:
        outputs = []
        for block in self.blocks:
            tokens = run_block(block, tokens, recompute=self.recompute)
            outputs.append(self.norm(tokens))
        return outputs


def video_encoder(dims: ModelDims, drop_path: float = 0.0, read: int = VIDEO_TOKENS) -> Encoder:
    """Build the encoder of (B, 3, 16, 160, 160) clips: 800 tokens of 2 x 16 x 16 pixels.

    Args:
        dims: its sizes.
        drop_path: stochastic depth of the last layer.
        read: how many of the tokens to read, each place of the face equally often and at other times than its
            neighbours. The time of attention grows with the square of their number.
    """
    size = (TUBELET_FRAMES, PATCH_PX, PATCH_PX)
    encoder = Encoder(nn.Conv3d(3, dims.width, size, size), VIDEO_TOKENS, dims, drop_path)
    if read < VIDEO_TOKENS:
        encoder.read = torch.tensor(
            [
                index
                for index, (time, row, column) in enumerate(product(*map(range, VIDEO_GRID)))
                if (time + 3 * row + column) % (VIDEO_TOKENS // read) == 0
            ]
        )
    return encoder


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
