"""Choose tokens: the masks of pre-training, and the tokens that a training step keeps.

Letters: B batch, C channels, N tokens, K kept (visible) and M masked tokens, P values of a patch. A mask is a pair of
index tensors, visible (B, K) and masked (B, M), each in rising order; together they hold all N tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hicmae_cli.models.config import AUDIO_GRID, VIDEO_GRID, VIDEO_PATCH

Mask = tuple[Tensor, Tensor]


def cut_patches(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Cut (B, C, ...) into patches -> (B, N, P), P = C * patch in the order of a convolution's kernel.

    Raises:
        ValueError: the size of the patches does not divide that of the input.
    """
    if any(n % s for n, s in zip(x.shape[2:], size, strict=True)):
        raise ValueError(f"{tuple(x.shape[2:])} cannot be cut into patches of {size}")
    grid = [n // s for n, s in zip(x.shape[2:], size, strict=True)]
    split = x.reshape(*x.shape[:2], *(n for pair in zip(grid, size, strict=True) for n in pair))
    places, insides = range(2, split.ndim, 2), range(3, split.ndim, 2)
    return split.permute(0, *places, 1, *insides).reshape(len(x), math.prod(grid), -1)


def cut_faces(faces: Tensor) -> Tensor:
    """Cut frames (B, 16, 160, 160, 3) into the model's video patches (B, N, P) of the same type."""
    return cut_patches(faces.permute(0, 4, 1, 2, 3), VIDEO_PATCH)


def cut_kept_faces(faces: Tensor, keep: Tensor) -> Tensor:
    """Cut only the video patches of index (B, K) out of frames (B, 16, 160, 160, 3) -> (B, K, P), of the same type."""
    frames, side, channels = VIDEO_PATCH[0], VIDEO_PATCH[1], faces.shape[-1]
    _, height, width = VIDEO_GRID
    time, row, column = keep // (height * width), keep // width % height, keep % width

    def count(size: int) -> Tensor:
        return torch.arange(size, device=keep.device)

    clip = count(len(faces))[:, None, None, None]
    frame = clip * faces.shape[1] + (time[..., None] * frames + count(frames))[..., None]
    line = frame * faces.shape[2] + (row[..., None] * side + count(side))[:, :, None]  # (B, K, frames, side)
    # A patch has runs of pixels in the lines of its frames; copying whole runs is fast, as in ``keep_patches``.
    runs = faces.reshape(-1, side * channels).index_select(0, (line * width + column[..., None, None]).flatten())
    return runs.view(*keep.shape, frames * side * side, channels).transpose(2, 3).flatten(2)


def keep_patches(patches: Tensor, keep: Tensor) -> Tensor:
    """Pick patches (B, N, P) by index (B, K) -> (B, K, P)."""
    # Copying whole rows is thirty times as fast on a CPU as gathering single values.
    firsts = torch.arange(len(patches), device=keep.device)[:, None] * patches.shape[1]
    return patches.flatten(0, 1).index_select(0, (firsts + keep).flatten()).view(*keep.shape, -1)


def count_kept(grid: tuple[int, ...], dropped: float) -> int:
    """Count the tokens of a grid that are kept when a share of them is dropped."""
    return math.ceil(math.prod(grid) * (1 - dropped))


def spread_tokens(batch: int, grid: tuple[int, ...], count: int, *, generator: torch.Generator) -> Tensor:
    """Draw some tokens of a grid (time, places...), spread over the places.

    Times are random, but no place is drawn twice before every place is drawn once: a face without its mouth says
    little, and an expression lasts longer than a frame.

    Args:
        batch: B.
        grid: of the tokens.
        count: K, tokens to draw for each clip.
        generator: source of the random numbers; the indices are on its device.

    Returns:
        Flat indices (B, K).
    """
    times, places = grid[0], math.prod(grid[1:])

    def draw() -> Tensor:
        return torch.rand(batch, times, places, device=generator.device, generator=generator)

    # The round in which a token comes, and a random order within each round.
    order = draw().argsort(dim=1) + draw()
    return order.flatten(1).argsort(dim=1)[:, :count]


def count_masked(kind: str, grid: tuple[int, ...], ratio: float) -> int:
    """Count the tokens of a grid (time, places...) that a mask hides: a whole number of tokens, places or times.

    Raises:
        ValueError: an unknown kind, a ratio that hides nothing or everything, or a dual mask that hides less than half
            of the clip.
    """
    times, places = grid[0], math.prod(grid[1:])
    units = {"random": times * places, "dual": times * places, "tube": places, "block": places, "frame": times}
    if kind not in units:
        raise ValueError(f"mask {kind!r}: expected one of {', '.join(units)}")
    if not 0 <= ratio <= 1:
        raise ValueError(f"mask {kind!r}: expected a ratio of 0 to 1, got {ratio}")
    if kind == "dual" and ratio < 0.5:
        raise ValueError(f"mask 'dual' with ratio {ratio}: expected at least 0.5, each stream is hidden in one half")
    hidden = int(ratio * units[kind])  # not n - int((1 - ratio) * n), which keeps 9 of 100 at 0.9
    if not 0 < hidden < units[kind]:
        raise ValueError(
            f"mask {kind!r} with ratio {ratio} hides {hidden} of {units[kind]}: "
            "expected some hidden tokens and some visible ones"
        )
    return hidden * (times * places // units[kind])


def draw_mask(
    kind: str, batch: int, grid: tuple[int, ...], ratio: float, generator: torch.Generator | None = None
) -> Mask:
    """Hide a share of a grid (time, places...), drawn separately for every clip.

    Args:
        kind: ``random`` tokens; ``tube``: the same places at all times (HiCMAE's choice for video); ``frame``: all
            places of some times; ``block``: a region of neighbouring places at all times.
        batch: B.
        grid: of the tokens.
        ratio: share to hide; rounded down to whole tokens, places or times.
        generator: source of the random numbers.

    Raises:
        ValueError: as in ``count_masked``.
    """
    times, places = grid[0], math.prod(grid[1:])
    hidden = count_masked(kind, grid, ratio)

    def draw(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    if kind == "random":
        order = draw(times, places)
    elif kind == "frame":
        order = draw(times, 1).expand(-1, -1, places)
    elif kind == "tube":
        order = draw(1, places).expand(-1, times, -1)
    else:
        at = torch.cartesian_prod(*(torch.arange(n) for n in grid[1:])).view(places, -1).float()
        middle = draw(1, at.shape[1]) * torch.tensor(grid[1:])
        distance = (at + 0.5 - middle).abs().amax(dim=-1)  # (B, places): a square grows around the middle
        # Ranks, because a tie between two places would be broken at each time anew.
        ranks = (distance + 1e-3 * draw(places)).argsort(dim=1).argsort(dim=1)
        order = ranks[:, None].expand(-1, times, -1)
    return _hide_first(order.flatten(1), hidden)


def draw_masks(kinds: tuple[str, str], ratios: tuple[float, float], seed: int, batch: int = 1) -> tuple[Mask, Mask]:
    """Draw masks of the model's video and audio tokens, each of its own kind, or both ``dual``.

    Raises:
        ValueError: as in ``draw_mask`` and ``draw_dual_masks``, or a dual mask for only one stream.
    """
    generator = torch.Generator().manual_seed(seed)
    if "dual" in kinds:
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"mask 'dual': expected it for both streams or for neither, got {kinds[0]!r}, {kinds[1]!r}"
            )
        return draw_dual_masks(batch, (VIDEO_GRID, AUDIO_GRID), ratios, generator)
    return (
        draw_mask(kinds[0], batch, VIDEO_GRID, ratios[0], generator),
        draw_mask(kinds[1], batch, AUDIO_GRID, ratios[1], generator),
    )


def draw_dual_masks(
    batch: int,
    grids: tuple[tuple[int, ...], tuple[int, ...]],
    ratios: tuple[float, float],
    generator: torch.Generator | None = None,
) -> tuple[Mask, Mask]:
    """Draw masks that show the streams at different times: video in one random half of the clip, audio in the other.

    Raises:
        ValueError: as in ``count_masked``.
    """
    slots = grids[0][0]
    late = torch.rand(batch, slots, generator=generator).argsort(dim=1) < slots // 2  # (B, slots)
    masks = []
    for grid, ratio, elsewhere in ((grids[0], ratios[0], late), (grids[1], ratios[1], ~late)):
        hidden = count_masked("dual", grid, ratio)
        per_time = elsewhere.repeat_interleave(grid[0] // slots, dim=1)  # (B, times)
        order = torch.rand(batch, grid[0], math.prod(grid[1:]), generator=generator)
        masks.append(_hide_first((order - per_time[..., None].float()).flatten(1), hidden))
    return masks[0], masks[1]


def _hide_first(order: Tensor, hidden: int) -> Mask:
    """Mask the first ``hidden`` tokens by order (B, N) -> visible and masked indices, each in rising order."""
    ranked = order.argsort(dim=1)
    return ranked[:, hidden:].sort(dim=1).values, ranked[:, :hidden].sort(dim=1).values
