from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.clips.views import View, draw_training_view, select_evaluation_views
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
