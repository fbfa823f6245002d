"""The losses of pre-training."""

from __future__ import annotations

import math

import pytest
import torch

from hicmae_cli.models.objectives import contrastive_logits, contrastive_loss, embed_layers, reconstruction_loss


def test_equal_streams_match() -> None:
    tokens = [torch.eye(4)[:, None].repeat(1, 3, 1)] * 2
    logits = contrastive_logits(embed_layers(tokens), embed_layers(tokens))
    torch.testing.assert_close(logits, torch.eye(4).expand(2, -1, -1) / 0.07)
    assert contrastive_loss(logits).item() < 1e-5


def test_segments_are_averaged_separately() -> None:
    tokens = torch.randn(3, 32, 5)
    whole = embed_layers([tokens, 2 * tokens], segments=4)
    assert whole.shape == (2, 3, 20)
    torch.testing.assert_close(whole[0], tokens.view(3, 4, 8, 5).mean(dim=2).flatten(1))
    torch.testing.assert_close(whole[1], 2 * whole[0])
    # The order of the visible tokens does not matter.
    order = torch.stack([torch.randperm(32) for _ in range(3)])
    mixed = tokens.gather(1, order[..., None].expand(-1, -1, 5))
    torch.testing.assert_close(embed_layers([mixed], 4, order, 32)[0], whole[0])
    torch.testing.assert_close(embed_layers([mixed], 1, order, 32)[0], tokens.mean(dim=1))


def test_a_hidden_segment_gets_the_mean_of_all_tokens() -> None:
    tokens, visible = torch.randn(1, 3, 5), torch.tensor([[1, 6, 7]])
    early, late = embed_layers([tokens], 4, visible, 8).view(4, 5)[[0, 3]]
    torch.testing.assert_close(early, tokens[0, 0])
    torch.testing.assert_close(late, tokens[0, 1:].mean(dim=0))
    between = embed_layers([tokens], 4, visible, 8).view(4, 5)[1:3]
    torch.testing.assert_close(between, tokens.mean(dim=1).expand(2, -1))


def test_centring_removes_the_common_part_of_all_clips() -> None:
    own = torch.randn(2, 8, 16)
    apart = contrastive_logits(own, own, centred=True)
    torch.testing.assert_close(contrastive_logits(own + 50, own - 70, centred=True), apart, atol=1e-2, rtol=0)
    assert contrastive_loss(contrastive_logits(own + 50, own + 50)) > 2 * contrastive_loss(apart)


def test_uninformative_streams_cost_log_b_per_layer() -> None:
    logits = torch.zeros(3, 8, 8)
    assert contrastive_loss(logits).item() == pytest.approx(3 * math.log(8), rel=1e-6)


def test_loss_by_hand() -> None:
    logits = torch.tensor([[[2.0, 0.0], [1.0, 3.0]]])
    rows = [-2 + math.log(math.exp(2) + 1), -3 + math.log(math.exp(1) + math.exp(3))]
    columns = [-2 + math.log(math.exp(2) + math.exp(1)), -3 + math.log(1 + math.exp(3))]
    assert contrastive_loss(logits).item() == pytest.approx((sum(rows) + sum(columns)) / 4, rel=1e-6)


def test_reconstruction_is_the_mean_squared_error() -> None:
    predicted, target = torch.randn(3, 50, 7, requires_grad=True), torch.randn(3, 50, 7)
    ours, plain = reconstruction_loss(predicted, target), torch.nn.functional.mse_loss(predicted, target)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(*(torch.autograd.grad(loss, predicted, retain_graph=True)[0] for loss in (ours, plain)))
    (gradient,) = torch.autograd.grad(reconstruction_loss(predicted, predicted.detach()), predicted)
    assert not gradient.any()
