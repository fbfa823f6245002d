"""The page's scripts cut and measure sound as hicmae does, and give a voice to the same people."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.speaking.decide import SpeakerJudge
from hicmae_cli.speaking.finder import Hearing, _compare
from hicmae_cli.speaking.mouths import MouthReading, measure_openings
from hicmae_cli.speaking.sync import measure_sync
from hicmae_cli.speaking.voice import _measure_levels
from tests.web.node import needs_node, run_script

pytestmark = needs_node


def test_the_same_people_speak() -> None:
    generator = np.random.default_rng(3)
    syncs = [
        {track: None if generator.random() < 0.15 else round(generator.uniform(0, 0.9), 3) for track in (1, 2)}
        for _ in range(60)
    ]
    openings = generator.normal(0.1, 0.03, (6, 120))
    openings[generator.random(openings.shape) < 0.2] = np.nan
    openings[5, :90] = np.nan
    levels = generator.normal(-40, 12, (6, 120))
    levels[0] = np.roll(np.nan_to_num(openings[0], nan=0.1), 2) * 300 - 70
    found = run_script(
        """
        const { decide, measureSync } = await load("speakers.js");
        let last = new Map();
        const answers = data.syncs.map((each) => {
            last = decide(new Map(Object.entries(each)), last);
            return Object.fromEntries(last);
        });
        const nan = (row) => row.map((v) => v ?? NaN);
        return { answers, syncs: data.openings.map((row, i) => measureSync(nan(row), data.levels[i])) };
        """,
        {
            "syncs": syncs,
            "openings": [[None if np.isnan(v) else v for v in row] for row in openings],
            "levels": levels.tolist(),
        },
    )
    judge = SpeakerJudge()
    assert found["answers"] == [{str(track): answer for track, answer in judge.judge(each).items()} for each in syncs]
    expected = [
        measure_sync(row.astype(np.float32), level.astype(np.float32))
        for row, level in zip(openings, levels, strict=True)
    ]
    assert expected[5] is None and expected[0] is not None and expected[0] > 0.8
    for sync, wanted in zip(found["syncs"], expected, strict=True):
        assert sync == (None if wanted is None else pytest.approx(wanted, abs=1e-3))


def test_lips_and_levels_are_measured_alike() -> None:
    generator = np.random.default_rng(4)
    faces = generator.normal(100, 30, (3, 478, 2)).astype(np.float32)
    sound = (0.2 * generator.standard_normal((4, 512))).astype(np.float32)
    sound[3] = 0
    found = run_script(
        """
        const { measureLevel, measureOpening } = await load("speakers.js");
        return [data.faces.map(measureOpening), data.sound.map((row) => measureLevel(Float32Array.from(row)))];
        """,
        {"faces": faces.reshape(3, -1).tolist(), "sound": sound.tolist()},
    )
    assert found[0] == pytest.approx(measure_openings(faces).tolist(), rel=1e-5)
    assert found[1] == pytest.approx(_measure_levels(sound).tolist(), abs=1e-3)


def test_a_tone_survives_resampling_and_what_is_above_the_band_does_not() -> None:
    found = run_script(
        """
        const { DECODED_HZ, resample } = await load("resampling.js");
        return data.map((hz) => Array.from(resample(Float32Array.from({ length: DECODED_HZ / 4 },
            (_, i) => Math.sin((2 * Math.PI * hz * i) / DECODED_HZ)))));
        """,
        [1000, 9000],
    )
    times = np.arange(4000) / 16000
    inside = slice(100, -100)
    assert np.array(found[0])[inside] == pytest.approx(np.sin(2 * np.pi * 1000 * times)[inside], abs=1e-3)
    assert np.abs(np.array(found[1])[inside]).max() < 1e-3


def test_the_same_sound_reaches_the_model() -> None:
    """Also at the end of a sound, where it is silent, and where it is shorter than a spectrum."""
    sound = np.random.default_rng(6).normal(0, 0.1, 30000).astype(np.float32)
    sound[8000:20000] = 1 / 40000
    times = [(0.0, 0.64), (0.16, 0.4), (0.55, 1.2), (0.64, 3.2), (1.86, 4.0), (1.87, 4.0), (2.5, 3.0)]
    found = run_script(
        """
        const { cutSound } = await load("model.js");
        const sound = Float32Array.from(data.sound);
        return data.times.map(([start, end]) => cutSound(sound, start, end)).map((cut) => cut && [cut.length, cut[0]]);
        """,
        {"sound": sound.tolist(), "times": times},
    )
    sliding = SlidingSound([sound])
    cuts = [sliding.cut(*each) for each in times]
    expected = [[len(cut), float(cut[0])] if cut is not None and len(cut) >= MIN_SAMPLES else None for cut in cuts]
    assert found == expected and None in found[2:-1] and found[-1] is None


def test_the_voice_is_given_to_the_same_people() -> None:
    hearings = [
        (voice, dict(zip((1, 2), speakers, strict=True)))
        for voice in (0.09, 0.1)
        for speakers in itertools.product(("yes", "no", "unsure"), repeat=2)
    ]
    found = run_script(
        """
        const { isVoiceOf } = await load("speakers.js");
        return data.map(([voice, speakers]) => [1, 2, 0].map((track) => isVoiceOf(
            { voice, speakers: new Map(Object.entries(speakers).map(([each, answer]) => [Number(each), answer])) },
            track)));
        """,
        hearings,
    )
    assert found == [[Hearing(*each).is_voice_of(track) for track in (1, 2, None)] for each in hearings]


def test_a_mouth_is_compared_with_the_sound_alike() -> None:
    """Read often; with a gap; on few pictures; too late."""
    generator, readings = np.random.default_rng(7), list[list[MouthReading]]()
    times = (np.arange(120) + 0.5) * 0.032
    levels = (20 * np.sin(3 * times) - 40).astype(np.float32)
    for step, rate in ((0.04, 1), (0.09, 1), (0.04, 8), (0.2, 1)):
        moments = np.arange(0, 4, step)
        openings = 0.1 + 0.05 * np.sin(3 * moments) + generator.normal(0, 0.1, len(moments))
        readings.append(
            [MouthReading(1, t, o, i // rate) for i, (t, o) in enumerate(zip(moments, openings, strict=True))]
        )
    readings += [readings[0][:40] + readings[0][60:], [MouthReading(1, 9.0, 0.1, 1)] * 2, readings[0][:1]]
    found = run_script(
        """
        const { compare } = await load("speakers.js");
        return data.readings.map((each) =>
            compare(each.map(([timeS, opening, picture]) => ({ timeS, opening, picture })), data.times, data.levels));
        """,
        {
            "readings": [[(float(r.time_s), float(r.opening), r.picture) for r in each] for each in readings],
            "times": times.tolist(),
            "levels": levels.tolist(),
        },
    )
    expected = [_compare(each, times, levels) for each in readings]
    assert expected[3] is None and sum(each is not None for each in expected) >= 3
    assert found == [None if each is None else pytest.approx(each, abs=1e-3) for each in expected]
