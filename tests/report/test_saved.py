"""A saved prediction may come from anybody: whatever is wrong with it costs one clear line."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import HicmaeError
from hicmae_cli.report import saved
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.explanation import Explanation
from tests.report.toys import blends, hostile, prediction, regression
from tests.runtime.stubs import track, window

DOCUMENT = prediction(track(1, window(0, 2.56), window(1, 3.5)), track(0, modality="audio")).to_dict()


def fault(folder: Path, text: str) -> str:
    """The one line that a file with this text costs."""
    path = folder / "predictions.json"
    path.write_text(text)
    with pytest.raises(HicmaeError) as caught:
        Prediction.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable() and len(message) < 500 + len(str(path))
    return message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{",
        "[]",
        "7",
        '"text"',
        "null",
        "[" * 100_000,
        '{"schema": NaN}',
        '{"schema": "\\u001b[31m\\n"}',
        "\0",
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    assert "is not a prediction's JSON document: " in fault(tmp_path, text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HicmaeError, match="cannot be read: No such file"):
        Prediction.load(tmp_path / "none.json")
    with pytest.raises(HicmaeError, match="cannot be read: Is a directory"):
        Prediction.load(tmp_path)
    monkeypatch.setattr(saved, "_MOST_BYTES", 10)
    assert "is larger than 1 GiB" in fault(tmp_path, json.dumps(DOCUMENT))


Change = Callable[[dict[str, Any]], None]


def windows_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    windows: list[dict[str, Any]] = document["files"][0]["tracks"][0]["windows"]
    return windows


def window_of(document: dict[str, Any]) -> dict[str, Any]:
    return windows_of(document)[0]


def joyful(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "probabilities": {"joy": 1.0}}


def explanation(**changes: Any) -> dict[str, Any]:
    return {**Explanation("anger", 0.5, -0.5, ((0.25,),), ((0.5,),)).to_dict(), **changes}


CHANGES: dict[str, Change] = {
    "window": lambda d: window_of(d).update(end_s=0.0),
    "end_s of a window": lambda d: window_of(d).update(end_s=0.0004),
    "window at 0.0 s: labels": lambda d: windows_of(d).__setitem__(slice(None), [joyful(window_of(d))]),
    "window at 1.0 s: labels joy, before it anger": lambda d: windows_of(d)[1].update(probabilities={"joy": 1.0}),
    "window at 1.0 s: 2 features, before it 0": lambda d: windows_of(d)[1].update(features=[0.5, 0.5]),
    "numbers": lambda d: window_of(d).update(probabilities={"anger": 2.0, "happiness": -1.0, "neutral": 0.0}),
    "modality": lambda d: window_of(d).update(modality="smell"),
    "boxes": lambda d: window_of(d).update(boxes=[[0, 0, 0, 1e999, 0]]),
    "features": lambda d: window_of(d).update(features=[0.5, 1e999]),
    "voice": lambda d: window_of(d).update(voice=7),
    "a.mp4, track 1, window at 1.0 s: modality 'smell'": lambda d: windows_of(d)[1].update(modality="smell"),
    "voice nan": lambda d: window_of(d).update(voice="nan"),
    "name of an explanation": lambda d: window_of(d).update(explanation=explanation(name="<b>nobody")),
    "numbers of an explanation": lambda d: window_of(d).update(explanation=explanation(face=1e308)),
    "window at 0.0 s: numbers of": lambda d: window_of(d).update(explanation=explanation(face_map=[[1e308]])),
    "speaker": lambda d: window_of(d).update(speaker="<b>"),
    "start_s": lambda d: window_of(d).update(start_s=-1),
    "end_s": lambda d: window_of(d).update(end_s=1e300),
    "finite": lambda d: window_of(d).update(end_s=1e999),
    "face_coverage": lambda d: d["files"][0]["tracks"][0].update(face_coverage=9),
    "track ids": lambda d: d["files"][0]["tracks"][0].update(id=0),
    "at least one window": lambda d: d["files"][0]["tracks"][0].update(windows=[]),
    "duration_s": lambda d: d["files"][0].update(duration_s="long"),
    "width_px": lambda d: d["files"][0].update(width_px=True),
    "message": lambda d: d["files"][0].update(message=["a"]),
    "status": lambda d: d["files"][0].update(status="fine"),
    "hicmae_version": lambda d: d["files"][0].update(hicmae_version="1 <b>"),
    "TypeError": lambda d: d["files"][0].update(folder=7),
    "path": lambda d: d["files"][0].pop("path"),
    "smooth_s": lambda d: d["settings"].update(smooth_s=-1),
    "weights: dims": lambda d: d["weights"].update(dims=7),
    "weights: extra": lambda d: d["weights"].update(extra="x" * 10_000),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_document_says_what_is_wrong(tmp_path: Path, what: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    CHANGES[what](document)
    assert what in fault(tmp_path, json.dumps(document).replace("Infinity", "1e999"))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("made", [blends(), regression(), prediction(track(1))], ids=["set", "regression", "classes"])
def test_any_other_value_is_refused_or_makes_files(tmp_path: Path, made: Prediction) -> None:
    draw = random.Random(0)
    others: list[Any] = [None, -1, 1e308, 2**70, "", "\0\n<b>", True, [], {}, [[]], {"a": 1}]
    path = tmp_path / "predictions.json"
    refused = 0
    for number in range(50):
        document = json.loads(json.dumps(made.to_dict()))
        container, key = draw.choice(list(places(document)))
        container[key] = draw.choice(others)
        path.write_text(json.dumps(document))
        try:
            read = Prediction.load(path)
        except HicmaeError as error:
            assert str(error).isprintable()
            refused += 1
            continue
        if number % 5 == 0:
            read.save(tmp_path / "out", "all")
        else:
            assert str(read) and read.to_dict()
    assert refused > 10


def test_a_document_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Before there were timelines, names, boxes and speakers."""
    old = copy.deepcopy(DOCUMENT)
    for added in ("smooth_s", "abstain"):
        del old["settings"][added]
    for each in old["files"][0]["tracks"]:
        for added in ("name", "coverage", "episodes", "gaps", "turns"):
            del each[added]
        for fields in each["windows"]:
            del fields["voice"], fields["speaker"]
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(old))
    assert Prediction.load(path).to_dict() == DOCUMENT


def test_hostile_names_come_back(tmp_path: Path) -> None:
    made = hostile("bad\udcff<b>.mp4")
    (path,) = made.save(tmp_path, ["json"])
    assert Prediction.load(path).to_dict() == made.to_dict()


@pytest.mark.parametrize(
    ("speech", "what"),
    [
        ([{"start_s": 1.0, "end_s": 2.0, "speaker": 7}], "speech at 1.0 s: speaker cannot be true: 7"),
        ([{"start_s": 1.0, "end_s": 2.0, "speaker": "Anna"}], "speaker cannot be true: 'Anna'"),
        ([{"start_s": 1.0, "end_s": 2.0, "speaker": True}], "speaker cannot be true: True"),
        ([{"start_s": 1.0, "end_s": 2.0, "speaker": [1]}], "speaker cannot be true"),
        ([{"start_s": 2.0, "end_s": 2.0, "speaker": 1}], "start_s and end_s cannot be true"),
        ([{"start_s": -1, "end_s": 2.0, "speaker": 1}], "start_s and end_s cannot be true"),
        ([{"start_s": 0, "end_s": 1e999, "speaker": 1}], "expected finite times of speech"),
        ([{"start_s": 0, "end_s": 3, "speaker": 1}, {"start_s": 2, "end_s": 4, "speaker": 1}], "speech at 2.0 s"),
        ([{"start_s": 0, "end_s": 3}], "KeyError 'speaker'"),
        (7, "TypeError"),
    ],
)
def test_speech_that_cannot_be_is_refused(tmp_path: Path, speech: object, what: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["files"][0]["speech"] = [{"start_s": 0.5, "end_s": 1.0, "speaker": "nobody"}]
    assert Prediction.from_dict(document).files[0].to_dict()["speech"] == document["files"][0]["speech"]
    document["files"][0]["speech"] = speech
    assert what in fault(tmp_path, json.dumps(document).replace("Infinity", "1e999"))
