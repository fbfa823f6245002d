"""Sound to listen to: the file's own, on the video's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.media import read_audio
from hicmae_cli.media.playback import open_playback
from tests.media.make import click_times_s, clicks, corner_picture, make_sound, make_video


@pytest.mark.parametrize(
    ("rate_hz", "layout", "channels", "kept_hz", "kept_channels"),
    [
        (48_000, "stereo", 2, 48_000, 2),
        (44_100, "mono", 1, 44_100, 1),
        (16_000, "mono", 1, 16_000, 1),
        (10_000, "mono", 1, 11_025, 1),
        (96_000, "5.1", 6, 48_000, 2),
    ],
)
def test_rate_and_channels_are_kept(
    tmp_path: Path, rate_hz: int, layout: str, channels: int, kept_hz: int, kept_channels: int
) -> None:
    path = make_sound(tmp_path / "a.wav", clicks([0.5, 1.5], 2.0, rate_hz, channels), rate_hz, layout, "pcm_s16le")
    sound = open_playback(path)
    assert sound is not None
    samples = np.concatenate(list(sound.blocks), axis=1)
    assert (sound.rate_hz, sound.channels, len(samples)) == (kept_hz, kept_channels, kept_channels)
    assert samples.shape[1] == pytest.approx(2 * kept_hz, abs=kept_hz // 100)
    assert click_times_s(samples[-1], kept_hz) == pytest.approx([0.5, 1.5], abs=0.002)


@pytest.mark.parametrize("start_s", [0.0, 0.6])
def test_it_is_on_the_clock_of_the_video(tmp_path: Path, start_s: float) -> None:
    """The sound starts before the pictures and has a gap, as for the model."""
    rate_hz = 48_000
    path = make_video(
        tmp_path / "a.mkv",
        [corner_picture()] * 50,
        [1 + at / 25 for at in range(50)],
        audio=clicks([0.5, 1.25, 2.25, 2.75], 3.0, rate_hz, 2),
        audio_rate_hz=rate_hz,
        audio_layout="stereo",
        audio_codec="pcm_s16le",
        audio_start_s=0.5,
        audio_cuts=[(2.0, 2.3)],
    )
    sound = open_playback(path, start_s, 2.5)
    assert sound is not None
    samples = np.concatenate(list(sound.blocks), axis=1)
    heard = [start_s + time_s for time_s in click_times_s(samples[0], rate_hz)]
    model = [time_s for time_s in click_times_s(read_audio(path, 0.0, 2.5)) if time_s >= start_s]
    assert heard == pytest.approx(model, abs=0.002) and heard
    assert samples.shape[1] == round((2.5 - start_s) * rate_hz)


def test_a_file_without_sound_has_none(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", [corner_picture()] * 3, [0.0, 0.1, 0.2])
    assert open_playback(path) is None
