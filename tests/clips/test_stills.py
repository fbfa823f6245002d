"""Stills that move: never frozen, smooth, the same face on average, and repeatable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.clips import View, read_prepared_clip
from hicmae_cli.clips.stills import SWAYING, animate_still, seed_by_picture
from hicmae_cli.faces import FaceFinder
from hicmae_cli.faces.align import fit_similarity
from hicmae_cli.media import Frame
from hicmae_cli.model_input import CLIP_FRAMES
from hicmae_cli.preparing.clip import prepare_people
from tests.conftest import SAMPLE


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
    assert frames.shape == (16, 160, 160, 3) and frames.dtype == np.uint8
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


def test_a_still_that_sways_is_frozen_in_no_patch() -> None:
    assert len(SWAYING) == CLIP_FRAMES and set(SWAYING) == {0, 1}
    assert all(one != other for one, other in zip(SWAYING[::2], SWAYING[1::2], strict=True))
    assert all(abs(one - other) < 2 for one, other in pairwise(SWAYING))


# Points of the face mesh that expressions hardly move: corners of the eyes, nose, forehead.
RIGID = (33, 133, 362, 263, 6, 168, 1, 4, 5, 195, 197, 8, 9, 10, 151)


def measure_steps(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Deviations of shift (px), scale and turn (degrees) from one frame to the next, found by landmarks."""
    with FaceFinder(num_faces=1) as finder:
        wide = np.pad(frames, ((0, 0), (40, 40), (40, 40), (0, 0)))
        found = [finder.detect(Frame(index * 0.16, frame)) for index, frame in enumerate(wide)]
    points = [faces[0].landmarks_px[list(RIGID)].astype(float) - 119.5 for faces in found if faces]
    fits = [fit_similarity(one, other) for one, other in pairwise(points)]
    turns = [np.arctan2(fit[1, 0], fit[0, 0]) for fit in fits]
    scales = [np.hypot(fit[0, 0], fit[1, 0]) for fit in fits]
    shifts = np.array([fit[:, 2] for fit in fits])
    return np.array([np.hypot(*shifts.std(axis=0)), np.std(scales), np.degrees(np.std(turns))])


@pytest.mark.slow
def test_the_motion_is_somewhat_less_than_that_of_people_in_a_video(tmp_path: Path) -> None:
    with FaceFinder(num_faces=4) as finder:
        people = prepare_people(SAMPLE, lambda number: tmp_path / f"{number}.mkv", finder)
    assert len(people) == 2
    for number in (1, 2):
        clip = read_prepared_clip(tmp_path / f"{number}.mkv", None)
        times_s = np.arange(0, clip.times_s[-1], 0.16)
        view = View(tuple(int(np.abs(clip.times_s - time_s).argmin()) for time_s in times_s), 0, 0)
        film = clip.decode_faces(view)
        assert film is not None
        still = animate_still(film[0], np.random.default_rng(0), num_frames=len(film))
        ratios = measure_steps(still) / measure_steps(film)
        assert (ratios > 0.25).all() and (ratios < 1.3).all(), ratios
