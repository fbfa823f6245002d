"""Arrays are read as a file with the same content is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from hicmae_cli.media import read_audio, sample_frames
from hicmae_cli.media.arrays import PictureArray, SoundArray
from hicmae_cli.media.frames import sample_pictures
from tests.media.make import gray_level, make_video, numbered_frames


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_sound_equals_that_of_a_file(tmp_path: Path, rate_hz: int) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(3.3 * rate_hz)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    expected = read_audio(tmp_path / "a.wav")
    got = np.concatenate(list(SoundArray(samples, rate_hz).blocks()))
    assert len(got) == len(expected)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_samples_that_are_no_sound_are_made_playable() -> None:
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 7.0], np.float32)
    (block, *_) = SoundArray(samples, 16000).blocks()
    np.testing.assert_array_equal(block, np.array([0.5, 0.0, 1.0, -1.0, 1.0], np.float32))


@pytest.mark.parametrize("start_s", [0.0, 0.3, 1.07])
def test_pictures_are_sampled_like_those_of_a_file(tmp_path: Path, start_s: float) -> None:
    times_s = np.cumsum([0.0, 0.04, 0.3, 0.04, 0.01, 0.5, 0.04, 0.2, 0.04, 0.04])
    pictures = numbered_frames(len(times_s))
    path = make_video(tmp_path / "a.mkv", pictures, times_s.tolist())
    array = PictureArray(np.stack(pictures), times_s)
    expected = list(sample_frames(path, 0.08, start_s))
    got = list(sample_pictures(array.pictures(), 0.08, start_s))
    assert [frame.time_s for frame in got] == pytest.approx([start_s + 0.08 * k for k in range(len(got))])
    shared = min(len(got), len(expected))  # the last picture may last longer in one of them
    assert abs(len(got) - len(expected)) <= 2
    for mine, theirs in zip(got[:shared], expected[:shared], strict=True):
        assert mine.time_s == theirs.time_s
        assert abs(int(mine.rgb[0, 0, 0]) - int(theirs.rgb[0, 0, 0])) <= 2
    shown = max(index for index, time_s in enumerate(times_s) if time_s <= start_s + 1e-3)
    assert got[0].rgb[0, 0, 0] == gray_level(shown)


def test_a_picture_on_display_is_the_same_array() -> None:
    array = PictureArray(np.stack([*numbered_frames(1) * 2, *numbered_frames(2)[1:]]), np.array([0.0, 0.5, 1.0]))
    frames = list(sample_pictures(array.pictures(), 0.1))
    assert len({id(frame.rgb) for frame in frames}) == 2
    assert frames[0].rgb is frames[9].rgb
    assert array.end_s == 1.5


def test_a_start_behind_the_end_gives_nothing() -> None:
    array = PictureArray(np.stack(numbered_frames(2)), np.array([0.0, 0.04]))
    assert list(sample_pictures(array.pictures(), 0.1, 5.0)) == []
