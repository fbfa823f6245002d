"""What every format with a file per input promises: exact times, and no name that breaks its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.report.formats import FORMATS, explain_missing, find_formats
from hicmae_cli.runtime.results import FileResult
from tests.report import readers
from tests.report.toys import blends, hostile, labelled, prediction, regression
from tests.runtime.stubs import LABELS, track, window

READERS: dict[str, Callable[[Path], readers.Spans]] = {
    "srt": readers.read_subtitles,
    "vtt": readers.read_subtitles,
    "elan": readers.read_elan,
    "textgrid": readers.read_textgrid,
}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 99), st.integers(0, 99)), min_size=1, max_size=4), min_size=1, max_size=3
    ),
    st.integers(0, 12_000_000),
)
def test_times_come_back_to_the_millisecond(people: list[list[tuple[int, int]]], start_ms: int) -> None:
    tracks = []
    for number, steps in enumerate(people, start=1):
        spans, at_ms = [], start_ms
        for index, (length_ms, pause_ms) in enumerate(steps):
            spans.append((at_ms, at_ms + length_ms, LABELS[index % 3]))
            at_ms += length_ms + pause_ms
        tracks.append(labelled(*spans, number=number))
    made = prediction(*tracks)
    with TemporaryDirectory() as folder:
        for name, read in READERS.items():
            assert read(readers.write(made, Path(folder), name)) == readers.expected(made), name


@pytest.mark.parametrize("name", READERS)
def test_no_name_breaks_a_file(name: str, tmp_path: Path) -> None:
    made = hostile("a.mp4")
    found = READERS[name](readers.write(made, tmp_path, name))
    assert len(found) == len(made.files[0].tracks)
    assert sorted(found.values()) == sorted(readers.expected(made).values())
    if name in ("elan", "textgrid"):
        assert set(found) == set(readers.expected(made))


@pytest.mark.parametrize("name", ["srt", "vtt", "elan", "textgrid", "boris", "rttm"])
@pytest.mark.parametrize(
    "path", ["x" * 251 + ".mp4", "dir/<b>&\"'-->.mp4", "a\nb.mp4", "bad\udcff.mp4", "", "..", "nul\0.mp4", "n\0l/a.mp4"]
)
def test_no_file_name_stops_a_format(name: str, path: str, tmp_path: Path) -> None:
    made = hostile(path)
    spoken = replace(made.files[0].tracks[0].windows[0], speaker="yes")
    tracks = (replace(made.files[0].tracks[0], windows=(spoken,)), *made.files[0].tracks[1:])
    written = readers.write(replace(made, files=(replace(made.files[0], tracks=tracks),)), tmp_path, name)
    assert written.parent == tmp_path and readers.files_in(tmp_path) == [written]
    if name in READERS:
        assert len(READERS[name](written)) == len(tracks)


@pytest.mark.parametrize("name", READERS)
def test_a_regression_gets_its_values_and_a_set_its_labels(name: str, tmp_path: Path) -> None:
    found = READERS[name](readers.write(regression(), tmp_path, name))
    (texts,) = found.values()
    assert [(start_ms, end_ms) for start_ms, end_ms, _ in texts] == [(0, 4000), (4000, 8000)]
    assert texts[0][2].startswith("arousal -1.50, valence")
    assert READERS[name](readers.write(blends(), tmp_path, name)) == {
        "person 1": [(0, 4000, "anger+fear"), (4000, 8000, "fear")]
    }


@pytest.mark.parametrize("name", READERS)
def test_an_instant_without_a_label_has_no_annotation(name: str, tmp_path: Path) -> None:
    made = prediction(track(1, window(0, 1), window(1, 2, (0.4, 0.3, 0.3)), window(2, 3))).with_timeline(abstain=0.5)
    assert READERS[name](readers.write(made, tmp_path, name)) == {
        "person 1": [(0, 1000, "happiness"), (2000, 3000, "happiness")]
    }


def test_names_that_differ_in_case_only_get_files_of_their_own(tmp_path: Path) -> None:
    files = tuple(FileResult(Path(name), "ok", tracks=(track(1),)) for name in ("A.mp4", "a.mp4"))
    written = replace(prediction(), files=files).save(tmp_path, ["srt"])
    assert [path.name for path in written] == ["A.srt", "a.mp4.srt"]


def test_all_means_every_format_once() -> None:
    assert find_formats("all") == tuple(FORMATS.values())
    assert find_formats(["csv", "all"]) == (FORMATS["csv"], *(each for each in FORMATS.values() if each.name != "csv"))


def test_a_format_that_an_input_has_nothing_for_says_why() -> None:
    chosen = find_formats("all")
    assert explain_missing(regression(), chosen) == (
        "no boris file for 1 input: a regression has no labels",
        "no rttm file for 1 input: who speaks was not tested",
        "no overlay file for 1 input: the file is not where it was",
    )
    assert explain_missing(prediction(track(1)), find_formats(["json", "srt", "boris"])) == ()
