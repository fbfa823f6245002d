"""Sound at 16 kHz mono on the video's clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.media import audio, mixer, probe, read_audio, read_audio_blocks, read_frames, write_video
from hicmae_cli.media import source as media_source
from hicmae_cli.model_input import SAMPLE_RATE_HZ
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


def _speechlike(length_s: float, rate_hz: int, channels: int = 1) -> NDArray[np.float32]:
    """Chirps and steady noise: a shift by one sample shows."""
    rng = np.random.default_rng(5)
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    chirps = 0.3 * np.sin(2 * np.pi * (200 * time_s + 300 * np.sin(2 * time_s)))
    smooth = np.convolve(rng.normal(0, 0.1, len(time_s)), np.ones(24) / 24, "same")
    return np.tile((chirps + smooth).astype(np.float32), (channels, 1))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Samples of every frame that is decoded."""
    counts: list[int] = []

    def counting(*arguments: Any, **options: Any) -> Iterator[AudioFrame]:
        for frame in decode(*arguments, **options):
            counts.append(frame.samples)
            yield frame

    decode = media_source.decode_audio
    monkeypatch.setattr(audio, "decode_audio", counting)
    return counts


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz", "tolerance", "with_video"),
    [
        (".wav", "pcm_s16le", 16_000, 0, False),
        (".flac", "flac", 16_000, 0, False),
        (".mkv", "flac", 16_000, 0, False),
        (".mkv", "flac", 16_000, 0, True),
        (".mkv", "pcm_s16le", 16_000, 0, False),
        (".wav", "pcm_s16le", 44_100, 1e-5, False),
        (".wav", "pcm_s16le", 22_050, 1e-5, False),
        (".wav", "pcm_s16le", 8_000, 1e-5, False),
        (".flac", "flac", 48_000, 1e-5, False),
        (".mkv", "flac", 44_100, 1e-5, False),
        (".mkv", "pcm_f32le", 44_100, 1e-5, False),
        (".mov", "pcm_s16le", 48_000, 1e-5, True),
        # AAC may code noise as "some noise": another one each time.
        (".mp4", "aac", 44_100, 0.01, False),
        (".mp4", "aac", 44_100, 0.01, True),
        (".mp4", "aac", 16_000, 1e-3, False),
        (".mkv", "aac", 44_100, 0.01, False),
        (".mkv", "aac", 44_100, 0.01, True),
        (".mkv", "libopus", 48_000, 0.02, False),
        (".ts", "mp2", 48_000, 0, True),
        (".ogg", "libopus", 48_000, 0, False),
    ],
)
def test_the_middle_equals_the_middle_of_the_whole(
    tmp_path: Path, heard: list[int], suffix: str, codec: str, rate_hz: int, tolerance: float, with_video: bool
) -> None:
    count = 25 * 12 if with_video else 0
    path = make_video(
        tmp_path / f"a{suffix}",
        numbered_frames(min(count, 50)) * (count // 50),
        [3 + Fraction(i, 25) for i in range(count)],
        audio=_speechlike(12, rate_hz),
        audio_rate_hz=rate_hz,
        audio_codec=codec,
        audio_start_s=3.1 if with_video else 0,
        options={"g": "25"},
    )
    whole = read_audio(path)
    all_heard = sum(heard)
    for start_s, end_s in [(0.0, 1.0), (0.4, 2.0), (6.123, 8.683), (11.0, 40.0)]:
        heard.clear()
        middle = read_audio(path, start_s, end_s)
        expected = whole[round(start_s * 16_000) : round(end_s * 16_000)]
        assert len(middle) == pytest.approx(len(expected), abs=1 if tolerance else 0)
        shortest = min(len(middle), len(expected))
        assert np.abs(middle[:shortest] - expected[:shortest]).max() <= tolerance, (start_s, end_s)
        # The maker puts 10 s of pictures before any sound.
        if suffix not in (".ts", ".ogg") and not (with_video and suffix == ".mkv"):
            assert sum(heard) < 0.4 * all_heard


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_little_is_heard_for_the_end_of_a_long_clip(tmp_path: Path, heard: list[int], codec: Any) -> None:
    sound = _speechlike(40, 16_000)[0]
    path = tmp_path / "a.mkv"
    write_video(path, numbered_frames(50) * 20, 25, sound, video_codec=codec)
    stored = np.round(sound * 32768) / 32768
    assert np.array_equal(read_audio(path, 36.1, 38.66), stored[577_600:618_560])
    assert sum(heard) < 16_000 * (12 if codec == "libx264" else 4)


@pytest.mark.parametrize("start_s", [0.65, 0.8, 1.2])
def test_gaps_become_silence_in_the_middle_too(tmp_path: Path, start_s: float) -> None:
    path = make_video(
        tmp_path / "a.mkv",
        numbered_frames(50),
        [Fraction(i, 25) for i in range(50)],
        audio=_speechlike(2.0, 48_000),
        audio_cuts=[(0.5, 0.7), (0.9, 1.3)],
        options={"g": "5"},
    )
    whole = read_audio(path)
    start = round(start_s * 16_000)
    assert np.abs(read_audio(path, start_s) - whole[start:]).max() < 1e-5


def test_sound_after_a_gap_late_in_a_long_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_MAX_GAP_SAMPLES", 16_000)  # of an hour
    path = make_video(tmp_path / "a.mka", [], [], audio=clicks([0.3, 1.9], 2.5, 48_000), audio_cuts=[(1.2, 1.6)])
    assert click_times_s(read_audio(path)) == pytest.approx([0.3, 1.9], abs=0.002)


@pytest.mark.parametrize("kind", ["s16", "s16p", "flt", "fltp"])
def test_sound_that_needs_no_filters_is_what_they_would_give(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-32768, 32768, 1152).astype(np.int16)
    samples = values if kind.startswith("s16") else (values / 20000).astype(np.float32)

    def mixed() -> np.ndarray:
        frames = [AudioFrame.from_ndarray(samples[None], format=kind, layout="mono") for _ in range(2)]
        for frame in frames:
            frame.sample_rate = 16000
        mix = mixer.Mixer(frames[0])
        return np.concatenate([*(mix.mix(frame) for frame in frames), mix.finish()])

    plain = mixed()
    monkeypatch.setattr(mixer, "_AS_THEY_ARE", set())
    filtered = mixed()
    assert plain.dtype == filtered.dtype == np.float32
    assert np.array_equal(plain, filtered)
