"""Frames of one format, mixed to 16 kHz mono."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from hicmae_cli.media.mixer import Mixer


def frame(values: NDArray[np.float32] | NDArray[np.int16], kind: str, layout: str, rate_hz: int = 16_000) -> AudioFrame:
    """One frame of planar samples (channels, n), or of packed ones (1, n)."""
    made = AudioFrame.from_ndarray(values, format=kind, layout=layout)
    made.sample_rate = rate_hz
    made.time_base = Fraction(1, rate_hz)
    made.pts = 0
    return made


def mix(*frames: AudioFrame, surplus: int = 0) -> NDArray[np.float32]:
    mixer = Mixer(frames[0], surplus)
    return np.concatenate([*(mixer.mix(some) for some in frames), mixer.finish()])


def test_mono_at_16_khz_keeps_its_samples() -> None:
    levels = np.array([[-32768, -1, 0, 1, 32767]], np.int16)
    assert mix(frame(levels, "s16", "mono")).tolist() == (levels[0] / 32768).tolist()
    floats = np.array([[0.25, -0.5, 1.0]], np.float32)
    assert mix(frame(floats, "flt", "mono"), frame(floats, "flt", "mono")).tolist() == [0.25, -0.5, 1.0] * 2


def test_values_that_cannot_be_played_are_clipped() -> None:
    odd = np.array([[np.nan, np.inf, -np.inf, 3.0, -3.0]], np.float32)
    assert mix(frame(odd, "fltp", "mono")).tolist() == [0, 1, -1, 1, -1]


@pytest.mark.parametrize("kind", ["fltp", "s16p"])
def test_stereo_becomes_the_mean_of_its_channels(kind: str) -> None:
    sides = np.array([[0.5], [-0.25]]).repeat(1600, axis=1)
    planes = np.round(sides * 32768).astype(np.int16)
    mixed = mix(frame(sides.astype(np.float32) if kind == "fltp" else planes, kind, "stereo"))
    assert len(mixed) == 1600
    np.testing.assert_allclose(mixed, 0.125, atol=1e-4)


def test_another_rate_keeps_level_and_length() -> None:
    time_s = np.arange(48_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 100 * time_s)).astype(np.float32)[None]
    mixed = mix(frame(tone, "fltp", "mono", 48_000))
    assert len(mixed) == 16_000
    np.testing.assert_allclose(mixed[1000:-1000], tone[0, ::3][1000:-1000], atol=2e-3)


def test_the_surplus_is_dropped_but_counts_as_time() -> None:
    ramp = np.linspace(0, 0.099, 100).astype(np.float32)[None]
    mixer = Mixer(frame(ramp, "fltp", "mono"), surplus=30)
    mixed = np.concatenate([mixer.mix(frame(ramp, "fltp", "mono")), mixer.finish()])
    np.testing.assert_allclose(mixed, ramp[0, 30:], atol=1e-6)
    assert mixer.duration_s == Fraction(100, 16_000) and mixer.length_s == 100 / 16_000


def test_only_frames_of_one_format_are_accepted() -> None:
    mono = frame(np.zeros((1, 10), np.int16), "s16", "mono")
    mixer = Mixer(mono)
    assert mixer.accepts(mono)
    assert not mixer.accepts(frame(np.zeros((1, 10), np.int16), "s16", "mono", 8000))
    assert not mixer.accepts(frame(np.zeros((2, 10), np.int16), "s16p", "stereo"))
    assert not mixer.accepts(frame(np.zeros((1, 10), np.float32), "flt", "mono"))
