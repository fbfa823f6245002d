from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hicmae_cli.report.formats import FORMATS, write_prediction
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import Track
from tests.report.readers import read_rttm, write
from tests.report.toys import HOSTILE_NAMES, hostile, prediction
from tests.runtime.stubs import track, window


def speaks(who: Track, *words: str | None) -> Track:
    return replace(who, windows=tuple(replace(window(at, at + 1.001), speaker=word) for at, word in enumerate(words)))


def test_it_says_who_speaks_when(tmp_path: Path) -> None:
    made = prediction(
        speaks(track(1), "no", "yes", "yes", "no"),
        speaks(replace(track(2), name="Anna B"), "yes", "unsure", None, "yes"),
        path="dir/my clip.mp4",
    )
    turns = [(row["name"], row["start"], row["duration"]) for row in read_rttm(write(made, tmp_path, "rttm"))]
    assert turns == [("Anna_B", 0.0, 1.001), ("person_1", 1.0, 2.001), ("Anna_B", 3.0, 1.001)]
    (first, *_) = read_rttm(tmp_path / "my clip.rttm")
    assert (first["type"], first["file"], first["channel"], first["text"]) == ("SPEAKER", "my_clip", 1, "<NA>")


def test_a_file_that_was_not_tested_gets_none_and_one_without_speech_an_empty_one(tmp_path: Path) -> None:
    assert write_prediction(prediction(track(1)), tmp_path, [FORMATS["rttm"]]) == ()
    assert not list(tmp_path.iterdir())
    quiet = prediction(speaks(track(1), "no", "unsure"))
    assert write(quiet, tmp_path, "rttm").read_text() == ""


def test_every_name_is_one_field(tmp_path: Path) -> None:
    made = hostile("a <b>.mp4")
    tracks = tuple(speaks(each, "yes") for each in made.files[0].tracks)
    spoken = Prediction(made.model, made.settings, (replace(made.files[0], tracks=tracks),))
    rows = read_rttm(write(spoken, tmp_path, "rttm"))
    assert len(rows) == len(HOSTILE_NAMES)
    assert len({row["name"] for row in rows}) == len(rows)
    assert all(row["lookahead"] == "<NA>" and row["name"] not in ("", "<NA>") for row in rows)
