from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.report.csv_writer import csv_lines, write_csv
from hicmae_cli.report.prediction import Prediction
from tests.report.toys import blends, prediction, regression
from tests.runtime.stubs import LABELS, track, window


def csv_text(made: Prediction) -> str:
    return "".join(csv_lines(made))


def test_the_table_has_a_row_per_window_of_every_track() -> None:
    people = (
        track(0, window(5.0, 7.56, modality="audio"), coverage=0.0),
        track(1, window(0.0, 2.56, (0.2, 0.7, 0.1)), window(1.28, 3.84, (0.6, 0.3, 0.1), coverage=0.5)),
    )
    rows = list(csv.DictReader(csv_text(prediction(*people, path='odd, "name".mp4')).splitlines()))
    facts = [(r["path"], r["track"], r["start_s"], r["end_s"], r["label"], r["modality"]) for r in rows]
    assert facts == [
        ('odd, "name".mp4', "0", "5.0", "7.56", "happiness", "audio"),
        ('odd, "name".mp4', "1", "0.0", "2.56", "happiness", "av"),
        ('odd, "name".mp4', "1", "1.28", "3.84", "anger", "av"),
    ]
    assert [float(row["face_coverage"]) for row in rows] == [1.0, 1.0, 0.5]
    assert [[float(row[label]) for label in LABELS] for row in rows] == [
        [0.2, 0.7, 0.1],
        [0.2, 0.7, 0.1],
        [0.6, 0.3, 0.1],
    ]


def test_a_regression_has_a_column_per_target_and_no_label() -> None:
    assert csv_text(regression()).splitlines() == [
        "path,track,name,start_s,end_s,face_coverage,modality,arousal,valence,voice,speaker",
        "a.mp4,1,,0.0,4.0,1.0,av,-1.5,0.25,,",
        "a.mp4,1,,4.0,8.0,1.0,av,12.25,0.25,,",
    ]


def test_a_set_has_a_joined_label_and_its_probabilities() -> None:
    assert csv_text(blends()).splitlines() == [
        "path,track,name,start_s,end_s,label,face_coverage,modality,anger,fear,sadness,voice,speaker",
        "a.mp4,1,,0.0,4.0,anger+fear,1.0,av,0.75,1.0,0.25,,",
        "a.mp4,1,,4.0,8.0,fear,1.0,av,0.375,0.75,0.0,,",
    ]


@pytest.mark.parametrize("name", ["a\rb.mp4", "a\nb.mp4", "a\r\nb.mp4", "=cmd|calc.mp4"])
def test_a_file_name_stays_in_its_cell(name: str, tmp_path: Path) -> None:
    write_csv(prediction(track(1), path=name), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [name]


def test_a_table_of_nothing_is_its_header() -> None:
    assert csv_text(prediction()).splitlines() == [
        "path,track,name,start_s,end_s,label,face_coverage,modality,anger,happiness,neutral,voice,speaker"
    ]


def test_a_file_name_that_is_not_utf8_comes_out_as_it_is_on_disk(tmp_path: Path) -> None:
    write_csv(prediction(track(1), path="caf\udce9.mp4"), tmp_path / "a.csv")  # how Python writes the byte E9
    assert b"caf\xe9.mp4,1," in (tmp_path / "a.csv").read_bytes()


def test_a_person_with_a_name_has_it_in_a_column() -> None:
    named = replace(track(2), name='Anna "A", Lab')
    rows = list(csv.DictReader(csv_text(prediction(track(1), named)).splitlines()))
    assert [(row["track"], row["name"]) for row in rows] == [("1", ""), ("2", 'Anna "A", Lab')]


def test_who_speaks_is_in_columns() -> None:
    heard = replace(window(), voice=0.8125, speaker="yes")
    rows = list(csv.DictReader(csv_text(prediction(track(1, heard, window()))).splitlines()))
    assert [(row["voice"], row["speaker"]) for row in rows] == [("0.812", "yes"), ("", "")]
