"""The losses of pre-training."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hicmae_cli.models.objectives import (
    assign_equally,
    contrastive_logits,
    contrastive_loss,
    cycle_loss,
    draw_prototypes,
    embed_layers,
    reconstruction_loss,
    swapped_prediction_loss,
)


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


def test_a_cycle_by_hand() -> None:
    """Two faces and two voices at right angles, in the other order: every face comes back, which is a cycle."""
    video, audio = torch.eye(2)[None], torch.eye(2).flip(0)[None]
    near, far = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))
    length = math.hypot(near, far)
    # The soft neighbour is (near, far) in the plane of the other stream; it is compared with both starts.
    loss = math.log(1 + math.exp(2 * (far - near) / length))
    assert cycle_loss(video, audio, 0.5).item() == pytest.approx(loss, rel=1e-5)
    assert cycle_loss(video.expand(3, -1, -1), audio.expand(3, -1, -1), 0.5).item() == pytest.approx(3 * loss, rel=1e-5)
    alike = torch.ones(1, 4, 3)
    assert cycle_loss(alike, alike).item() == pytest.approx(math.log(4), rel=1e-5)


def test_clusters_get_equal_shares() -> None:
    scores = 5 * torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(0))
    shares = assign_equally(scores, rounds=50)
    torch.testing.assert_close(shares.sum(dim=2), torch.ones(2, 12))
    torch.testing.assert_close(shares.sum(dim=1), torch.full((2, 4), 3.0), atol=0.05, rtol=0)
    by_hand = assign_equally(torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]]]), rounds=1)
    # Columns (1, 1) and (1, 3) become (1/2, 1/2) and (1/4, 3/4), then rows sum to 1.
    torch.testing.assert_close(by_hand[0], torch.tensor([[2 / 3, 1 / 3], [0.4, 0.6]]))


def test_swapped_prediction_by_hand() -> None:
    prototypes = torch.eye(2)
    video = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    # Both streams agree: clear targets of the one are the clear guesses of the other.
    assert swapped_prediction_loss(video, video, prototypes, 0.05).item() == pytest.approx(0, abs=1e-4)
    swapped = swapped_prediction_loss(video, video.flip(1), prototypes, 0.5, sharpness=0.01)
    assert swapped.item() == pytest.approx(2 + math.log(1 + math.exp(-2)), rel=1e-4)
    drawn = draw_prototypes(8, 16)
    torch.testing.assert_close(drawn.norm(dim=1), torch.ones(8))
    assert torch.equal(drawn, draw_prototypes(8, 16))


@pytest.mark.parametrize("loss", [cycle_loss, lambda v, a: swapped_prediction_loss(v, a, draw_prototypes(4, 6))])
def test_gradients_reach_both_streams(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    video, audio = (torch.randn(2, 5, 6, requires_grad=True) for _ in range(2))
    loss(video, audio).backward()  # type: ignore[no-untyped-call]
    for stream in (video, audio):
        assert stream.grad is not None
        assert stream.grad.abs().sum() > 0
