from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.runtime.results import FileResult
from hicmae_cli.timeline import clean_name, name_tracks, track_name
from tests.report.toys import HOSTILE_NAMES
from tests.runtime.stubs import track


def test_a_track_has_the_name_of_its_person_or_a_number() -> None:
    assert track_name(track(3)) == "person 3"
    assert track_name(track(0)) == "voice"
    assert track_name(replace(track(0), name="off-screen")) == "off-screen"
    assert track_name(replace(track(1), name="Dr.\tA\n B")) == "Dr. A B"
    assert track_name(replace(track(1), name="\n\0")) == "person 1"


@settings(max_examples=50, deadline=None)
@given(st.text("aé李 <&\t\r\n\0\x1b\u202e\u200d\u2028\udcff\ufffe", max_size=120) | st.sampled_from(HOSTILE_NAMES))
def test_a_clean_name_is_one_short_line(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= 100 and name == " ".join(name.split()) == clean_name(name)
    assert all(c.isprintable() or c in "\u200c\u200d" for c in name)
    name.encode("utf-8")


@pytest.mark.parametrize("name", ["José", "李", "نیم‌فاصله", "Anna & Bo <b>", "👩‍🔬"])
def test_what_prints_stays(name: str) -> None:
    assert clean_name(name) == name


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["Anna", "Anna (2)", "person 2", "", "\0"]), min_size=1, max_size=8))
def test_no_two_names_of_a_file_are_equal(names: list[str]) -> None:
    tracks = tuple(replace(track(number), name=name) for number, name in enumerate(names, start=1))
    shown = name_tracks(FileResult(Path("a.mp4"), "ok", tracks=tracks))
    assert len(set(shown)) == len(names) and all(shown)
