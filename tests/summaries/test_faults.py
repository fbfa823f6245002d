"""Each fault in events, groups and baselines is one line that names its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.summaries.summarize import summarize
from tests.runtime.stubs import window
from tests.summaries.toys import person, predicted, put


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("film,3", "line 3: expected 3 columns, got 2"),
        ("film,x,4", "line 3: start_s: expected seconds, 0 or more, got 'x'"),
        ("film,nan,4", "line 3: start_s: expected seconds"),
        ("film,0,inf", "line 3: end_s: expected seconds"),
        ("film,-1,4", "line 3: start_s: expected seconds, 0 or more, got '-1'"),
        ("film,4,3", "line 3: 'film' ends at 3.0 s, not after its start at 4.0 s"),
        ("film,1e400,3", "line 3: start_s: expected seconds"),
        (",1,2", "line 3: expected the name of an event, got ''"),
        ("\x1b[2J,1,2", "line 3: expected the name of an event"),
        ('"film,1,2', "line 3: is not a line of a CSV file"),
    ],
)
def test_a_wrong_event_is_told_in_one_line(two_windows: Prediction, tmp_path: Path, line: str, fault: str) -> None:
    events = put(tmp_path / "e.csv", "event,start_s,end_s", "rest,0,1", line)
    with pytest.raises(ManifestError) as caught:
        summarize(two_windows, events=events)
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["person,dose", "9,1"], "line 2: no prediction of the person '9'"),
        (["file,dose", "b.mp4,1"], "line 2: no prediction of the file 'b.mp4'"),
        (["file,dose", "a.mp4,1", "day1/a.mp4,2"], "line 3: is about 'person 1' of 'a.mp4', as line 2 is"),
        (["file,value", "a.mp4,1"], "line 1: value is a column of the summary"),
        (["file,dose,dose", "a.mp4,1,2"], "no name twice"),
        (["file,", "a.mp4,1"], "expected a name for each column"),
        (["file", "a.mp4"], "expected a column person or file, and columns of groups"),
        (["dose", "1"], "expected a column person or file"),
        (["person,dose", ",1"], "line 2: names neither a person nor a file"),
        (["person,dose"], "has a header and no rows"),
        (["person;dose", "1;2"], "expected a column person or file, and columns of groups; got person;dose"),
        ([""], "is empty"),
    ],
)
def test_a_wrong_list_of_groups_is_told_in_one_line(
    two_windows: Prediction, tmp_path: Path, lines: list[str], fault: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        summarize(two_windows, groups=put(tmp_path / "g.csv", *lines))
    assert fault in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_name_must_mean_one_thing(tmp_path: Path) -> None:
    made = predicted(("x/a.mp4", 4.0, (person(window()),)), ("y/a.mp4", 4.0, (person(window()),)))
    for lines, fault in (
        (("file,dose", "a.mp4,1"), "the file 'a.mp4' may be 'x/a.mp4' and 'y/a.mp4'; write more of its path"),
        (("person,dose", "1,1"), "is a number, which means someone else in each file; add a column file"),
    ):
        with pytest.raises(ManifestError, match=r"line 2: ") as caught:
            summarize(made, groups=put(tmp_path / "g.csv", *lines))
        assert fault in str(caught.value)


@pytest.mark.parametrize("text", ["rest", "4-2", "-1-2", "0-", "nan-inf", ""])
def test_a_baseline_that_is_none(two_windows: Prediction, text: str) -> None:
    with pytest.raises(SettingsError, match="baseline="):
        summarize(two_windows, baseline=text)
