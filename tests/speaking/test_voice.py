"""Voices are told from noises, hum and music, in blocks of any length, at the right time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.speaking.finder import MIN_VOICE
from hicmae_cli.speaking.voice import FRAME_S, VoiceMeter
from tests.runtime.stubs import talk

RATE_HZ = 16000
TIMES_S = np.arange(4 * RATE_HZ) / RATE_HZ


def measure(sound: NDArray[np.floating], block: int = RATE_HZ, start_s: float = 0.0) -> VoiceMeter:
    meter = VoiceMeter(start_s)
    blocks = [sound[at : at + block].astype(np.float32) for at in range(0, len(sound), block)]
    passed = list(meter.listen(blocks))
    assert [len(each) for each in passed] == [len(each) for each in blocks]
    return meter


def harmonics(pitch_hz: float) -> NDArray[np.float64]:
    return np.asarray(sum(0.1 / k * np.sin(2 * np.pi * pitch_hz * k * TIMES_S) for k in range(1, 8)))


@pytest.mark.parametrize("loudness", [0.001, 0.1])
@pytest.mark.parametrize(
    "noise",
    [
        np.random.default_rng(0).normal(0, 1, len(TIMES_S)),
        10 * harmonics(50),
        harmonics(220) + harmonics(277) + harmonics(330),
        harmonics(330) * np.exp(-4 * (TIMES_S % 0.5)),
        (np.exp(-30 * (TIMES_S % 0.5)) * np.random.default_rng(1).normal(0, 1, len(TIMES_S))),
    ],
    ids=["noise", "hum", "chord", "plucked", "drums"],
)
def test_what_is_no_voice(noise: NDArray[np.float64], loudness: float) -> None:
    assert measure(loudness * noise).measure_share(0.0, 4.0) < MIN_VOICE / 5


@pytest.mark.parametrize("seed", range(4))
def test_a_voice_is_one_also_with_hum(seed: int) -> None:
    sound = talk(4.0, seed)
    assert measure(sound).measure_share(0.0, 4.0) > 0.4
    assert measure(sound + 0.02 * harmonics(50)).measure_share(0.0, 4.0) > 0.4


def test_a_voice_is_where_it_is() -> None:
    silence = np.zeros(2 * RATE_HZ)
    meter = measure(np.concatenate([silence, talk(2.0), silence]))
    assert meter.measure_share(0.0, 1.9) == 0
    assert meter.measure_share(2.0, 4.0) > 0.4
    assert meter.measure_share(4.4, 6.0) == 0
    assert meter.measure_share(6.0, 9.0) == 0  # after the end
    levels_db = meter.cut_levels(0, round(7.0 / FRAME_S))
    assert levels_db[: round(1.9 / FRAME_S)].max() < -80 < -50 < np.median(levels_db[round(2.2 / FRAME_S) :][:50])
    assert levels_db[-1] == -100


@pytest.mark.parametrize("block", [100, 512, 777, 5 * RATE_HZ])
def test_the_length_of_the_blocks_changes_nothing(block: int) -> None:
    sound = talk(3.0)
    expected, found = measure(sound), measure(sound, block)
    np.testing.assert_allclose(found.cut_levels(0, 90), expected.cut_levels(0, 90), atol=1e-3)
    assert found.measure_share(0.0, 3.0) == expected.measure_share(0.0, 3.0)


def test_only_the_wanted_part_is_measured_on_the_clock_of_the_input() -> None:
    sound = np.concatenate([np.zeros(60 * RATE_HZ), talk(3.0)])
    late = measure(sound, start_s=60.0)
    whole = measure(sound)
    assert late.measure_share(60.0, 63.0) == pytest.approx(whole.measure_share(60.0, 63.0), abs=0.02)
    np.testing.assert_array_equal(late.cut_levels(1880, 1960), whole.cut_levels(1880, 1960))
    assert len(late._levels_db) < 200 < len(whole._levels_db)


def test_memory_does_not_grow() -> None:
    meter = VoiceMeter()
    block = talk(1.0)
    for second, _ in enumerate(meter.listen(block for _ in range(30))):
        meter.drop_before(second - 2.0)
    assert len(meter._levels_db) == len(meter._probabilities) < 4 / FRAME_S
    assert meter.measure_share(28.0, 30.0) > 0.3


@pytest.mark.parametrize("block", [512, 777, 40 * RATE_HZ])
def test_stretches_of_voice_are_the_frames_with_one_also_after_they_are_forgotten(block: int) -> None:
    silence = np.zeros(RATE_HZ)
    sound = np.concatenate([silence, talk(3.0), silence, talk(31.0, 1), silence])
    meter = VoiceMeter()
    voiced: list[float] = []
    for at in range(0, len(sound), block):
        for _ in meter.listen([sound[at : at + block].astype(np.float32)]):
            pass
        known = min(len(sound), at + block) // 512
        voiced += [meter.measure_share(i * FRAME_S, (i + 1) * FRAME_S) for i in range(len(voiced), known)]
        meter.drop_before(at / RATE_HZ)
    spans = meter.list_voices(0, 100_000)
    assert len(spans) >= 5 and spans[0][0] > 900
    assert all(first_end < start < end for (_, first_end), (start, end) in pairwise([(-1, -1), *spans]))
    expected = [any(start <= 32 * i < end for start, end in spans) for i in range(len(voiced))]
    assert [bool(each) for each in voiced] == expected
    start, end = spans[1]
    assert meter.list_voices(start + 5, end - 5) == [(start + 5, end - 5)]
    assert meter.list_voices(0, spans[0][0]) == []
