"""How well the movement of a mouth fits a voice: lagged correlation of lip opening and sound level.

Speech opens the mouth for vowels, which are loud, and closes it for consonants and pauses, which are quiet; the sound
comes a little after the movement (Chandrasekaran et al. 2009, "The natural statistics of audiovisual speech").
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.speaking.voice import FRAME_S

LAGS: Final = tuple(range(round(-0.08 / FRAME_S), round(0.16 / FRAME_S) + 1))
"""Frames by which the sound may come after the movement: -2 to 5, -64 to 160 ms. Broadcast tolerates -125 to 45 ms from
its own equipment (ITU-R BT.1359); more lags would let more foreign voices fit."""
MIN_SHARE: Final = 0.5
"""Smallest share of the frames with a mouth for which a correlation is measured."""

# Slow changes (smiles, turns of the head, the distance to the microphone) say nothing about speech.
_DRIFT_FRAMES: Final = round(2.0 / FRAME_S)
# Below this, under the loudest frames, there is only the room.
_RANGE_DB: Final = 30.0
_STILL: Final = 1e-6


def measure_sync(openings: NDArray[np.float32], levels_db: NDArray[np.float32]) -> float | None:
    """Measure how well a mouth's movement fits a sound.

    Args:
        openings: (N,) opening of the mouth in each frame; NaN where it was not read.
        levels_db: (N,) level of the sound in each frame.

    Returns:
        The highest correlation over `LAGS`, -1 to 1; None if the mouth was read in too few frames.
    """
    known = np.isfinite(openings)
    if len(openings) < 2 * len(LAGS) or known.mean() < MIN_SHARE:
        return None
    loud = np.quantile(levels_db, 0.95)
    level = _remove_drift(np.maximum(levels_db, loud - _RANGE_DB), np.ones(len(levels_db)))
    mouth = _remove_drift(np.where(known, openings, 0.0), known.astype(np.float64))
    return max(_correlate(mouth, level, known, lag) for lag in LAGS)


def _remove_drift(values: NDArray[np.floating], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the moving mean of (N,) values with some weights."""
    kernel = np.ones(min(_DRIFT_FRAMES, len(values)) // 2 * 2 + 1)
    half = len(kernel) // 2
    total, count = (np.convolve(series, kernel)[half : half + len(values)] for series in (values * weights, weights))
    return np.asarray(values - total / np.maximum(count, 1.0))


def _correlate(mouth: NDArray[np.float64], level: NDArray[np.float64], known: NDArray[np.bool_], lag: int) -> float:
    """Correlate the movement with the sound ``lag`` frames later, where both are known."""
    ahead, behind = max(0, lag), max(0, -lag)
    size = len(mouth) - abs(lag)
    is_known = known[behind : behind + size]
    first = mouth[behind : behind + size][is_known]
    second = level[ahead : ahead + size][is_known]
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm > _STILL else 0.0
