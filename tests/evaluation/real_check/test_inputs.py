from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.evaluation.real_check.inputs import degrade_voice, make_face_clip, make_grey

TIME_S = np.arange(16000) / 16000


def tone(pitch_hz: float, size: float = 0.1) -> np.ndarray:
    return (size * np.sin(2 * np.pi * pitch_hz * TIME_S)).astype(np.float32)


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def test_a_still_moves_as_a_prepared_picture_does(tmp_path: Path) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    clip = make_face_clip(crop)
    Image.fromarray(crop).save(tmp_path / "a.png")
    prepared, _ = read_prepared_clip(tmp_path / "a.png", None).read_evaluation_clips(None)
    assert clip.audio is None and clip.video is not None and prepared.video is not None
    assert np.array_equal(clip.video, prepared.video)


def test_grey_pictures_stay_and_colours_go() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.array_equal(make_grey(grey), grey)
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert make_grey(red).tolist() == np.full((2, 2, 3), 60).tolist()


def test_voices_are_changed_by_the_levels_of_their_names() -> None:
    voice = tone(1000)
    gain = power(degrade_voice(voice, "12 dB louder", "a")) / power(voice)
    assert gain == pytest.approx(10**1.2, rel=1e-4)
    assert power(degrade_voice(voice, "12 dB quieter", "a")) * gain == pytest.approx(power(voice))
    assert power(degrade_voice(tone(5000), "telephone band", "a")) < 1e-3 * power(voice)
    assert power(degrade_voice(voice, "telephone band", "a")) == pytest.approx(power(voice), rel=0.05)
    babbled = degrade_voice(voice, "20 dB babble", "a")
    assert power(babbled - voice) / power(voice) == pytest.approx(0.01, rel=1e-3)
    assert np.array_equal(babbled, degrade_voice(voice, "20 dB babble", "a"))
