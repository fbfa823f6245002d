"""Masks hide the right number of tokens, and every token is either visible or hidden."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from hicmae_cli.models.masking import (
    Mask,
    count_masked,
    cut_patches,
    draw_dual_masks,
    draw_mask,
    draw_masks,
    keep_patches,
    spread_tokens,
)

VIDEO, AUDIO = (8, 10, 10), (16, 8)
GRIDS = st.sampled_from([VIDEO, AUDIO, (4, 3, 5), (2, 7)])
KINDS = ("random", "tube", "frame", "block")


def unpack_hidden(mask: Mask, grid: tuple[int, ...]) -> torch.Tensor:
    """(B, times, places) True where hidden; checks that the two lists partition the tokens."""
    visible, masked = mask
    number = torch.Size(grid).numel()
    both = torch.cat(mask, dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(number).expand(len(both), -1))
    assert (visible.diff(dim=1) > 0).all()
    assert (masked.diff(dim=1) > 0).all()
    hidden = torch.zeros(len(masked), number, dtype=torch.bool).scatter_(1, masked, value=True)
    return hidden.view(len(masked), grid[0], -1)


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(KINDS), grid=GRIDS, ratio=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
@example(kind="block", grid=VIDEO, ratio=0.78125, seed=95916)  # two places at the same distance
def test_masks_partition_the_tokens(kind: str, grid: tuple[int, ...], ratio: float, seed: int) -> None:
    times, places = grid[0], torch.Size(grid[1:]).numel()
    units = {"random": times * places, "tube": places, "block": places, "frame": times}[kind]
    expected = int(ratio * units)
    assume(0 < expected < units)
    assert count_masked(kind, grid, ratio) == expected * times * places // units
    hidden = unpack_hidden(draw_mask(kind, 3, grid, ratio, torch.Generator().manual_seed(seed)), grid)
    assert (hidden.sum(dim=(1, 2)) == expected * times * places // units).all()
    if kind in ("tube", "block"):
        assert (hidden == hidden[:, :1]).all()
    if kind == "frame":
        assert (hidden == hidden[:, :, :1]).all()


def test_counts_match_the_paper() -> None:
    assert count_masked("tube", VIDEO, 0.9) == 720  # 10 of 100 places are visible at all 8 times
    assert count_masked("random", AUDIO, 0.8) == 102


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), ratio=st.floats(0.5, 0.95))
def test_dual_masks_show_different_times(seed: int, ratio: float) -> None:
    masks = draw_dual_masks(4, (VIDEO, AUDIO), (ratio, ratio), torch.Generator().manual_seed(seed))
    video, audio = unpack_hidden(masks[0], VIDEO), unpack_hidden(masks[1], AUDIO)
    assert (video.sum(dim=(1, 2)) == int(ratio * 800)).all()
    assert (audio.sum(dim=(1, 2)) == int(ratio * 128)).all()
    video_shown = (~video).any(dim=2).repeat_interleave(2, dim=1)  # (B, 16): a video slot is two audio columns
    assert not (video_shown & (~audio).any(dim=2)).any()


def test_a_block_is_compact() -> None:
    hidden = unpack_hidden(draw_mask("block", 1, VIDEO, 0.3, torch.Generator().manual_seed(1)), VIDEO)[0, 0].view(
        10, 10
    )
    rows, columns = hidden.any(dim=1).sum(), hidden.any(dim=0).sum()
    assert rows * columns <= 1.6 * hidden.sum()


def test_the_same_seed_draws_the_same_mask() -> None:
    first, again, other = (
        draw_mask("random", 2, AUDIO, 0.8, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


@pytest.mark.parametrize(
    ("kind", "ratio"), [("tube", 0.0), ("tube", 0.009), ("random", 1.0), ("frame", 0.1), ("circle", 0.5)]
)
def test_ratios_that_leave_nothing_are_refused(kind: str, ratio: float) -> None:
    with pytest.raises(ValueError, match="mask"):
        draw_mask(kind, 1, VIDEO, ratio)


def test_a_dual_mask_cannot_hide_less_than_half() -> None:
    with pytest.raises(ValueError, match="dual"):
        draw_dual_masks(1, (VIDEO, AUDIO), (0.4, 0.8))


def test_spread_tokens_come_from_every_place_once_before_any_twice() -> None:
    keep = spread_tokens(3, VIDEO, 150, generator=torch.Generator().manual_seed(0))
    places = (keep % 100).sort(dim=1).values
    counts = torch.stack([row.bincount(minlength=100) for row in places])
    assert (counts.sum(dim=1) == 150).all()
    assert counts.min() == 1
    assert counts.max() == 2


def test_spread_tokens_follow_from_their_generator_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = spread_tokens(3, VIDEO, 150, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert torch.equal(spread_tokens(3, VIDEO, 150, generator=torch.Generator().manual_seed(0)), one)
    assert not torch.equal(spread_tokens(3, VIDEO, 150, generator=torch.Generator().manual_seed(1)), one)


def test_masks_of_both_streams() -> None:
    masks = draw_masks(("tube", "random"), (0.9, 0.8), seed=0, batch=3)
    assert [mask[1].shape for mask in masks] == [(3, 720), (3, 102)]
    assert [mask[1].shape for mask in draw_masks(("dual", "dual"), (0.9, 0.8), seed=0)] == [(1, 720), (1, 102)]
    with pytest.raises(ValueError, match="for both streams or for neither"):
        draw_masks(("dual", "random"), (0.9, 0.8), seed=0)


def test_sizes_that_patches_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(16, 150, 160\) cannot be cut into patches of \(2, 16, 16\)"):
        cut_patches(torch.zeros(1, 3, 16, 150, 160), (2, 16, 16))


def test_patches_are_kept_clip_by_clip() -> None:
    patches = torch.arange(2 * 5 * 3).view(2, 5, 3)
    keep = torch.tensor([[4, 0], [1, 1]])
    expected = torch.stack([patches[clip][keep[clip]] for clip in range(2)])
    assert torch.equal(keep_patches(patches, keep), expected)
    assert torch.equal(keep_patches(patches[:1], keep[:1]), expected[:1])
