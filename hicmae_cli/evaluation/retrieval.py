"""Which voice goes with which face: how well the two streams of a pre-trained model find each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recall_at_1(similarities: NDArray[np.float64]) -> float:
    """Share of clips whose own partner is the most similar one, both ways averaged.

    Args:
        similarities: (n, n), row a clip's faces, column a clip's voice; clip i's own is at (i, i). Of equal ones the
            first counts, so that a model that tells nothing apart scores chance.

    Returns:
        0 to 1; chance is 1 / n.

    Raises:
        ValueError: not a square table.
    """
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1]:
        raise ValueError(f"recall: expected a square table, got {similarities.shape}")
    own = np.arange(len(similarities))
    forth, back = (np.mean(table.argmax(axis=1) == own) for table in (similarities, similarities.T))
    return float(forth + back) / 2


def recall_among(similarities: NDArray[np.float64], group: int, draws: int, seed: int = 0) -> float:
    """``recall_at_1`` among ``group`` clips, averaged over some draws of them.

    Args:
        similarities: (n, n) of all clips.
        group: clips of a draw.
        draws: how many.
        seed: of the draws.

    Raises:
        ValueError: fewer clips than a draw takes.
    """
    if len(similarities) < group:
        raise ValueError(f"recall: {len(similarities)} clips are fewer than the {group} of a draw")
    rng = np.random.default_rng(seed)
    picks = [rng.choice(len(similarities), group, replace=False) for _ in range(draws)]
    return float(np.mean([recall_at_1(similarities[np.ix_(pick, pick)]) for pick in picks]))
