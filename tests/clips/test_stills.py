"""Stills that move: never frozen, smooth, the same face on average, and repeatable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.stills import animate_still, seed_by_picture


def spot(level: int = 200) -> NDArray[np.uint8]:
    """A bright disc in the middle of grey, and a black strip below, as crops of tight photographs have."""
    y, x = np.mgrid[:160, :160] - 79.5
    face = np.full((160, 160, 3), 60, np.uint8)
    face[np.hypot(y, x) < 30] = level
    face[150:] = 0
    return face


def find_centres(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Centre (T, 2) of the disc, x and y, from the middle of the picture."""
    weights = np.clip(frames[:, :140, :, 0].astype(float) - 100, 0, None)
    y, x = np.mgrid[:140, :160] - 79.5
    total = weights.sum(axis=(1, 2))
    return np.stack([(weights * x).sum(axis=(1, 2)) / total, (weights * y).sum(axis=(1, 2)) / total], axis=1)


def test_every_frame_is_another_picture_of_the_same_face() -> None:
    face = spot()
    frames = animate_still(face, np.random.default_rng(0))
    assert (frames.shape, frames.dtype) == ((16, 160, 160, 3), np.uint8)
    changes = np.abs(frames[1:].astype(int) - frames[:-1]).mean(axis=(1, 2, 3))
    assert changes.min() > 0.1 and changes.max() < 20
    # Outside the picture, the edge goes on: a black strip stays black.
    assert frames[:, 158:, 60:100].max() == 0


def test_the_face_stays_in_place_on_average_and_moves_smoothly() -> None:
    clips = [animate_still(spot(), np.random.default_rng(seed)) for seed in range(20)]
    centres = np.stack([find_centres(frames) for frames in clips])
    assert np.abs(centres.mean(axis=1)).max() < 0.15
    assert 1 < centres.std(axis=1).mean() < 4
    steps = np.diff(centres, axis=1)
    # Of white noise, the steps would have twice the variance of the places.
    assert steps.var() < centres.var()
    brightness = np.stack([frames[:, 70:90, 70:90].mean(axis=(1, 2, 3)) for frames in clips])
    assert np.abs(brightness.mean(axis=1) - 200).max() < 2
    assert brightness.std(axis=1).mean() > 1


def test_the_generator_decides_and_a_picture_makes_its_own() -> None:
    face = spot()
    one, same, other = (animate_still(face, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    changed = face.copy()
    changed[0, 0] += 1
    draws = [seed_by_picture(picture).random() for picture in (face, face[::1].copy(), changed)]
    assert draws[0] == draws[1] != draws[2]
