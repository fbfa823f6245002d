from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.real_check.baselines import describe_voice, judge_blendshapes, judge_functionals

LABELS = ("anger", "happiness")


def test_baselines_learn_what_divides_the_labels() -> None:
    rng = np.random.default_rng(0)
    truth = ["happiness", "anger", "surprise"] * 10
    centres = np.array([[3.0, 0], [-3, 0], [0, 9]])[np.arange(30) % 3]
    table = centres + 0.1 * rng.standard_normal((30, 2))
    for judge in (judge_blendshapes, judge_functionals):
        chosen = judge(table[:15], truth[:15], table[15:17], LABELS).argmax(axis=1)
        assert chosen.tolist() == [1, 0]
    with pytest.raises(SettingsError, match="nobody in the folder is left to learn anger"):
        judge_blendshapes(table[:1], truth[:1], table, LABELS)


@pytest.mark.parametrize("pitch_hz", [140, 280])
def test_the_pitch_of_a_voice_is_found(pitch_hz: int) -> None:
    time_s = np.arange(16000) / 16000
    harmonics = np.arange(1, 6)[:, None]
    voice = (np.sin(2 * np.pi * pitch_hz * harmonics * time_s) / harmonics).sum(axis=0)
    # Without noise, empty bands would be at the floor of the log-mel, whatever the loudness.
    voice += 0.05 * np.random.default_rng(0).standard_normal(16000)
    described = describe_voice((0.2 * voice).astype(np.float32))
    semitones, voiced = described[-6], described[-1]
    assert semitones == pytest.approx(12 * np.log2(pitch_hz / 70), abs=0.3)
    assert voiced == 1.0
    # Loudness moves all bands together, but for the lowest one, whose empty filters stay at the floor.
    louder = describe_voice((0.4 * voice).astype(np.float32))
    np.testing.assert_allclose(louder[1:32] - louder[1], described[1:32] - described[1], atol=1e-2)
    assert describe_voice(np.zeros(500, np.float32)).shape == described.shape
