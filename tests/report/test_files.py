from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hicmae_cli.errors import HicmaeError
from hicmae_cli.report.files import to_json, windows_csv, write_text
from hicmae_cli.runtime.results import FileResult, Prediction, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import LABELS, TOY_MODEL, track, window


def document(*tracks: Track, path: str = "a.mp4") -> dict[str, object]:
    """What a prediction of one file, and of one that failed, comes to."""
    files = (FileResult(Path(path), "ok", tracks=tracks), FileResult(Path("b.mp4"), "error", "broken"))
    return Prediction(TOY_MODEL, PredictSettings(), files).to_dict()


def test_a_file_is_written_as_utf8_in_folders_that_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "a.txt"
    write_text(path, "Zoë\n")
    assert path.read_bytes() == b"Zo\xc3\xab\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(write: Callable[..., int]) -> Callable[..., None]:
    def write_half(path: Path, text: str, *arguments: str) -> None:
        write(path, text[: len(text) // 2], *arguments)
        full_disk()

    return write_half


@pytest.mark.parametrize("fault", ["while writing", "while moving"])
def test_a_fault_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old content")
    with monkeypatch.context() as patch:
        if fault == "while writing":
            patch.setattr(Path, "write_text", half_written(Path.write_text))
        else:
            patch.setattr(Path, "replace", full_disk)
        with pytest.raises(HicmaeError, match=r"a\.txt: cannot be written: No space left"):
            write_text(path, "new content")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "old content"}
    write_text(path, "new content")
    assert path.read_text() == "new content"


@pytest.mark.parametrize("name", ["folder", "file/a.txt"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HicmaeError, match=f"{name}: cannot be written"):
        write_text(tmp_path / name, "text")
    with pytest.raises(HicmaeError, match=r"\.: cannot be written: it is a folder"):
        write_text(Path(), "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


def test_json_keeps_every_digit() -> None:
    row = (0.1, 1 / 3, 1 - 0.1 - 1 / 3)
    text = to_json(document(track(1, window(row=row))))
    assert text.endswith("}\n")
    probabilities = json.loads(text)["files"][0]["tracks"][0]["windows"][0]["probabilities"]
    assert tuple(probabilities.values()) == row


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json({"uar": number})


def test_the_table_has_a_row_per_window_of_every_track() -> None:
    people = (
        track(0, window(5.0, 7.56, modality="audio"), coverage=0.0),
        track(1, window(0.0, 2.56, (0.2, 0.7, 0.1)), window(1.28, 3.84, (0.6, 0.3, 0.1), coverage=0.5)),
    )
    rows = list(csv.DictReader(windows_csv(document(*people, path='odd, "name".mp4')).splitlines()))
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


@pytest.mark.parametrize("name", ["a\rb.mp4", "a\nb.mp4", "a\r\nb.mp4", "=cmd|calc.mp4"])
def test_a_file_name_stays_in_its_cell(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", windows_csv(document(track(1), path=name)))
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [name]


def test_a_table_of_nothing_is_its_header() -> None:
    assert windows_csv(document()).splitlines() == [
        "path,track,start_s,end_s,label,face_coverage,modality,anger,happiness,neutral"
    ]


def test_a_file_name_that_is_not_utf8_comes_out_as_it_is_on_disk(tmp_path: Path) -> None:
    name = "caf\udce9.mp4"  # how Python writes the byte E9
    write_text(tmp_path / "a.csv", windows_csv(document(track(1), path=name)))
    assert b"caf\xe9.mp4,1," in (tmp_path / "a.csv").read_bytes()
    assert json.loads(to_json(document(track(1), path=name)))["files"][0]["path"] == name
