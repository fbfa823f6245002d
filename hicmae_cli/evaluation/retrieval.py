"""How well a pre-trained model finds the voice of a face, and the face of a voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recall_at_1(similarities: NDArray[np.float64]) -> float:
    """Compute the share of clips whose own partner is the most similar one, averaged over both directions.

    Args:
        similarities: (n, n), row a clip's faces, column a clip's voice; the pair of clip i is at (i, i). Of equal
            similarities the first counts, so a constant table scores chance.

    Returns:
        0 to 1; chance is 1 / n.

    Raises:
        ValueError: the table is not square.
    """
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1]:
        raise ValueError(f"recall: expected a square table, got {similarities.shape}")
    own = np.arange(len(similarities))
    forth, back = (np.mean(table.argmax(axis=1) == own) for table in (similarities, similarities.T))
    return float(forth + back) / 2


def recall_among(similarities: NDArray[np.float64], group: int, draws: int, seed: int = 0) -> float:
    """Compute ``recall_at_1`` among random groups of clips, and average over the groups.

    Args:
        similarities: (n, n) of all clips.
        group: number of clips in a group.
        draws: number of groups.
        seed: seed of the draws.

    Raises:
        ValueError: there are fewer clips than a group has.
    """
    if len(similarities) < group:
        raise ValueError(f"recall: {len(similarities)} clips are fewer than the {group} of a group")
    rng = np.random.default_rng(seed)
    picks = [rng.choice(len(similarities), group, replace=False) for _ in range(draws)]
    return float(np.mean([recall_at_1(similarities[np.ix_(pick, pick)]) for pick in picks]))
