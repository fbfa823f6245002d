"""Planted movements: in time, late, early, foreign, still, and with gaps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.speaking.decide import NO_SYNC, START_SYNC
from hicmae_cli.speaking.sync import LAGS, measure_sync
from hicmae_cli.speaking.voice import FRAME_S

FRAMES = 120


def syllables(seed: int, count: int = FRAMES + 40) -> NDArray[np.float32]:
    """A level that rises and falls four times a second, irregularly, between -60 and -20 decibels."""
    rng = np.random.default_rng(seed)
    rough = np.convolve(rng.normal(0, 1, count + 20), np.hanning(9), "same")[10 : 10 + count]
    return np.asarray(np.clip(-40 + 12 * rough / rough.std(), -60, -20), np.float32)


def pair(seed: int, lag: int, noise: float = 0.3) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A mouth, and a sound that comes ``lag`` frames after its movement."""
    level = syllables(seed)
    mouth = 0.1 + 0.001 * level + noise * 0.01 * np.random.default_rng(seed + 1000).normal(0, 1, len(level))
    return mouth[20 : 20 + FRAMES].astype(np.float32), level[20 - lag : 20 - lag + FRAMES]


@pytest.mark.parametrize("lag", LAGS)
def test_a_lag_within_reach_fits(lag: int) -> None:
    assert all((measure_sync(*pair(seed, lag)) or 0) > START_SYNC + 0.1 for seed in range(10))


@pytest.mark.parametrize("lag", [-15, 20])
def test_a_lag_beyond_reach_does_not(lag: int) -> None:
    assert np.median([measure_sync(*pair(seed, lag)) or 0 for seed in range(20)]) < NO_SYNC


def test_another_voice_does_not_fit() -> None:
    syncs = [measure_sync(pair(seed, 0)[0], pair(seed + 50, 0)[1]) or 0 for seed in range(40)]
    assert np.mean(np.array(syncs) < NO_SYNC) > 0.8 and np.mean(np.array(syncs) >= START_SYNC) < 0.05


def test_loudness_size_and_drift_do_not_matter() -> None:
    mouth, level = pair(0, 1)
    expected = measure_sync(mouth, level)
    assert measure_sync(3 * mouth + 1, level + 20) == pytest.approx(expected, abs=1e-3)
    smile = 0.02 * np.linspace(0, 1, FRAMES, dtype=np.float32)
    assert measure_sync(mouth + smile, level) == pytest.approx(expected, abs=0.1)


def test_a_still_mouth_fits_nothing() -> None:
    assert measure_sync(np.full(FRAMES, 0.1, np.float32), pair(0, 0)[1]) == 0
    assert measure_sync(pair(0, 0)[0], np.full(FRAMES, -100, np.float32)) == 0


def test_gaps_are_left_out_and_too_many_are_said() -> None:
    mouth, level = pair(3, 2)
    expected = measure_sync(mouth, level)
    mouth[10:40] = np.nan
    assert measure_sync(mouth, level) == pytest.approx(expected, abs=0.15)
    mouth[40:75] = np.nan
    assert measure_sync(mouth, level) is None
    assert measure_sync(mouth[:5], level[:5]) is None
    assert pytest.approx(3.84) == FRAMES * FRAME_S  # a window with its context
