from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hicmae_cli.runtime.sources import open_source

FRAMES, TIMES = np.zeros((2, 48, 64, 3), np.uint8), [0.0, 0.04]
SAMPLES = np.zeros(100, np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "got neither"),
        ({"frames": FRAMES}, "expected frames and times_s together"),
        ({"samples": SAMPLES}, "expected samples and sample_rate_hz together"),
        ({"frames": FRAMES, "times_s": TIMES, "fps": 25}, "expected frames, times_s, samples, .* got fps"),
        ({"frames": FRAMES[0], "times_s": TIMES}, r"expected frames \(T, H, W, 3\) uint8, got \(48, 64, 3\)"),
        ({"frames": FRAMES.astype(np.float32), "times_s": TIMES}, "uint8, got .* float32"),
        ({"frames": FRAMES[:0], "times_s": []}, r"got \(0, 48"),
        ({"frames": np.zeros((1, 8, 5000, 3), np.uint8), "times_s": [0.0]}, "at most 4096 pixels a side"),
        ({"frames": FRAMES, "times_s": [0.0]}, r"expected times_s \(2,\)"),
        ({"frames": FRAMES, "times_s": [0.0, 0.0]}, "times_s that rise"),
        ({"frames": FRAMES, "times_s": [-1.0, 0.0]}, "times_s that rise"),
        ({"frames": FRAMES, "times_s": [0.0, float("nan")]}, "times_s that rise"),
        ({"samples": np.zeros((2, 100), np.float32), "sample_rate_hz": 16000}, r"expected samples \(N,\) float32"),
        ({"samples": np.zeros(100, np.int16), "sample_rate_hz": 16000}, "got .* int16"),
        ({"samples": SAMPLES[:0], "sample_rate_hz": 16000}, r"got \(0,\)"),
        ({"samples": SAMPLES, "sample_rate_hz": 8}, "sample_rate_hz from 1000 to 768000, got 8"),
        ({"samples": SAMPLES, "sample_rate_hz": 16000.5}, "expected a whole sample_rate_hz"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_source(arrays)


def test_something_else_is_no_source() -> None:
    with pytest.raises(TypeError, match="expected a path, a binary stream or a dict of arrays, got int"):
        open_source(7)  # type: ignore[arg-type]


def test_a_single_picture_lasts_as_long_as_in_a_file() -> None:
    info = open_source({"frames": FRAMES[:1], "times_s": [0.5]}).probe(lambda: None)
    assert info.duration_s == pytest.approx(0.54)
    assert (info.has_video, info.has_audio, float(info.fps or 0)) == (True, False, 25.0)
