"""``hicmae report`` on saved predictions: no model, no media."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hicmae_cli.report.formats import FORMATS
from hicmae_cli.report.prediction import Prediction
from tests.cli.running import hicmae
from tests.report.readers import files_in
from tests.report.toys import labelled, prediction, regression


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made = prediction(labelled((0, 1500, "anger"), (1500, 3000, "neutral")), path=str(tmp_path / "a.mp4"))
    made.save(tmp_path / "results")
    return tmp_path / "results"


def test_it_writes_what_predict_writes(results: Path, tmp_path: Path) -> None:
    run = hicmae("report", results / "predictions.json", "--format", "srt,csv", "--output", tmp_path / "new")
    assert (run.code, run.out) == (0, f"wrote 2 files to {tmp_path / 'new'}\n")
    assert (tmp_path / "new" / "predictions.csv").read_bytes() == (results / "predictions.csv").read_bytes()
    assert "person 1: neutral 80%" in (tmp_path / "new" / "a.srt").read_text()


def test_timelines_can_change_and_the_json_says_so(results: Path, tmp_path: Path) -> None:
    options = ("--smooth", 9, "--abstain", 0.6)
    run = hicmae("report", results / "predictions.json", "--format", "json,srt", "-o", tmp_path / "new", *options)
    assert run.code == 0
    document = json.loads((tmp_path / "new" / "predictions.json").read_text())
    assert (document["settings"]["smooth_s"], document["settings"]["abstain"]) == (9, 0.6)
    assert [each["label"] for each in document["files"][0]["tracks"][0]["episodes"]] == [None]
    assert (tmp_path / "new" / "a.srt").read_text() == ""
    again = hicmae("report", tmp_path / "new" / "predictions.json", "--format", "json", "-o", tmp_path / "third")
    assert again.code == 0
    assert json.loads((tmp_path / "third" / "predictions.json").read_text()) == document


def test_the_input_is_never_overwritten(results: Path) -> None:
    before = (results / "predictions.json").read_bytes()
    run = hicmae("report", results / "predictions.json", "--format", "all", "-o", results, "--abstain", 0.9)
    assert run.code == 0
    assert (results / "predictions.json").read_bytes() == before
    assert "is the input and stays as it is; for json, choose another --output" in run.err
    assert "no rttm file for 1 input: who speaks was not tested" in run.err
    assert len(files_in(results)) == len(FORMATS) - 2  # all but RTTM and the overlay


def test_it_finds_the_media_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predicted in one folder, reported in another, and again after the recording is gone."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home / "clips", elsewhere):
        folder.mkdir(parents=True)
    recording = home / "clips" / "a.wav"
    recording.write_bytes(b"sound")
    made = prediction(labelled((0, 1500, "anger")), path="clips/a.wav")
    made = replace(made, files=(replace(made.files[0], folder=home, size_bytes=5),))
    (saved,) = made.save(home / "results", ["json"])
    assert Prediction.load(saved).files[0].folder == home
    monkeypatch.chdir(elsewhere)
    run = hicmae("report", saved, "--format", "elan", "-o", "out")
    assert (run.code, run.err) == (0, "")
    link = ElementTree.parse(elsewhere / "out" / "a.eaf").getroot()[0][0].attrib["MEDIA_URL"]
    assert (elsewhere / "out" / link).resolve() == recording
    recording.unlink()
    run = hicmae("report", saved, "--format", "elan,overlay", "-o", "out")
    assert run.code == 0 and run.err.splitlines() == [
        "no overlay file for 1 input: the file is not where it was",
        f"warning: the media link of 1 elan file leads nowhere: {recording} is not there",
    ]
    # All files moved together: the path starts in the current folder.
    home.rename(tmp_path / "moved")
    (tmp_path / "moved" / "clips" / "a.wav").write_bytes(b"sound")
    monkeypatch.chdir(tmp_path / "moved")
    run = hicmae("report", "results/predictions.json", "--format", "elan", "-o", "out")
    assert (run.code, run.err) == (0, "")


def test_a_format_without_a_file_says_why(tmp_path: Path) -> None:
    (path,) = regression().save(tmp_path, ["json"])
    run = hicmae("report", path, "--format", "boris", "-o", tmp_path / "new")
    assert (run.code, run.out) == (0, f"wrote 0 files to {tmp_path / 'new'}\n")
    assert run.last_line == "no boris file for 1 input: a regression has no labels"


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (("--format", "docx"), 2, "--format docx: expected one or more of json, csv"),
        (("--format", "srt", "--abstain", "2"), 2, "--abstain 2.0: expected a probability, 0 to 1"),
        (("--format", "srt", "--smooth", "-1"), 2, "--smooth -1.0: expected 0 to 3600 seconds"),
    ],
)
def test_wrong_options_are_named(results: Path, tmp_path: Path, options: tuple[str, ...], code: int, line: str) -> None:
    run = hicmae("report", results / "predictions.json", "-o", tmp_path / "new", *options)
    assert run.code == code and line in run.last_line
    assert not (tmp_path / "new").exists()


def test_a_wrong_file_costs_one_line_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"schema": "hicmae.evaluate/1"}')
    run = hicmae("report", tmp_path / "bad.json", "--format", "srt", "-o", tmp_path / "new")
    assert (run.code, run.out) == (1, "")
    assert run.err.strip().splitlines() == [
        f"error: {tmp_path / 'bad.json'}: is not a prediction's JSON document: "
        "expected a document of the schema hicmae.predict/1, got hicmae.evaluate/1"
    ]
    assert not (tmp_path / "new").exists()
