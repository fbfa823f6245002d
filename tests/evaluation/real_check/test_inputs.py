from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.evaluation.real_check.inputs import CHANGES, limit_band, make_face_clip, make_grey, shift_loudness

TIME_S = np.arange(16000) / 16000


def tone(pitch_hz: float, size: float = 0.1) -> np.ndarray:
    return (size * np.sin(2 * np.pi * pitch_hz * TIME_S)).astype(np.float32)


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def test_a_still_is_sixteen_equal_frames() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    clip = make_face_clip(crop)
    assert clip.audio is None and clip.video is not None
    assert all(np.array_equal(frame, crop) for frame in clip.video)


def test_grey_pictures_stay_and_colours_go() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.array_equal(make_grey(grey), grey)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert make_grey(red).tolist() == np.full((2, 2, 3), 60).tolist()


def test_loudness_is_shifted_and_cut_off() -> None:
    assert power(shift_loudness(tone(440), 12)) / power(tone(440)) == pytest.approx(10**1.2, rel=1e-4)
    assert np.abs(shift_loudness(tone(440, 1.0), 12)).max() == 1.0


@pytest.mark.parametrize(("pitch_hz", "kept"), [(200, 0), (1000, 1), (5000, 0)])
def test_a_telephone_keeps_the_middle(pitch_hz: int, kept: int) -> None:
    assert power(limit_band(tone(pitch_hz))) / power(tone(pitch_hz)) == pytest.approx(kept, abs=1e-6)


def test_babble_is_20_db_below_the_voice_and_the_same_for_a_file() -> None:
    babble = CHANGES["20 dB babble"]
    first = babble(tone(440), "a.flac")
    assert power(first - tone(440)) / power(tone(440)) == pytest.approx(0.01, rel=1e-3)
    assert np.array_equal(first, babble(tone(440), "a.flac"))
    assert not np.array_equal(first, babble(tone(440), "b.flac"))
