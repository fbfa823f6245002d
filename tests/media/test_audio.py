"""Sound at 16 kHz mono on the video's clock."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.errors import MediaError
from hicmae_cli.media import SAMPLE_RATE_HZ, probe, read_audio, read_audio_blocks, read_frames, write_video
from tests.media.make import click_times_s, clicks, make_sound, make_video, numbered_frames

_CLICKS_S = [0.25, 0.8, 1.5]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
def test_any_rate_and_layout(tmp_path: Path, rate_hz: int, layout: str, channels: int) -> None:
    sound = clicks(_CLICKS_S, 2.0, rate_hz, channels)
    path = make_sound(tmp_path / "a.wav", sound, rate_hz, layout, "pcm_s16le")
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=2)
    assert click_times_s(samples) == pytest.approx(_CLICKS_S, abs=0.0002)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_mono_and_equal_channels_have_the_same_level(tmp_path: Path, codec: str) -> None:
    tone = (0.4 * np.sin(np.arange(16_000) * 0.3)).astype(np.float32)
    for channels, layout in ((1, "mono"), (2, "stereo")):
        path = make_sound(tmp_path / f"{channels}.wav", np.tile(tone, (channels, 1)), 16_000, layout, codec)
        assert read_audio(path) == pytest.approx(tone, abs=0.01)


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".flac", "flac"), (".mp3", "libmp3lame"), (".m4a", "aac"), (".ogg", "libopus")]
)
def test_compressed_sound_keeps_its_time(tmp_path: Path, suffix: str, codec: str) -> None:
    path = make_sound(tmp_path / f"a{suffix}", clicks(_CLICKS_S, 2.0, 48_000), 48_000, "mono", codec)
    assert click_times_s(read_audio(path)) == pytest.approx(_CLICKS_S, abs=0.003)
    info = probe(path)
    assert (info.has_video, info.has_audio, info.fps, info.width_px) == (False, True, None, 0)
    assert info.duration_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mov"])
@pytest.mark.parametrize("audio_start_s", [3.0, 2.7, 3.4])
def test_clock_starts_with_the_video(tmp_path: Path, suffix: str, audio_start_s: float) -> None:
    codec = "mp2" if suffix == ".ts" else "pcm_s16le"
    path = make_video(
        tmp_path / f"a{suffix}",
        numbered_frames(50),
        [3 + Fraction(i, 25) for i in range(50)],
        audio=clicks(_CLICKS_S, 2.0, 48_000),
        audio_start_s=audio_start_s,
        audio_codec=codec,
    )
    shift_s = audio_start_s - 3.0
    expected = [t + shift_s for t in _CLICKS_S if t + shift_s > 0]
    tolerance_s = 0.012 if suffix == ".ts" else 0.002  # mp2's own delay
    samples = read_audio(path)
    assert click_times_s(samples) == pytest.approx(expected, abs=tolerance_s)
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(2.0 + shift_s, abs=0.05)
    if shift_s > 0:
        assert not samples[: round((shift_s - 0.05) * SAMPLE_RATE_HZ)].any()


def test_gaps_become_silence(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mkv",
        numbered_frames(50),
        [Fraction(i, 25) for i in range(50)],
        audio=clicks(_CLICKS_S, 2.0, 48_000),
        audio_cuts=[(0.5, 0.7), (0.9, 1.3)],
    )
    samples = read_audio(path)
    assert click_times_s(samples) == pytest.approx(_CLICKS_S, abs=0.002)
    assert not samples[round(0.95 * 16_000) : round(1.25 * 16_000)].any()


def _joined_recordings(folder: Path, second_start_s: float) -> Path:
    """Two recordings of a second each, joined byte by byte as transport streams allow."""
    parts = [
        make_video(
            folder / f"{index}.ts",
            numbered_frames(25),
            [Fraction(start_s) + Fraction(i, 25) for i in range(25)],
            options={"bf": "0"},
            audio=clicks([0.2, 0.9 if index == 0 else 0.5], 1.0, 48_000),
            audio_start_s=start_s,
            audio_codec="mp2",
        )
        for index, start_s in enumerate([10.0, second_start_s])
    ]
    path = folder / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_overlaps_are_trimmed(tmp_path: Path) -> None:
    samples = read_audio(_joined_recordings(tmp_path, 10.75))
    # What the second recording has before 11 s was heard already.
    assert click_times_s(samples) == pytest.approx([0.2, 0.9, 1.25], abs=0.03)
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(1.75, abs=0.06)


@pytest.mark.parametrize("second_start_s", [2.0, 10.0 + 5000.0])
def test_a_clock_that_jumps_goes_on(tmp_path: Path, second_start_s: float) -> None:
    path = _joined_recordings(tmp_path, second_start_s)
    assert click_times_s(read_audio(path)) == pytest.approx([0.2, 0.9, 1.2, 1.5], abs=0.08)
    times_s = [frame.time_s for frame in read_frames(path)]
    assert len(times_s) == 50
    assert times_s == pytest.approx([i / 25 for i in range(50)], abs=0.05)
    assert probe(path).video_duration_s == pytest.approx(2.0, abs=0.05)


def test_jitter_below_tolerance_is_not_a_gap(tmp_path: Path) -> None:
    # Matroska rounds times to milliseconds: at 44.1 kHz no block starts just where the last one ended.
    tone = (0.4 * np.sin(np.arange(44_100) * 0.05)).astype(np.float32)
    path = make_sound(tmp_path / "a.mka", tone[None], 44_100, "mono", "pcm_f32le")
    samples = read_audio(path)
    steps = np.abs(np.diff(samples[100:-100]))
    assert steps.max() < 0.4 * 0.05 * 44_100 / 16_000 * 1.05


def test_blocks_join_to_the_whole(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 40_000)).astype(np.float32)
    path = make_sound(tmp_path / "a.wav", noise, 16_000, "mono", "pcm_f32le")
    blocks = list(read_audio_blocks(path, block_s=0.3))
    assert [len(b) for b in blocks] == [4800] * 8 + [1600]
    whole = read_audio(path)
    assert np.array_equal(np.concatenate(blocks), whole)
    assert np.array_equal(whole, noise[0])
    assert np.array_equal(read_audio(path, 0.5, 1.25), whole[8000:20_000])
    assert np.array_equal(read_audio(path, 2.0, 9.0), whole[32_000:])
    assert len(read_audio(path, 5.0)) == 0
    assert len(read_audio(path, 1.0, 1.0)) == 0


def test_audio_without_video_starts_at_its_first_sample(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mka", [], [], audio=clicks(_CLICKS_S, 2.0, 48_000), audio_start_s=7.0)
    assert click_times_s(read_audio(path)) == pytest.approx(_CLICKS_S, abs=0.002)


def test_silent_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, numbered_frames(3), 25)
    assert not probe(path).has_audio
    with pytest.raises(MediaError, match=r"a\.mp4: has no audio"):
        read_audio(path)


@pytest.mark.parametrize("span", [(-1.0, None), (2.0, 1.0)])
def test_span_must_make_sense(tmp_path: Path, span: tuple[float, float | None]) -> None:
    with pytest.raises(ValueError, match="start_s"):
        read_audio(tmp_path / "a.wav", *span)


def test_sample_clip() -> None:
    path = Path(__file__).parents[2] / "docs/assets/speech_sample.mp4"
    samples = read_audio(path)
    assert len(samples) / SAMPLE_RATE_HZ == pytest.approx(8.75, abs=0.05)
    assert np.abs(samples).max() > 0.1
