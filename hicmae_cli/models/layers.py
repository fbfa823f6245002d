"""Transformer layers of HiCMAE: attention, MLP, and the two kinds of block.

Letters: B batch, N tokens, M context tokens, D width, H heads.
Source: HiCMAE, section 3.1 (encoders) and 3.2 (fusion layers).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

from hicmae_cli.models.config import MLP_RATIO, NORM_EPS

_SHORT = 2**17  # pairs of tokens of a head: 800 x 128 are short, 800 x 800 are not


def layer_norm(width: int) -> nn.LayerNorm:
    """Build a LayerNorm over D with the epsilon of all norms of the model."""
    return nn.LayerNorm(width, eps=NORM_EPS)


def initialise(module: nn.Module) -> None:
    """Draw the weights of a linear or patch layer; for ``Module.apply``."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def mimic_trained_attention(attention: Attention) -> None:
    """Draw the weights of a self-attention so that it starts like a trained one (Trockman & Kolter 2023).

    Trained attention compares a token with tokens like it, and takes from them what the token has not: in each head,
    the product of query and key weights is noise plus a multiple of the identity, and over all heads, that of value and
    output weights is noise minus one. From such a start, a small set of pictures takes far fewer steps.

    Source: arXiv 2305.09828, whose multiples are used.

    Args:
        attention: not a cross-attention; its biases stay.
    """
    width = attention.projection.in_features
    inner = width // attention.heads
    weight = attention.query_key_value.weight
    queries, keys, values = weight.view(3, width, width)
    for head in range(attention.heads):
        left, right = _factorise(_draw_near_identity(width, 0.7, 0.7), inner)
        rows = slice(head * inner, (head + 1) * inner)
        queries[rows], keys[rows] = left.T, right
    output, value = _factorise(_draw_near_identity(width, 0.4, -0.4), width)
    values.copy_(value)
    attention.projection.weight.copy_(output)


def _draw_near_identity(width: int, noise: float, identity: float) -> Tensor:
    """Draw noise with rows of length ``noise``, and add a multiple of the identity -> (D, D)."""
    return noise / math.sqrt(width) * torch.randn(width, width) + identity * torch.eye(width)


def _factorise(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Find the best factors (D, R) and (R, D) of a matrix (D, D), of equal size."""
    left, scales, right = torch.linalg.svd(product)
    roots = scales[:rank].sqrt()
    return left[:, :rank] * roots, roots[:, None] * right[:rank]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply all B * N tokens at once: (B, N, D) -> (B, N, rows of ``weight``).

    Torch does the same by itself; an exported graph fuses product and bias only for two-dimensional inputs.
    """
    return F.linear(x.flatten(0, 1), weight, bias).view(*x.shape[:2], -1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of N queries (B, H, N, E) to M keys and values (B, H, M, E) -> (B, H, N, E).

    One of the two may have B = 1, and is used for every clip.

    On a CPU, two products over the whole batch are up to ten times as fast as the fused kernel for short sequences
    (with oneDNN, ``products.py``), because the kernel multiplies small tiles one by one. Long sequences use the kernel:
    their weights (B, H, N, M), kept for the gradient, would take much memory. An exported graph has no fused kernel.
    """
    short = query.shape[-2] * key.shape[-2] <= _SHORT
    if query.is_cpu and query.dtype in (torch.float32, torch.bfloat16) and (short or torch.compiler.is_exporting()):
        weights = ((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(dim=-1)
        return weights @ value  # type: ignore[no-any-return]
    if len(query) != len(key):  # fused kernels do not broadcast
        batch = max(len(query), len(key))
        query, key, value = (x.expand(batch, -1, -1, -1) for x in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value)


class Attention(nn.Module):
    """Multi-head attention with query and value biases but no key bias.

    A key bias would add the same number to every logit of a row, which does not change the softmax.
    """

    def __init__(self, width: int, heads: int, *, cross: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.cross = cross
        if cross:
            self.query = nn.Linear(width, width, bias=False)
            self.key_value = nn.Linear(width, 2 * width, bias=False)
        else:
            self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Attend from x (B, N, D) to itself, or to context (B, M, D) in a cross-attention -> (B, N, D).

        In a cross-attention, x or context may have B = 1.
        """
        if self.cross:
            if context is None:
                raise ValueError("a cross-attention needs a context, got None")
            query_weight, others = self.query.weight, self.key_value.weight
        else:
            context = x
            query_weight, others = (
                self.query_key_value.weight[: x.shape[-1]],
                self.query_key_value.weight[x.shape[-1] :],
            )
        # Three products, because one would need a split of its result and a bias with zeros for the keys. Slices
        # instead of chunks of the weights, because the exporter computes slices in advance.
        key_weight, value_weight = others[: len(others) // 2], others[len(others) // 2 :]
        query = linear(x, query_weight, self.query_bias)
        key, value = linear(context, key_weight, None), linear(context, value_weight, self.value_bias)
        query, key, value = (self._split_heads(t) for t in (query, key, value))
        mixed = attend(query, key, value)  # (B, H, N, D / H)
        return linear(mixed.transpose(1, 2).flatten(2), self.projection.weight, self.projection.bias)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, N, D) -> (B, H, N, D / H)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, MLP_RATIO * width)
        self.reduce = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        hidden = F.gelu(linear(x, self.expand.weight, self.expand.bias))
        return linear(hidden, self.reduce.weight, self.reduce.bias)


class Block(nn.Module):
    """Pre-norm block: self-attention, then MLP, each with a residual."""

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = layer_norm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = layer_norm(width)
        self.mlp = Mlp(width)
        self.drop_path = StochasticDepth(drop_path, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))  # type: ignore[no-any-return]


class CrossBlock(Block):
    """A block that first reads another stream: cross-attention, self-attention, MLP."""

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__(width, heads, drop_path)
        self.cross_norm = layer_norm(width)
        self.context_norm = layer_norm(width)
        self.cross_attention = Attention(width, heads, cross=True)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Stream x (B, N, D) reads context (B, M, D) -> (B, N, D)."""
        if context is None:
            raise ValueError("a cross block needs a context, got None")
        read = self.cross_attention(self.cross_norm(x), self.context_norm(context))
        return super().forward(x + self.drop_path(read))


def run_block(block: nn.Module, *inputs: Tensor, recompute: bool) -> Tensor:
    """Run a block; with ``recompute``, drop its inner values and compute them again for the gradients."""
    if recompute and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)  # type: ignore[no-any-return]
    return block(*inputs)  # type: ignore[no-any-return]
