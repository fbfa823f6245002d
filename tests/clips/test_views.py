from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.clips.views import (
    View,
    draw_timed_view,
    draw_training_view,
    select_evaluation_views,
    select_timed_views,
)
from tests import reference


def test_match_the_authors() -> None:
    rows = reference.read_json("test_views.json")["rows"]
    assert len(rows) > 800
    for num_frames, rate, segment, *expected in rows:
        view = select_evaluation_views(num_frames, 16000 * num_frames // 25, rate)[segment]
        got = [view.frames[0], view.frames[-1], len(set(view.frames)), view.audio_start, view.audio_end]
        assert got == expected, (num_frames, rate, segment)


@given(st.integers(1, 400), st.integers(1, 8), st.integers(0, 10**6))
def test_training_views_stay_inside(num_frames: int, rate: int, seed: int) -> None:
    num_samples = num_frames * 640
    view = draw_training_view(num_frames, num_samples, rate, np.random.default_rng(seed))
    assert len(view.frames) == 16
    assert list(view.frames) == sorted(view.frames)
    assert 0 <= view.frames[0] <= view.frames[-1] < num_frames
    assert 0 <= view.audio_start <= view.audio_end <= num_samples


def test_training_views_of_long_clips_span_the_window() -> None:
    view = draw_training_view(200, 128000, 4, np.random.default_rng(0))
    assert view.frames[-1] - view.frames[0] == 63
    starts = {draw_training_view(200, 128000, 4, np.random.default_rng(s)).frames[0] for s in range(40)}
    assert len(starts) > 20


def test_a_tiny_cut_falls_back_to_a_short_sound_and_refuses_a_long_one() -> None:
    view = View((0,) * 16, 0, 500)
    short = np.arange(20000, dtype=np.float32)
    assert view.cut_audio(short) is short
    with pytest.raises(ValueError, match="same clip"):
        view.cut_audio(np.zeros(50000, np.float32))


@pytest.mark.parametrize(("frames", "rate"), [(0, 4), (10, 0)])
def test_impossible_clips_are_refused(frames: int, rate: int) -> None:
    with pytest.raises(ValueError, match="views"):
        select_evaluation_views(frames, 16000, rate)


RATES = (Fraction(12), Fraction(25), Fraction(30000, 1001), Fraction(60))


def times_at(fps: Fraction, length_s: float) -> np.ndarray:
    """When the frames of a recording appear, in whole milliseconds as Matroska stores them."""
    return np.round([float(index / fps) for index in range(int(length_s * fps))], 3)


@given(st.sampled_from(RATES), st.floats(0.2, 12), st.integers(0, 10**6))
def test_views_by_time_show_the_frame_nearest_to_each_step(fps: Fraction, length_s: float, seed: int) -> None:
    times_s, num_samples = times_at(fps, length_s), round(length_s * 16000)
    drawn = draw_timed_view(times_s, length_s, num_samples, np.random.default_rng(seed))
    first, last = select_timed_views(times_s, length_s, num_samples)
    assert first.audio_start == 0 and last.audio_end == pytest.approx(num_samples, abs=1)
    for view in (first, drawn, last):
        assert view.audio_end - view.audio_start == min(40960, num_samples)
        assert list(view.frames) == sorted(view.frames) and len(view.frames) == 16
        steps_s = view.audio_start / 16000 + 0.16 * np.arange(16)
        # A short clip repeats its last step, and its last frame is up to a frame before the end.
        inside = steps_s <= times_s[-1]
        assert np.abs(times_s[list(view.frames)] - steps_s)[inside].max() <= 0.5 / fps + 2e-3
        assert len({*np.array(view.frames)[~inside]}) <= 2


def test_another_frame_rate_shows_the_same_times_and_the_same_sound() -> None:
    """Counting every fourth frame shows 5.3 s at 12 frames/s and 1.1 s at 60."""
    timed = [select_timed_views(times_at(fps, 8.7), 8.7, 139200) for fps in RATES]
    for place in range(2):
        assert len({(views[place].audio_start, views[place].audio_end) for views in timed}) == 1
        shown = [times_at(fps, 8.7)[list(views[place].frames)] for fps, views in zip(RATES, timed, strict=True)]
        assert np.ptp(shown, axis=0).max() <= 1 / 12
    counted = [select_evaluation_views(int(8.7 * fps), 139200, 4)[0] for fps in RATES]
    spans_s = [float((view.frames[-1] + 4) / fps) for view, fps in zip(counted, RATES, strict=True)]
    assert max(spans_s) > 4.9 * min(spans_s)


def test_views_by_time_draw_every_start() -> None:
    times_s = times_at(Fraction(25), 10)
    starts = [draw_timed_view(times_s, 10.0, 160000, np.random.default_rng(seed)).audio_start for seed in range(60)]
    assert min(starts) < 16000 and max(starts) > 6.4 * 16000 and max(starts) <= 7.44 * 16000


def test_a_view_by_time_without_its_sound_has_none() -> None:
    """It takes no sound of another time; views of counted frames match sound by its place in the clip instead."""
    last = select_timed_views(times_at(Fraction(25), 8), 8.0, 48000)[1]
    assert len(last.cut_audio(np.ones(48000, np.float32))) == 0
    with pytest.raises(ValueError, match="expected frames"):
        select_timed_views(np.zeros(0), 1.0, 16000)
