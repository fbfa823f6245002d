"""Stretches of a timeline, and fewer of them for a drawing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.report.stretches import Stretches, thin
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
from hicmae_cli.timeline import make_timeline
from tests.runtime.stubs import track, window


def test_a_stretch_has_the_window_in_whose_middle_it_is() -> None:
    windows = (
        replace(window(0.0, 2.0, coverage=0.5), speaker="yes"),
        replace(window(1.0, 3.0, coverage=0.75), speaker="no"),
        replace(window(5.0, 7.0, coverage=1.0), speaker="no"),
    )
    person = track(1, *windows)
    timeline = make_timeline(FileResult(Path("a.mp4"), "ok", duration_s=8.0, tracks=(person,)), person)
    stretches = Stretches.of(person, timeline)
    assert stretches.edges_s.tolist() == [0, 1, 2, 3, 5, 7, 8]
    assert stretches.face_seen.tolist() == [0.5, 0.5, 0.75, 0, 1, 0]
    assert stretches.speakers == ("yes", "yes", "no", None, "no", None)
    assert stretches.join_speakers() == [(0, 2, "yes"), (2, 3, "no"), (5, 7, "no")]
    assert timeline.turns is not None
    assert [(turn.start_s, turn.end_s) for turn in timeline.turns] == [(0, 2)]


def test_speech_cuts_the_stretches_and_decides_who_speaks() -> None:
    windows = (replace(window(0.0, 2.0), speaker="yes"), replace(window(2.0, 4.0), speaker="unsure"))
    person = track(1, *windows)
    speech = (Speech(0.5, 1.0, 1), Speech(1.0, 1.5, NOBODY), Speech(2.5, 3.0, UNSURE), Speech(4.5, 5.0, 1))
    file = FileResult(Path("a.mp4"), "ok", duration_s=6.0, tracks=(person,), speech=speech)
    timeline = make_timeline(file, person)
    stretches = Stretches.of(person, timeline, speech)
    assert stretches.edges_s.tolist() == [0, 0.5, 1, 2, 2.5, 3, 4, 4.5, 5, 6]
    assert stretches.join_speakers() == [
        (0, 0.5, "no"),
        (0.5, 1, "yes"),
        (1, 2.5, "no"),
        (2.5, 3, "unsure"),
        (3, 4, "no"),
        (4.5, 5, "yes"),  # also where the person has no window
    ]
    assert stretches.windows[:3] == (windows[0],) * 3 and stretches.windows[-3:] == (None,) * 3
    for at, middle_s in enumerate((stretches.edges_s[1:] + stretches.edges_s[:-1]) / 2):
        expected = timeline.numbers_at(middle_s)
        assert np.array_equal(stretches.means[at], np.full(3, np.nan) if expected is None else expected, equal_nan=True)
    listener = replace(person, windows=tuple(replace(each, speaker="no") for each in windows))
    assert {word for *_, word in Stretches.of(listener, replace(timeline, turns=()), speech).join_speakers()} == {"no"}


def test_one_window_is_one_stretch() -> None:
    person = track(1)
    timeline = make_timeline(FileResult(Path("a.mp4"), "ok", tracks=(person,)), person)
    stretches = Stretches.of(person, timeline)
    assert stretches.windows == person.windows
    assert stretches.join_speakers() == []


@pytest.mark.parametrize("most", [1, 3, 10, 100])
def test_thinning_keeps_the_mean_and_every_gap(most: int) -> None:
    rng = np.random.default_rng(0)
    edges_s = np.cumsum(rng.uniform(0.1, 2, 61))
    numbers = rng.uniform(size=(60, 2))
    numbers[[7, 8, 9, 30, 59]] = np.nan
    fewer_s, means = thin(edges_s, numbers, most)
    assert len(means) == len(fewer_s) - 1 <= most + 2 * 3
    assert (fewer_s[0], fewer_s[-1]) == (edges_s[0], edges_s[-1])
    lost = ~np.isnan(means[:, 0])
    for column in range(2):
        assert np.sum(means[lost, column] * np.diff(fewer_s)[lost]) == pytest.approx(
            np.nansum(numbers[:, column] * np.diff(edges_s))
        )
    assert np.sum(np.diff(fewer_s)[~lost]) == pytest.approx(np.diff(edges_s)[np.isnan(numbers[:, 0])].sum())
