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


def compare_streams(video: NDArray[np.float64], audio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the cosines (n, n) of every face with every voice, each stream without its own mean.

    Args:
        video: embeddings (n, D).
        audio: embeddings (n, D).
    """
    table: NDArray[np.float64] = (
        scale_to_units(video - video.mean(axis=0)) @ scale_to_units(audio - audio.mean(axis=0)).T
    )
    return table


def modality_gap(video: NDArray[np.float64], audio: NDArray[np.float64]) -> float:
    """Compute the distance between the means of both streams' unit embeddings (Liang et al. 2022, "Mind the Gap").

    Args:
        video: embeddings (n, D).
        audio: embeddings (n, D).

    Returns:
        0 to 2.
    """
    return float(np.linalg.norm(scale_to_units(video).mean(axis=0) - scale_to_units(audio).mean(axis=0)))


def scale_to_units(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows (n, D) to length 1; rows of zeros stay."""
    scaled: NDArray[np.float64] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled
