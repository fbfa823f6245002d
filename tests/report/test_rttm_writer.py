from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hicmae_cli.report.formats import FORMATS, write_prediction
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import Track
from hicmae_cli.runtime.speech import NOBODY, UNSURE, Speech
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


def test_speech_comes_back_with_the_voice_of_nobody_in_view_and_without_doubts(tmp_path: Path) -> None:
    made = prediction(speaks(track(1), "yes", "yes"), speaks(replace(track(2), name="nobody"), "no", "no"))
    speech = (Speech(0.1, 0.4, 1), Speech(0.4, 0.5, UNSURE), Speech(0.7, 0.9, NOBODY), Speech(1.2, 1.999, 2))
    known = replace(made, files=(replace(made.files[0], speech=speech), *made.files[1:]))
    rows = [(row["name"], row["start"], row["duration"]) for row in read_rttm(write(known, tmp_path, "rttm"))]
    assert rows == [("person_1", 0.1, 0.3), ("nobody_", 0.7, 0.2), ("nobody", 1.2, 0.799)]
    unnamed = replace(known.files[0], tracks=known.files[0].tracks[:1], speech=speech[:3])
    path = write(replace(known, files=(unnamed,)), tmp_path / "b", "rttm")
    assert [row["name"] for row in read_rttm(path)] == ["person_1", "nobody"]


def test_a_voice_without_anybody_in_view_gets_a_file(tmp_path: Path) -> None:
    made = prediction(track(0, modality="audio"))
    heard = replace(made, files=(replace(made.files[0], speech=(Speech(0.1, 0.4, NOBODY),)),))
    assert [row["name"] for row in read_rttm(write(heard, tmp_path, "rttm"))] == ["nobody"]
