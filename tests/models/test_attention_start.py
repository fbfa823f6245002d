"""Attention that starts like a trained one."""

from __future__ import annotations

import torch

from hicmae_cli.models.layers import Attention, mimic_trained_attention


def test_queries_find_keys_like_them_and_the_answer_is_turned_away() -> None:
    torch.manual_seed(0)
    attention = Attention(128, 2)
    before = attention.query_bias.clone()
    mimic_trained_attention(attention)
    queries, keys, values = attention.query_key_value.weight.detach().view(3, 128, 128)
    for head in (slice(0, 64), slice(64, 128)):
        product = queries[head].T @ keys[head]
        off = product - product.diagonal().diag()
        assert 0.4 < product.diagonal().mean() < 0.9
        assert off.mean().abs() < 0.01 and 0.02 < off.std() < 0.08
    moved = attention.projection.weight.detach() @ values
    assert abs(moved.diagonal().mean() + 0.4) < 0.02
    assert abs((moved + 0.4 * torch.eye(128)).norm(dim=1).mean() - 0.4) < 0.04
    assert torch.equal(attention.query_bias, before)


def test_heads_differ_and_the_seed_decides() -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        attention = Attention(32, 2)
        mimic_trained_attention(attention)
        found.append(attention.query_key_value.weight.detach())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][:16], found[0][16:32])
