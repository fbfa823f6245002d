"""Looking at some of the tokens only: cutting inputs into patches, and choosing among them.

Letters: B batch, C channels, N tokens, K kept tokens, P values of a patch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cut_patches(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Cut (B, C, ...) into patches -> (B, N, P), P = C * patch in the order of a convolution's kernel."""
    grid = [n // s for n, s in zip(x.shape[2:], size, strict=True)]
    split = x.reshape(*x.shape[:2], *(n for pair in zip(grid, size, strict=True) for n in pair))
    places, insides = range(2, split.ndim, 2), range(3, split.ndim, 2)
    return split.permute(0, *places, 1, *insides).reshape(len(x), math.prod(grid), -1)


def keep_patches(patches: Tensor, keep: Tensor) -> Tensor:
    """Pick patches (B, N, P) by index (B, K) -> (B, K, P)."""
    return patches.gather(1, keep[..., None].expand(-1, -1, patches.shape[-1]))


def spread_tokens(batch: int, grid: tuple[int, ...], count: int, device: torch.device) -> Tensor:
    """Draw K = ``count`` tokens of a grid (time, places...) -> flat indices (B, K).

    Times are random, but no place is seen twice before every place was seen once: a face without its mouth says
    little, and what a face shows lasts.
    """
    times, places = grid[0], math.prod(grid[1:])
    turn = torch.rand(batch, times, places, device=device).argsort(dim=1)  # in which round a token is seen
    order = turn + torch.rand(batch, times, places, device=device)
    return order.flatten(1).argsort(dim=1)[:, :count]
