from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from hicmae_cli.media import read_audio_blocks
from hicmae_cli.runtime.sound import SILENCE_PEAK, SlidingSound


def ramp(path: Path, seconds: float) -> np.ndarray:
    wave = np.linspace(-0.9, 0.9, round(seconds * 16000)).astype(np.float32)
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    return wave


def test_overlapping_cuts_are_the_samples_at_their_times(tmp_path: Path) -> None:
    wave = ramp(tmp_path / "a.wav", 7.3)
    sound = SlidingSound(read_audio_blocks(tmp_path / "a.wav"))
    for start_s in (0.0, 1.28, 1.44, 4.0, 4.74):
        cut = sound.cut(start_s, start_s + 2.56)
        assert cut is not None
        first = round(start_s * 16000)
        np.testing.assert_allclose(cut, wave[first : first + 40960], atol=1e-4)
        assert len(sound._held) <= 3.7 * 16000


def test_beyond_the_end_there_is_less_and_then_nothing(tmp_path: Path) -> None:
    ramp(tmp_path / "a.wav", 2.0)
    sound = SlidingSound(read_audio_blocks(tmp_path / "a.wav"))
    cut = sound.cut(1.0, 3.56)
    assert cut is not None
    assert len(cut) == 16000
    assert sound.cut(2.5, 5.0) is None


def test_a_sound_below_one_step_of_16_bits_is_silent() -> None:
    for peak, is_silent in ((SILENCE_PEAK * 0.99, True), (SILENCE_PEAK, False)):
        sound = SlidingSound([np.full(16000, peak, np.float32)])
        assert (sound.cut(0.0, 1.0) is None) is is_silent
        assert sound.is_silent is is_silent


def test_a_late_start_holds_no_more_than_a_window() -> None:
    held = []
    sound = SlidingSound(np.full(16000, second / 100, np.float32) for second in range(60))
    for start_s in (50.0, 51.0):
        cut = sound.cut(start_s, start_s + 2.56)
        assert cut is not None and cut[0] == np.float32(start_s / 100)
        held.append(len(sound._held))
    assert max(held) <= 3.6 * 16000


def test_digital_silence_is_no_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(32000, np.float32), 16000)
    sound = SlidingSound(read_audio_blocks(tmp_path / "a.wav"))
    assert sound.cut(0.0, 1.0) is None
    assert sound.is_silent
