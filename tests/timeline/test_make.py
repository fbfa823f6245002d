"""Timelines against a plain answer for every millisecond, and against tables worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.errors import SettingsError
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
from hicmae_cli.timeline import Episode, Gap, Timeline, Turn, make_timeline, make_timelines
from tests.report.toys import blends, regression
from tests.runtime.stubs import LABELS, track, window

ANGRY, HAPPY, CALM = (0.75, 0.25, 0.0), (0.25, 0.75, 0.0), (0.125, 0.125, 0.75)


def of(*tracks: Track, duration_s: float | None = 10.0) -> FileResult:
    return FileResult(Path("a.mp4"), "ok", "", duration_s, 25.0, tracks)


def timeline(
    *windows: Window, duration_s: float | None = 10.0, smooth_s: float = 0.0, abstain: float = 0.0
) -> Timeline:
    person = track(1, *windows)
    return make_timeline(of(person, duration_s=duration_s), person, smooth_s=smooth_s, abstain=abstain)


def spans(made: Timeline) -> list[tuple[float, float, str | None]]:
    return [(each.start_s, each.end_s, each.label) for each in made.episodes]


@st.composite
def many_windows(draw: st.DrawFn) -> list[Window]:
    """Windows in order of time, with gaps and overlaps; their probabilities are eighths, so that sums are exact."""
    windows = []
    for start_ms in sorted(draw(st.lists(st.integers(0, 60), min_size=1, max_size=12))):
        length_ms = draw(st.integers(1, 20))
        first = draw(st.integers(0, 8))
        second = draw(st.integers(0, 8 - first))
        row = (first / 8, second / 8, (8 - first - second) / 8)
        windows.append(window(start_ms / 1000, (start_ms + length_ms) / 1000, row))
    return windows


@settings(max_examples=60, deadline=None)
@given(windows=many_windows(), duration_ms=st.integers(0, 90), abstain=st.sampled_from([0.0, 0.5, 0.75]))
def test_each_millisecond_has_the_label_of_the_mean_over_it(
    windows: list[Window], duration_ms: int, abstain: float
) -> None:
    made = timeline(*windows, duration_s=duration_ms / 1000, abstain=abstain)
    end_ms = max(duration_ms, *(round(1000 * each.end_s) for each in windows))
    assert (made.start_s, made.end_s) == (0, end_ms / 1000)
    judged = 0
    for at_ms in range(end_ms):
        time_s = (at_ms + 0.5) / 1000
        rows = [list(each.scores.by_name.values()) for each in windows if each.start_s <= time_s < each.end_s]
        episode = made.episode_at(time_s)
        assert (episode is None) is (made.numbers_at(time_s) is None) is (not rows)
        if episode is not None:
            mean = np.mean(rows, axis=0)
            assert made.numbers_at(time_s) == pytest.approx(mean)
            assert episode.label == (LABELS[int(mean.argmax())] if mean.max() >= abstain else None)
            assert mean.max() <= episode.peak
            judged += 1
        assert any(gap.start_s <= time_s < gap.end_s for gap in made.gaps) is (not rows)
    assert made.coverage == pytest.approx(judged / end_ms)
    parts = [(each.start_s, each.end_s) for each in made.episodes] + [(each.start_s, each.end_s) for each in made.gaps]
    parts.sort()
    assert [start for start, _ in parts] == [0, *(end for _, end in parts[:-1])] and parts[-1][1] == made.end_s
    for first, second in zip(made.episodes, made.episodes[1:], strict=False):
        assert first.label != second.label or first.end_s < second.start_s


@settings(max_examples=30, deadline=None)
@given(windows=many_windows(), smooth_s=st.sampled_from([0.0, 0.005, 0.03]))
def test_it_is_the_same_from_the_json(windows: list[Window], smooth_s: float) -> None:
    shifted = [replace(each, start_s=each.start_s + 1 / 3000, end_s=each.end_s + 1 / 3000) for each in windows]
    person = track(1, *shifted)
    file = of(person, duration_s=0.09)
    again = FileResult.from_dict(json.loads(json.dumps(file.to_dict())))
    first = make_timeline(file, person, smooth_s=smooth_s)
    second = make_timeline(again, again.tracks[0], smooth_s=smooth_s)
    assert first.to_dict() == second.to_dict()
    assert np.array_equal(first.means, second.means, equal_nan=True)
    turned = track(1, *reversed(shifted))
    same = [
        each
        for each in shifted
        if (each.start_s, each.end_s) in {(o.start_s, o.end_s) for o in shifted if o is not each}
    ]
    if not same:
        assert make_timeline(of(turned, duration_s=0.09), turned, smooth_s=smooth_s).to_dict() == first.to_dict()


def test_an_episode_has_its_mean_its_peak_and_their_time() -> None:
    made = timeline(window(0, 4, HAPPY), window(2, 6, CALM), window(8, 10, CALM))
    # 0 to 2: happiness 0.75; 2 to 4: the mean, happiness 0.4375 and neutral 0.375; then neutral 0.75.
    assert made.episodes == (
        Episode(0.0, 4.0, "happiness", (0.75 + 0.4375) / 2, 0.75, 1.0, ("happiness",)),
        Episode(4.0, 6.0, "neutral", 0.75, 0.75, 5.0, ("neutral",)),
        Episode(8.0, 10.0, "neutral", 0.75, 0.75, 9.0, ("neutral",)),
    )
    assert made.gaps == (Gap(6.0, 8.0, "no face"),)
    assert made.coverage == 0.8
    assert made.times_s.tolist() == [2, 4, 9] and made.numbers.shape == (3, 3)


def test_an_instant_below_the_smallest_probability_has_no_label() -> None:
    windows = (window(0, 4, HAPPY), window(2, 6, CALM))
    made = timeline(*windows, duration_s=6.0, abstain=0.5)
    assert spans(made) == [(0, 2, "happiness"), (2, 4, None), (4, 6, "neutral")]
    assert made.episodes[1].labels == () and made.episodes[1].probability == 0.4375
    assert made.coverage == 1 and made.gaps == ()
    assert spans(timeline(*windows, duration_s=6.0, abstain=1.0)) == [(0, 6, None)]


def test_smoothing_averages_neighbours_but_not_over_a_gap() -> None:
    windows = [window(at, at + 1, HAPPY if at == 2 else ANGRY) for at in range(5)]
    assert spans(timeline(*windows, duration_s=5.0)) == [(0, 2, "anger"), (2, 3, "happiness"), (3, 5, "anger")]
    made = timeline(*windows, duration_s=5.0, smooth_s=2.0)
    assert spans(made) == [(0, 5, "anger")]
    assert made.numbers[:, 0] == pytest.approx(
        [0.75, (0.75 * 2 + 0.25) / 3, (0.75 * 2 + 0.25) / 3, (0.75 * 2 + 0.25) / 3, 0.75]
    )
    assert timeline(*windows, smooth_s=1.999).numbers.tolist() == timeline(*windows).numbers.tolist()
    apart = timeline(window(0, 1, HAPPY), window(3, 4, ANGRY), window(4, 5, ANGRY), smooth_s=60.0)
    assert apart.numbers.tolist() == [list(HAPPY), list(ANGRY), list(ANGRY)]


def test_a_regression_has_values_at_every_instant_and_no_episodes() -> None:
    (file,) = regression().files
    made = make_timeline(file, file.tracks[0], smooth_s=8.0)
    assert made.episodes == () and made.gaps == () and made.coverage == 1
    assert made.names == ("arousal", "valence")
    assert made.means == pytest.approx(np.array([[5.375, 0.25], [5.375, 0.25]]))
    assert "episodes" not in made.to_dict()
    plain = make_timeline(file, file.tracks[0])
    row = plain.numbers_at(1.0)
    assert row is not None and row.tolist() == [-1.5, 0.25]
    assert plain.numbers_at(-0.1) is None and plain.numbers_at(8.0) is None


def test_a_set_has_all_its_labels_and_the_probability_of_the_least() -> None:
    (file,) = blends().files
    made = make_timeline(file, file.tracks[0])
    assert [(each.label, each.labels, each.probability) for each in made.episodes] == [
        ("anger+fear", ("anger", "fear"), 0.75),
        ("fear", ("fear",), 0.75),
    ]
    sure = make_timeline(file, file.tracks[0], abstain=0.8)
    assert [(each.label, each.probability) for each in sure.episodes] == [("fear", 1.0), (None, 0.75)]
    # Below one half, the most probable label is the set, as in a window.
    low = Window(0, 8, Scores.of(("anger", "fear", "sadness"), np.array((0.1, 0.4, 0.3)), "multilabel"), 1.0, "av")
    person = replace(file.tracks[0], windows=(low,))
    assert [each.label for each in make_timeline(file, person).episodes] == ["fear"]
    assert [each.label for each in make_timeline(file, person, abstain=0.41).episodes] == [None]


def test_the_gaps_of_the_voice_say_whether_a_face_is_there() -> None:
    person = track(1, window(1, 3), window(5, 6))
    voice = track(0, window(0, 1, modality="audio"), window(3, 4, modality="audio"), modality="audio")
    file = of(person, voice, duration_s=7.0)
    assert make_timeline(file, voice).gaps == (
        Gap(1, 3, "a face is visible"),
        Gap(4, 5, "no voice"),
        Gap(5, 6, "a face is visible"),
        Gap(6, 7, "no voice"),
    )
    assert make_timeline(file, person).gaps == (Gap(0, 1, "no face"), Gap(3, 5, "no face"), Gap(6, 7, "no face"))
    required = make_timeline(file, person, PredictSettings(modality="av"))
    assert {gap.reason for gap in required.gaps} == {"no face, or no voice of this person"}


def test_only_the_part_that_was_asked_for_can_have_gaps() -> None:
    person = track(1, window(4, 5), window(5, 6))
    made = make_timeline(of(person), person, PredictSettings(start_s=3.0, end_s=7.0))
    assert (made.start_s, made.end_s, made.coverage) == (3, 7, 0.5)
    assert made.gaps == (Gap(3, 4, "no face"), Gap(6, 7, "no face"))
    to_the_end = make_timeline(of(person), person, PredictSettings(start_s=3.0, end_s=70.0))
    assert to_the_end.end_s == 10
    assert make_timeline(of(person, duration_s=None), person).end_s == 6


def test_a_person_speaks_where_half_of_the_windows_say_so() -> None:
    said = (None, "no", "yes", "yes", "unsure", "no")
    person = track(1, *(replace(window(at, at + 2), speaker=word) for at, word in enumerate(said)))
    made = make_timeline(of(person), person)
    # 1-2 no; 2-3 no, yes; 3-4 yes, yes; 4-5 yes, unsure; 5-6 unsure, no; 6-7 no.
    assert made.turns == (Turn(2, 5),)
    assert made.to_dict()["turns"] == [{"start_s": 2, "end_s": 5}]
    assert timeline(window()).turns is None and timeline(window()).to_dict()["turns"] is None
    quiet = track(1, replace(window(), speaker="unsure"))
    assert make_timeline(of(quiet), quiet).turns == ()


def test_where_speech_is_known_turns_are_the_persons_stretches_of_it() -> None:
    """A document from before has windows only, of which `test_a_person_speaks_where...` tells."""
    people = [track(number, replace(window(0, 4), speaker="yes")) for number in (1, 2)]
    speech = (Speech(0.5, 1.0, 1), Speech(1.0, 1.25, UNSURE), Speech(2.0, 2.5, 1), Speech(2.5, 3.0, NOBODY))
    file = replace(of(*people, track(0, modality="audio")), speech=speech)
    again = FileResult.from_dict(json.loads(json.dumps(file.to_dict())))
    assert again.speech == speech
    for each in (file, again):
        first, second, voice = make_timelines(each)
        assert first.turns == (Turn(0.5, 1.0), Turn(2.0, 2.5))
        assert second.turns == () and voice.turns is None
    before = file.to_dict()
    del before["speech"]
    assert make_timelines(FileResult.from_dict(before))[0].turns == (Turn(0, 4),)


def test_settings_decide_unless_the_call_does() -> None:
    person = track(1, window(0, 4, HAPPY), window(2, 6, CALM))
    given = PredictSettings(abstain=0.5)
    assert [each.label for each in make_timeline(of(person), person, given).episodes] == ["happiness", None, "neutral"]
    assert None not in [each.label for each in make_timeline(of(person), person, given, abstain=0.0).episodes]
    for wrong_s in (-1.0, float("nan")):
        with pytest.raises(SettingsError, match="smooth_s="):
            make_timeline(of(person), person, smooth_s=wrong_s)
    with pytest.raises(SettingsError, match=r"abstain=1.5: expected a probability"):
        make_timeline(of(person), person, abstain=1.5)


def test_equal_names_are_told_apart() -> None:
    people = [replace(track(number), name="Anna") for number in (1, 2, 3)]
    assert [made.name for made in make_timelines(of(*people))] == ["Anna", "Anna (2)", "Anna (3)"]
