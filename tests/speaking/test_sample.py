"""Who speaks in the sample clip, where the right one of two people speaks; and who with other voices."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.media import read_frames
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.sources import Arrays
from hicmae_cli.runtime.speech import NOBODY
from hicmae_cli.speaking.finder import MIN_VOICE
from tests.runtime.stubs import ToyEngine, talk

pytestmark = pytest.mark.slow


def left_and_right(result: FileResult) -> list[Track]:
    assert len(result.tracks) == 2, result.message
    return sorted(result.tracks, key=lambda track: track.windows[0].boxes[0].x_px)


def measure_speech(result: FileResult) -> dict[int | str, float]:
    """Seconds of speech by speaker."""
    total_s: dict[int | str, float] = defaultdict(float)
    for each in result.speech or ():
        total_s[each.speaker] += each.end_s - each.start_s
    return total_s


def test_the_right_one_speaks(sample: Path) -> None:
    result = Predictor(ToyEngine()).predict(sample)
    left, right = left_and_right(result)
    voiced = [window for window in right.windows if (window.voice or 0) >= MIN_VOICE]
    assert len(voiced) >= 10
    assert np.mean([window.speaker == "yes" for window in voiced]) >= 0.9
    assert all(window.speaker == "no" for window in left.windows)
    assert result.speech is not None and {each.speaker for each in result.speech} == {right.id}
    assert len(result.speech) >= 3 and 0.9 <= result.speech[0].start_s <= 1.2
    assert 5.0 <= measure_speech(result)[right.id] <= 6.5
    assert [window.modality for window in left.windows] == ["video"] * len(left.windows)
    assert [window.modality == "av" for window in right.windows] == [w.speaker == "yes" for w in right.windows]


@pytest.mark.parametrize("seed", range(3))
def test_nobody_speaks_with_another_voice(sample: Path, seed: int) -> None:
    frames = list(read_frames(sample))
    times_s = np.array([frame.time_s for frame in frames])
    spoken = talk(float(times_s[-1]), seed)
    source = Arrays(
        frames=np.stack([frame.rgb for frame in frames]), times_s=times_s, samples=spoken, sample_rate_hz=16000
    )
    result = Predictor(ToyEngine()).predict(source)
    tracks = left_and_right(result)
    assert all((window.voice or 0) >= MIN_VOICE for window in tracks[0].windows)
    answers = [{left.speaker, right.speaker} for left, right in zip(*(t.windows for t in tracks), strict=True)]
    assert np.mean([each == {"no"} for each in answers]) >= 0.7
    assert np.mean(["yes" in each for each in answers]) <= 0.1
    spoken_s = measure_speech(result)
    assert spoken_s[NOBODY] >= 0.7 * sum(spoken_s.values())
