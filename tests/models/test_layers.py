"""Attention by hand against the library's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hicmae_cli.models.layers import attend


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return torch.autograd.grad((output * weights).sum(), inputs)


@pytest.mark.parametrize(("queries", "keys"), [(26, 26), (80, 26), (800, 80), (1, 128)])
def test_short_attention_equals_the_fused_kernel(queries: int, keys: int) -> None:
    generator = torch.Generator().manual_seed(queries)
    query, key, value = (
        torch.randn(2, 3, n, 16, generator=generator, requires_grad=True) for n in (queries, keys, keys)
    )
    ours, fused = attend(query, key, value), F.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(ours, fused, atol=1e-5, rtol=1e-5)
    for got, expected in zip(gradients(ours, query, key, value), gradients(fused, query, key, value), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_long_attention_keeps_no_weights_for_the_gradient() -> None:
    kept: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    query = torch.randn(1, 2, 800, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        attend(query, query, query)
    assert max(kept) <= query.numel()


def test_short_attention_in_bfloat16_is_as_exact_as_the_fused_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 100, 16, generator=generator) for _ in range(3))
    exact = F.scaled_dot_product_attention(query, key, value)
    low = query.bfloat16(), key.bfloat16(), value.bfloat16()
    ours, fused = attend(*low), F.scaled_dot_product_attention(*low)
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - exact).abs().mean() < 1.5 * (fused.float() - exact).abs().mean()
    half = query.half()
    assert torch.equal(attend(half, half, half), F.scaled_dot_product_attention(half, half, half))
