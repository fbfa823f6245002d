from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from hicmae_cli.runtime.sound import SlidingSound


def ramp(path: Path, seconds: float) -> np.ndarray:
    wave = np.linspace(-0.9, 0.9, round(seconds * 16000)).astype(np.float32)
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    return wave


def test_overlapping_cuts_are_the_samples_at_their_times(tmp_path: Path) -> None:
    wave = ramp(tmp_path / "a.wav", 7.3)
    sound = SlidingSound(tmp_path / "a.wav")
    for start_s in (0.0, 1.28, 1.44, 4.0, 4.74):
        cut = sound.cut(start_s, start_s + 2.56)
        assert cut is not None
        first = round(start_s * 16000)
        np.testing.assert_allclose(cut, wave[first : first + 40960], atol=1e-4)
        assert len(sound._held) <= 3.7 * 16000


def test_beyond_the_end_there_is_less_and_then_nothing(tmp_path: Path) -> None:
    ramp(tmp_path / "a.wav", 2.0)
    sound = SlidingSound(tmp_path / "a.wav")
    cut = sound.cut(1.0, 3.56)
    assert cut is not None
    assert len(cut) == 16000
    assert sound.cut(2.5, 5.0) is None


def test_silence_is_not_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(32000, np.float32), 16000)
    sound = SlidingSound(tmp_path / "a.wav")
    assert sound.cut(0.0, 1.0) is None
    assert not sound.heard
