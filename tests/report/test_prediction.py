"""The document of a call: it prints, tabulates and saves itself, and comes back from its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hicmae_cli.errors import HicmaeError, MissingDependencyError, SettingsError
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import SCHEMA, FileResult
from hicmae_cli.runtime.settings import PredictSettings
from tests.report.toys import prediction, regression
from tests.runtime.stubs import LABELS, TOY_MODEL, track, window


def test_the_document_is_plain_json_and_says_the_same() -> None:
    people = (track(0, coverage=0.0, modality="audio"), track(1, window(0.0, 2.56), window(1.28, 3.84), coverage=0.95))
    good = FileResult(Path("dir") / "a.mp4", "ok", "", 3.84, 25.0, people)
    bad = FileResult(Path("b.mp4"), "error", "b.mp4: broken")
    prediction = Prediction(TOY_MODEL, PredictSettings(), (good, bad))
    assert prediction.failures == (bad,)
    document = prediction.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document  # no tuples, no numpy
    assert document["schema"] == SCHEMA
    assert document["weights"]["labels"] == list(LABELS)
    first, second = document["files"]
    assert second["message"] == "b.mp4: broken"
    assert first["path"] == str(Path("dir") / "a.mp4")
    assert first["modality"] == "av"
    assert first["summary"]["probabilities"] == people[1].scores.probabilities
    assert (first["tracks"][1]["start_s"], first["tracks"][1]["end_s"]) == (0.0, 3.84)
    assert [w["label"] for w in first["tracks"][1]["windows"]] == [people[1].scores.label] * 2
    assert first["tracks"][1]["coverage"] == 1 and first["tracks"][1]["gaps"] == []
    (episode,) = first["tracks"][1]["episodes"]
    assert (episode["start_s"], episode["end_s"], episode["label"]) == (0, 3.84, "happiness")
    assert first["tracks"][0]["gaps"] == [{"start_s": 2.56, "end_s": 3.84, "reason": "a face is visible"}]


@pytest.mark.parametrize("made", [prediction(track(1), track(0, modality="audio")), regression()])
def test_it_comes_back_from_its_document(made: Prediction) -> None:
    document = json.loads(json.dumps(made.to_dict()))
    assert Prediction.from_dict(document).to_dict() == made.to_dict()
    assert str(Prediction.from_dict(document)) == str(made)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**prediction(track(1)).to_dict(), "schema": "hicmae.predict/9"},
        {**prediction(track(1)).to_dict(), "files": [{}]},
        {**prediction(track(1)).to_dict(), "settings": 7},
        {**prediction(track(1)).to_dict(), "weights": []},
    ],
)
def test_another_document_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Prediction.from_dict(document)


def test_the_settings_of_its_timelines_can_change(tmp_path: Path) -> None:
    made = prediction(track(1, window(0, 2.56), window(2.56, 5.12, (0.4, 0.3, 0.3))))
    strict = made.with_timeline(abstain=0.5)
    assert [e["label"] for e in strict.to_dict()["files"][0]["tracks"][0]["episodes"]] == ["happiness", None]
    assert strict.to_dict()["settings"]["abstain"] == 0.5
    assert (strict.files, strict.with_timeline(2.0).settings.abstain) == (made.files, 0.5)
    (path,) = strict.save(tmp_path, ["json"])
    assert Prediction.load(path).to_dict() == strict.to_dict()


def test_it_prints_as_a_table_of_people() -> None:
    people = (track(1, window(row=(0.2, 0.7, 0.1)), coverage=0.9), track(0, modality="audio", coverage=0.0))
    assert str(prediction(*people, path="dir/a.mp4")).splitlines() == [
        "weights toy (nano, trained on toys) · licence MIT",
        "a.mp4  audio + video",
        "              emotion         next       visible  based on",
        "  person 1 ◂  happiness  70%  anger 20%      90%  face + voice",
        "  voice       happiness  70%  anger 20%        -  voice",
        "failed b.mp4: broken",
    ]


def test_a_regression_prints_its_values() -> None:
    assert str(regression()).splitlines() == [
        "weights toy (nano, arousal, valence, trained on toys) · licence MIT",
        "a.mp4  8.0 s · 25.00 frames/s · audio + video",
        "            target   mean  range           visible  based on",
        "  person 1  arousal  5.38  -1.50 to 12.25     100%  face + voice",
        "            valence  0.25  0.25 to 0.25",
    ]


def test_names_cannot_steer_the_terminal() -> None:
    text = str(prediction(track(1), path="\x1b[31m[bold]a.mp4"))
    assert "\\x1b[31m[bold]a.mp4" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_its_short_form_does_not_list_the_windows() -> None:
    assert repr(prediction(track(1))) == "<Prediction of 2 inputs by toy>"
    assert repr(regression()) == "<Prediction of 1 input by toy>"


def test_a_frame_has_a_row_per_window() -> None:
    pytest.importorskip("pandas")
    people = (track(0, modality="audio"), track(1, window(0.0, 2.56), window(1.28, 3.84, (0.6, 0.3, 0.1))))
    frame = prediction(*people).to_frame()
    columns = ["file", "track", "name", "start_s", "end_s", "label", *LABELS, "face_coverage", "modality"]
    columns += ["voice", "speaker"]
    assert list(frame.columns) == columns
    assert frame["track"].tolist() == [0, 1, 1]
    assert frame["label"].tolist() == ["happiness", "happiness", "anger"]
    assert frame["anger"].tolist() == [0.2, 0.2, 0.6]
    assert frame["modality"].tolist() == ["audio", "av", "av"]
    assert frame.groupby("track")["happiness"].mean()[1] == pytest.approx(0.5)
    assert list(prediction().to_frame().columns) == list(frame.columns)  # of nothing


def test_the_frame_of_a_regression_has_a_column_per_target() -> None:
    pytest.importorskip("pandas")
    frame = regression().to_frame()
    columns = ["file", "track", "name", "start_s", "end_s", "arousal", "valence", "face_coverage", "modality"]
    columns += ["voice", "speaker"]
    assert list(frame.columns) == columns
    assert frame["arousal"].tolist() == [-1.5, 12.25]


def test_without_pandas_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="to_frame needs pandas: pip install pandas"):
        prediction(track(1)).to_frame()


def test_it_saves_itself(tmp_path: Path) -> None:
    made = prediction(track(1))
    written = made.save(str(tmp_path / "new" / "deeper"))
    assert [path.name for path in written] == ["predictions.json", "predictions.csv"]
    assert json.loads(written[0].read_text()) == made.to_dict()
    with pytest.raises(SettingsError, match="formats='docx'"):
        made.save(tmp_path / "other", ["docx"])
    assert not (tmp_path / "other").exists()
    with pytest.raises(HicmaeError, match="cannot be made a folder for results"):
        made.save(written[0])


def test_labels_come_in_the_order_of_the_weight_whatever_sorted_the_document() -> None:
    made = prediction(track(1, window(0, 2.56, (0.2, 0.7, 0.1))))
    document = made.to_dict()
    numbers = document["files"][0]["tracks"][0]["windows"][0]
    numbers["probabilities"] = dict(reversed(numbers["probabilities"].items()))
    read = Prediction.from_dict(document)
    assert list(read.files[0].tracks[0].windows[0].scores.by_name) == list(LABELS)
    assert read.files[0].tracks[0].windows[0].scores == made.files[0].tracks[0].windows[0].scores
