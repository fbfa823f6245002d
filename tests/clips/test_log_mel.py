from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio

from hicmae_cli.clips.log_mel import compute_log_mel
from tests import reference

EXPECTED = np.load(reference.FOLDER / "log_mel.npz")


@pytest.mark.parametrize("name", EXPECTED.files)
def test_matches_the_authors(name: str) -> None:
    wave = reference.waveform(int(name.removeprefix("log_mel_")))
    np.testing.assert_allclose(compute_log_mel(wave), EXPECTED[name], atol=1e-3)


@pytest.mark.parametrize("num_samples", [400, 559, 560, 12345, 41199, 60000])
def test_matches_kaldi_on_other_sounds(num_samples: int) -> None:
    wave = np.random.default_rng(num_samples).uniform(-0.5, 0.5, num_samples).astype(np.float32) + 0.1
    fbank = torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(wave - wave.mean())[None],
        htk_compat=True,
        sample_frequency=16000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_shift=10,
    ).numpy()[:256]
    expected = np.zeros((256, 128), np.float32)
    expected[: len(fbank)] = fbank
    np.testing.assert_allclose(compute_log_mel(wave), (expected + 4.2677393) / (2 * 4.5689974), atol=1e-3)


def test_louder_shifts_every_filled_frame_alike() -> None:
    wave = reference.waveform(16000)
    quiet, loud = compute_log_mel(wave)[:98], compute_log_mel(2 * wave)[:98]
    heard = quiet > quiet.min() + 0.2  # some of the lowest filters are narrower than a bin of the spectrum: empty
    assert heard.mean() > 0.9
    np.testing.assert_allclose((loud - quiet)[heard], np.log(4) / (2 * 4.5689974), atol=1e-3)


@pytest.mark.parametrize("wave", [np.zeros(399, np.float32), np.zeros((2, 16000), np.float32)])
def test_sound_without_a_window_is_refused(wave: np.ndarray) -> None:
    with pytest.raises(ValueError, match="log-mel"):
        compute_log_mel(wave)


def test_silence_is_finite() -> None:
    assert np.isfinite(compute_log_mel(np.zeros(16000, np.float32))).all()
