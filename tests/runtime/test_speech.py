"""Who speaks in each stretch of voice: against tables worked out by hand, and a plain answer for every millisecond."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.runtime.speech import NOBODY, UNSURE, HeardWindow, Speech, find_speech
from hicmae_cli.speaking import Hearing

Answers = dict[int, str]
A_SPEAKS, B_SPEAKS, OFF_SCREEN = {1: "yes", 2: "no"}, {1: "no", 2: "yes"}, {1: "no", 2: "no"}


def hear(*answers: Answers, hop_ms: int = 1000, length_ms: int = 2000, voice: float = 1.0) -> list[HeardWindow]:
    return [(at * hop_ms, at * hop_ms + length_ms, Hearing(voice, each)) for at, each in enumerate(answers)]


def spans(voices_ms: list[tuple[int, int]], windows: list[HeardWindow]) -> list[tuple[float, float, int | str]]:
    return [(each.start_s, each.end_s, each.speaker) for each in find_speech(voices_ms, windows, (1, 2))]


def test_pauses_are_nobodys_and_a_stretch_ends_where_the_speaker_changes() -> None:
    heard = hear(A_SPEAKS, A_SPEAKS, B_SPEAKS, B_SPEAKS, OFF_SCREEN, OFF_SCREEN)
    # 0-1: A; 1-2: A, A; 2-3: A, B, as before; 3-4: B, B; 4-5: B, nobody; 5-6: nobody, nobody; 6-7: nobody.
    assert spans([(500, 1250), (1500, 3500), (3700, 6000), (6900, 7000)], heard) == [
        (0.5, 1.25, 1),
        (1.5, 3, 1),
        (3, 3.5, 2),
        (3.7, 5, 2),
        (5, 6, NOBODY),
        (6.9, 7, NOBODY),
    ]
    assert spans([], heard) == []


def test_a_doubt_and_a_moment_that_no_window_with_a_voice_judges_are_unsure() -> None:
    doubt = {1: "unsure", 2: "no"}
    assert spans([(0, 3000)], hear(doubt, doubt)) == [(0, 3, UNSURE)]
    # 1-2: half of the windows say off-screen.
    assert spans([(0, 3000)], hear(doubt, OFF_SCREEN)) == [(0, 1, UNSURE), (1, 3, NOBODY)]
    assert spans([(0, 500)], hear({1: "no", 2: "no"}, voice=0.05)) == [(0, 0.5, UNSURE)]
    assert spans([(2100, 2900)], hear(A_SPEAKS, A_SPEAKS, hop_ms=3000)) == [(2.1, 2.9, UNSURE)]
    assert spans([(0, 500)], hear({})) == [(0, 0.5, NOBODY)]  # nobody is in view


def test_a_window_that_does_not_show_a_person_says_nothing_about_the_person() -> None:
    # From 1 to 2 s, one of A's two windows says yes, and the only one of B.
    assert spans([(0, 3000)], hear({1: "yes"}, B_SPEAKS)) == [(0, 1, 1), (1, 3, 2)]


def test_a_speaker_without_a_track_is_not_known_but_not_off_screen() -> None:
    heard = hear(A_SPEAKS, {1: "unsure", 2: "unsure"}, length_ms=1000)
    assert find_speech([(0, 2000)], heard, (2,)) == (Speech(0, 2, UNSURE),)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[HeardWindow]]:
    """Stretches of voice, and overlapping windows, of which the last one is shorter, as at the end of a file."""
    edges = sorted(draw(st.sets(st.integers(0, 60), max_size=16)))
    voices = list(pairwise(edges))[::2]
    hop, length, count = draw(st.integers(1, 12)), draw(st.integers(1, 16)), draw(st.integers(1, 12))
    end = (count - 1) * hop + draw(st.integers(1, length))
    answer = st.sampled_from(["yes", "no", "unsure"])
    shown = st.dictionaries(st.integers(1, 3), answer, max_size=3)
    hearings = [Hearing(draw(st.sampled_from([0.05, 1.0])), draw(shown)) for _ in range(count)]
    return voices, [(at * hop, min(at * hop + length, end), each) for at, each in enumerate(hearings)]


@settings(max_examples=200, deadline=None)
@given(scene=scenes())
def test_every_millisecond_of_voice_has_one_speaker_and_no_other_has_any(
    scene: tuple[list[tuple[int, int]], list[HeardWindow]],
) -> None:
    voices, windows = scene
    found = find_speech(voices, windows, (1, 2, 3))
    last: int | str = UNSURE
    for at_ms in range(80):
        speakers = [each.speaker for each in found if each.start_s <= (at_ms + 0.5) / 1000 < each.end_s]
        if not any(start <= at_ms < end for start, end in voices):
            assert speakers == []
            continue
        over = [hearing for start, end, hearing in windows if start <= at_ms < end]
        last = decide(over, last)
        assert speakers == [last]
    for first, second in pairwise(found):
        assert first.end_s < second.start_s or (first.end_s == second.start_s and first.speaker != second.speaker)
    total_ms = sum(end - start for start, end in voices)
    assert round(1000 * sum(each.end_s - each.start_s for each in found)) == total_ms


def decide(over: list[Hearing], last: int | str) -> int | str:
    """The rule in other words: counts, and no shares."""
    votes = {}
    for person in (1, 2, 3):
        answers = [hearing.speakers[person] for hearing in over if person in hearing.speakers]
        if answers and 2 * answers.count("yes") >= len(answers):
            votes[person] = answers.count("yes") / len(answers)
    if votes:
        first = [person for person, share in votes.items() if share == max(votes.values())]
        return last if last in first else first[0]
    voiced = [set(hearing.speakers.values()) <= {"no"} for hearing in over if hearing.voice >= 0.1]
    return NOBODY if voiced and 2 * sum(voiced) >= len(voiced) else UNSURE
