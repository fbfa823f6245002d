"""Summaries equal tables worked out by hand, and hold together whatever the windows and events are."""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hicmae_cli import __version__
from hicmae_cli.errors import SettingsError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
from hicmae_cli.summaries.summarize import summarize
from tests.report.toys import blends, regression
from tests.runtime.stubs import LABELS, TOY_MODEL, window
from tests.summaries.toys import A, B, assert_equal, person, predicted, put, values


def test_a_whole_file_by_hand(two_windows: Prediction) -> None:
    """2 s of A, 2 s of the mean of A and B (0.5, 0.15, 0.35), 2 s of B, and 2 s of nothing."""
    summary = summarize(two_windows)
    assert_equal(
        values(summary),
        {
            ("coverage", ""): 0.75,
            ("speaking_s", ""): 4.0,  # half of the windows from 2 to 4 s say so
            ("mean", "anger"): (0.8 + 0.5 + 0.2) / 3,
            ("mean", "happiness"): (0.1 + 0.15 + 0.2) / 3,
            ("mean", "neutral"): (0.1 + 0.35 + 0.6) / 3,
            ("share", "anger"): 0.5,
            ("share", "happiness"): 0.0,
            ("share", "neutral"): 0.25,
            ("peak", "anger"): 0.8,
            ("peak_s", "anger"): 1.0,
            ("peak", "neutral"): 0.6,
            ("peak_s", "neutral"): 5.0,
            ("onset_s", "anger"): 0.0,
            ("onset_s", "happiness"): None,
            ("onset_s", "neutral"): 4.0,
        },
    )
    assert {(row.n_windows, row.coverage, row.start_s, row.end_s) for row in summary.rows} == {(2, 0.75, 0.0, 8.0)}
    assert ("change", "anger") not in values(summary)


def test_an_event_and_its_baseline_by_hand(two_windows: Prediction, tmp_path: Path) -> None:
    """The stimulus from 3 to 7 s has 1 s of the mean of both, 2 s of B and 1 s of nothing; before it is 1 s of A."""
    events = put(tmp_path / "e.csv", "event,start_s,end_s", "rest,0,1", "film,3,7", "late,7,8")
    summary = summarize(two_windows, events=events, baseline="rest")
    assert_equal(
        values(summary, "film"),
        {
            ("coverage", ""): 0.75,
            ("speaking_s", ""): 1.0,
            ("mean", "anger"): (0.5 + 2 * 0.2) / 3,
            ("share", "anger"): 0.25,
            ("share", "neutral"): 0.5,
            ("peak", "anger"): 0.5,
            ("peak_s", "anger"): 0.5,
            ("onset_s", "neutral"): 1.0,
            ("change", "anger"): 0.3 - 0.8,
            ("change", "neutral"): (0.35 + 2 * 0.6) / 3 - 0.1,
        },
    )
    assert_equal(values(summary, "rest"), {("change", label): 0.0 for label in LABELS})
    late = values(summary, "late")
    assert late.pop(("coverage", "")) == 0
    assert ("speaking_s", "") not in late
    assert set(late.values()) == {None}
    assert summary.warnings == ("1 events have no window of the person: late of person 1 of a.mp4",)
    in_seconds = summarize(two_windows, events=events, baseline="0-1")
    assert values(in_seconds, "film") == values(summary, "film")


def test_speaking_time_leaves_pauses_out_where_speech_is_known(two_windows: Prediction, tmp_path: Path) -> None:
    speech = (Speech(0.5, 1.25, 1), Speech(1.25, 2.0, NOBODY), Speech(3.5, 4.5, 1), Speech(5.0, 5.5, UNSURE))
    known = replace(two_windows, files=(replace(two_windows.files[0], speech=speech),))
    assert values(summarize(known))["speaking_s", ""] == pytest.approx(1.75)
    events = put(tmp_path / "e.csv", "event,start_s,end_s", "rest,0,1", "film,3,4", "late,7,8")
    summary = summarize(known, events=events)
    assert values(summary, "rest")["speaking_s", ""] == values(summary, "film")["speaking_s", ""] == pytest.approx(0.5)
    assert ("speaking_s", "") not in values(summary, "late")


def test_tracks_of_one_name_are_one_person(tmp_path: Path) -> None:
    """Lost and found again, and for 1 s seen as both: A from 0 to 4 s, the mean of A and B to 5 s, B to 8 s."""
    lost = person(replace(window(0.0, 5.0, A), speaker="yes"), name="Anna")
    found = person(replace(window(4.0, 8.0, B), speaker="no"), number=3, name="Anna")
    other = person(window(0.0, 2.0, B), number=2, name="Ben")
    whole = predicted(("a.mp4", 10.0, (lost, other, found)))
    summary = summarize(whole, events=put(tmp_path / "e.csv", "event,start_s,end_s,person", "all,0,10,3"))
    assert {row.person for row in summary.rows} == {"Anna"}, "either number means her"
    summary = summarize(whole)
    assert list(dict.fromkeys(row.person for row in summary.rows)) == ["Anna", "Ben"]
    assert_equal(
        values(summary, person="Anna"),
        {
            ("coverage", ""): 0.8,
            ("speaking_s", ""): 5.0,  # half of the windows from 4 to 5 s say so
            ("mean", "anger"): (4 * 0.8 + 0.5 + 3 * 0.2) / 8,
            ("share", "anger"): 0.5,
            ("share", "neutral"): 0.3,
            ("onset_s", "neutral"): 5.0,
        },
    )
    assert {row.n_windows for row in summary.rows if row.person == "Anna"} == {2}
    keys = [(row.person, row.event, row.measure, row.label) for row in summary.rows]
    assert len(set(keys)) == len(keys)
    speech = (Speech(1.0, 2.0, lost.id), Speech(2.0, 3.0, other.id), Speech(6.0, 6.5, found.id))
    heard = replace(whole, files=(replace(whole.files[0], speech=speech),))
    assert values(summarize(heard), person="Anna")["speaking_s", ""] == pytest.approx(1.5)
    # Without names, each track is somebody.
    nameless = tuple(replace(track, name="") for track in whole.files[0].tracks)
    alone = summarize(predicted(("a.mp4", 10.0, nameless)))
    assert {row.person for row in alone.rows} == {"person 1", "person 2", "person 3"}


def test_a_regression_by_hand() -> None:
    assert_equal(
        values(summarize(regression())),
        {
            ("mean", "arousal"): (12.25 - 1.5) / 2,
            ("peak", "arousal"): 12.25,
            ("peak_s", "arousal"): 6.0,
            ("trough", "arousal"): -1.5,
            ("trough_s", "arousal"): 2.0,
            ("mean", "valence"): 0.25,
        },
    )
    assert {row.measure for row in summarize(regression()).rows} == {
        "coverage", "mean", "peak", "peak_s", "trough", "trough_s"
    }  # fmt: skip


def test_sets_of_labels_share_the_time() -> None:
    """Anger and fear for 4 s, then fear alone."""
    found = values(summarize(blends()))
    assert_equal(found, {("share", "anger"): 0.5, ("share", "fear"): 1.0, ("share", "sadness"): 0.0})


def test_time_below_the_smallest_probability_has_no_label(two_windows: Prediction) -> None:
    found = values(summarize(two_windows, abstain=0.55))
    assert_equal(found, {("share", "anger"): 0.25, ("share", "neutral"): 0.25, ("coverage", ""): 0.75})


@st.composite
def recordings(draw: st.DrawFn) -> Prediction:
    """Windows of any place and length in 20 s, in milliseconds."""
    windows = []
    for _ in range(draw(st.integers(1, 8))):
        start_ms = draw(st.integers(0, 19_000))
        end_ms = draw(st.integers(start_ms + 1, 20_000))
        row = np.array(draw(st.tuples(*[st.floats(0.01, 1.0)] * 3)))
        windows.append(Window(start_ms / 1000, end_ms / 1000, Scores.of(LABELS, row / row.sum()), 1.0, "av"))
    windows.sort(key=lambda w: w.start_s)
    return predicted(("a.mp4", 20.0, (person(*windows),)))


@settings(deadline=None, max_examples=40)
@given(recordings(), st.integers(0, 19_000), st.integers(1, 9_000), st.integers(1, 9_000))
def test_events_add_up(prediction: Prediction, first_ms: int, second_ms: int, third_ms: int) -> None:
    """Shares sum to the coverage; two halves of an event average back to it, weighted by the time that they cover."""
    start_ms, middle_ms, end_ms = first_ms, first_ms + second_ms, first_ms + second_ms + third_ms
    with tempfile.TemporaryDirectory() as folder:
        rows = [f"{n},{a / 1000},{b / 1000}" for n, a, b in
                (("both", start_ms, end_ms), ("one", start_ms, middle_ms), ("two", middle_ms, end_ms))]  # fmt: skip
        summary = summarize(prediction, events=put(Path(folder) / "e.csv", "event,start_s,end_s", *rows))
    both, one, two = (values(summary, name) for name in ("both", "one", "two"))
    for found in (both, one, two):
        shares = [found["share", label] or 0.0 for label in LABELS]
        means = [found["mean", label] for label in LABELS]
        assert sum(shares) == pytest.approx(found["coverage", ""])
        assert means == [None] * 3 or sum(m or 0.0 for m in means) == pytest.approx(1)
    lengths = {"one": middle_ms - start_ms, "two": end_ms - middle_ms}
    covered = [lengths["one"] * (one["coverage", ""] or 0), lengths["two"] * (two["coverage", ""] or 0)]
    assert sum(covered) == pytest.approx((end_ms - start_ms) * (both["coverage", ""] or 0))
    for label in LABELS:
        if sum(covered) > 0:
            parts = [(c, found["mean", label]) for c, found in zip(covered, (one, two), strict=True) if c > 0]
            mean = sum(c * (m or 0.0) for c, m in parts) / sum(covered)
            assert both["mean", label] == pytest.approx(mean)
        peaks = [p for found in (one, two) if (p := found["peak", label]) is not None]
        assert both["peak", label] == (pytest.approx(max(peaks)) if peaks else None)


def test_a_table_for_other_programs(two_windows: Prediction, tmp_path: Path) -> None:
    groups = put(tmp_path / "g.csv", "file,dose,site", 'a.mp4,"10,5",north')
    summary = summarize(two_windows, groups=groups)
    table = pandas.read_csv(io.StringIO(summary.to_csv()))
    assert list(table.columns) == ["file", "person", "dose", "site", "event", "start_s", "end_s", "measure", "label",
                                   "value", "n_windows", "coverage"]  # fmt: skip
    assert set(table["dose"]) == {"10,5"}
    pandas.testing.assert_series_equal(table["value"], summary.to_frame()["value"], atol=1e-9)
    summary.save(tmp_path / "out" / "s.csv", tmp_path / "out" / "m.md")
    assert (tmp_path / "out" / "s.csv").read_text("utf-8") == summary.to_csv() == str(summary)
    assert (tmp_path / "out" / "m.md").read_text("utf-8") == summary.methods


def test_shuffled_groups_find_no_difference(tmp_path: Path) -> None:
    """Of 400 shuffled columns of groups, a t-test at 5 % finds about one in twenty; a true one is found."""
    rng = np.random.default_rng(5)
    people = [f"p{number:02d}" for number in range(30)]
    treated = np.arange(30) % 2
    files = []
    for name, extra in zip(people, 0.15 * treated, strict=True):
        rows = rng.dirichlet((2, 2, 2), 8)
        rows[:, 0] += extra
        rows /= rows.sum(axis=1, keepdims=True)
        windows = [window(2.0 * at, 2.0 * at + 4, tuple(row)) for at, row in enumerate(rows)]
        files.append((f"{name}.mp4", 18.0, (person(*windows, name=name),)))
    columns = np.stack([treated, *(rng.permutation(treated) for _ in range(400))])
    lines = [",".join(map(str, (name, *column))) for name, column in zip(people, columns.T, strict=True)]
    header = ",".join(["person", "true", *(f"g{number}" for number in range(400))])
    summary = summarize(predicted(*files), groups=put(tmp_path / "g.csv", header, *lines))
    rows_of = [row for row in summary.rows if (row.measure, row.label) == ("mean", "anger")]
    numbers = np.array([row.value for row in rows_of])
    found = np.array([row.groups for row in rows_of]).T.astype(int)
    p = np.array([stats.ttest_ind(numbers[group == 1], numbers[group == 0]).pvalue for group in found])
    assert p[0] < 0.001
    low, high = stats.binom.interval(0.999, 400, 0.05)
    assert low <= (p[1:] < 0.05).sum() <= high


def test_events_and_groups_of_some_people(tmp_path: Path) -> None:
    """Rows may name files by the end of their path, and people by name or number."""
    made = predicted(
        ("day1/a.mp4", 4.0, (person(window(0.0, 4.0, A), name="anna"), person(window(0.0, 4.0, B), number=2))),
        ("day2/a.mp4", 4.0, (person(window(0.0, 4.0, B), name="anna"),)),
    )
    events = put(tmp_path / "e.csv", "event,start_s,end_s,file,person", "rest,0,1,day1/a.mp4,anna",
                 "film,1,2,,anna", "other,2,3,day1/a.mp4,2")  # fmt: skip
    groups = put(tmp_path / "g.csv", "person,file,role", "anna,,guest", "person 2,day1/a.mp4,host")
    summary = summarize(made, events=events, groups=groups, baseline="rest")
    facts = {(row.file, row.person, row.groups, row.event) for row in summary.rows}
    assert facts == {
        ("day1/a.mp4", "anna", ("guest",), "rest"),
        ("day1/a.mp4", "anna", ("guest",), "film"),
        ("day1/a.mp4", "person 2", ("host",), "other"),
        ("day2/a.mp4", "anna", ("guest",), "film"),
    }
    changes = {
        (row.file, row.person, row.event): row.value
        for row in summary.rows
        if (row.measure, row.label) == ("change", "anger")
    }
    # Anna's baseline is in the first file; nobody knows that of the other person.
    assert changes["day2/a.mp4", "anna", "film"] == pytest.approx(0.2 - 0.8)
    assert changes["day1/a.mp4", "person 2", "other"] is None
    assert "1 people have no window in the baseline" in " ".join(summary.warnings)


def test_documents_of_a_folder(two_windows: Prediction, tmp_path: Path) -> None:
    other = replace(two_windows, files=(replace(two_windows.files[0], path=Path("day2/b.mp4")),))
    for name, each in (("one", two_windows), ("two", other)):
        (tmp_path / name).mkdir()
        each.save(tmp_path / name, ["json"])
    assert {row.file for row in summarize(tmp_path).rows} == {"day1/a.mp4", "day2/b.mp4"}
    assert summarize(tmp_path / "one" / "predictions.json").rows == summarize(two_windows).rows
    slower = replace(other, settings=replace(other.settings, hop_s=1.0))
    slower.save(tmp_path / "two", ["json"])
    with pytest.raises(SettingsError, match=r"differ in hop_s 0.64 and 1.0; summarize them one by one"):
        summarize(tmp_path)
    two_windows.save(tmp_path / "two", ["json"])
    with pytest.raises(SettingsError, match=r"both hold day1/a.mp4"):
        summarize(tmp_path)
    with pytest.raises(SettingsError, match="no such file"):
        summarize(tmp_path / "none")
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "predictions.jsonl").touch()
    with pytest.raises(SettingsError, match="--skip-existing --format json"):
        summarize(tmp_path / "three")


def test_the_paragraph_says_what_was_done(two_windows: Prediction) -> None:
    text = summarize(two_windows, baseline="0-1").methods
    for said in ("1 recording (8 seconds analysed in all)", "`toy` (SHA-256 `" + "0" * 64,
                 "windows of 2.56 s, starting every 0.64 s",
                 "hicmae", "anger, happiness, neutral", "`0-1`", "**Limits.**", "not what a person feels"):  # fmt: skip
        assert said in text
    fitted = TOY_MODEL.info.model_copy(update={"one_stream_temperatures": {"video": 0.6125, "audio": 0.8}})
    of_one_stream = summarize(replace(two_windows, model=replace(TOY_MODEL, info=fitted))).methods
    assert "calibrated with a temperature of 0.613 for a face alone and 0.8 for a voice alone" in of_one_stream
    assert "the time in seconds in which the person speaks" in text
    assert f"We predicted with hicmae {__version__} and made the table with hicmae {__version__}." in text
    assert not any(word in text for word in ("followed", "only the part", "photographs"))
    hostile = replace(two_windows, model=replace(TOY_MODEL, name="a`\n# b <img>"))
    assert "`a' # b <img>`" in summarize(hostile).methods


def test_the_paragraph_names_what_was_chosen_and_who_predicted(two_windows: Prediction, tmp_path: Path) -> None:
    chosen = PredictSettings(faces=1, start_s=1.0, end_s=7.5, people="photos", people_sha256="ab" * 32)
    (file,) = two_windows.files
    silent = replace(file, tracks=(person(window(0.0, 4.0, A)),), hicmae_version="0.0.9")
    text = summarize(replace(two_windows, settings=chosen, files=(silent,))).methods
    for said in ("At most 1 person was followed at once.", "Only the part from 1 s to 7.5 s was analysed.",
                 f"People were named after photographs of them (SHA-256 `{'ab' * 32}`).",
                 f"We predicted with hicmae 0.0.9 and made the table with hicmae {__version__}."):  # fmt: skip
        assert said in text
    assert "person speaks" not in text
    # Predictions of one weight may differ in their people and parts, and in who made them.
    whole = replace(two_windows, settings=PredictSettings(faces="all"))
    other = replace(two_windows, files=(replace(file, path=Path("b.mp4"), hicmae_version=None),))
    whole.save(tmp_path / "a", ["json"])
    other.save(tmp_path / "b", ["json"])
    text = summarize(tmp_path).methods
    assert "For 1 of 2 files, everybody in view was followed." in text
    assert f"hicmae {__version__} and a version of hicmae that was not recorded and made" in text
