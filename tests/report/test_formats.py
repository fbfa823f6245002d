"""Every row of the table of formats, and what a new one needs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.report import formats
from hicmae_cli.report.files import write_text
from hicmae_cli.report.formats import DEFAULT_FORMATS, FORMATS, Format, find_formats, write_prediction
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult
from tests.report.toys import prediction, regression
from tests.runtime.stubs import track


@pytest.mark.parametrize("each", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize("kind", [prediction(track(1)), regression()], ids=["classification", "regression"])
def test_every_format_writes_what_it_says(tmp_path: Path, each: Format, kind: Prediction) -> None:
    assert FORMATS[each.name] is each
    written = write_prediction(kind, tmp_path, [each])
    assert all(path.name.endswith(each.suffix) for path in written)
    assert bool(written) is (each.needs == "" or (each.needs == "labels" and kind.model.info.task != "regression"))
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert all(path.stat().st_size for path in written)


def test_the_defaults_are_in_the_table() -> None:
    assert [each.name for each in find_formats(DEFAULT_FORMATS)] == list(DEFAULT_FORMATS)
    assert find_formats("csv") == (FORMATS["csv"],)
    assert find_formats(["csv", "csv"]) == (FORMATS["csv"],)


@pytest.mark.parametrize("names", [["docx"], ["json", "docx"], []])
def test_other_formats_are_refused(names: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        find_formats(names)
    assert str(caught.value) == f"formats={','.join(names)!r}: expected one or more of {', '.join(FORMATS)}, or all"


def test_an_input_is_never_overwritten(tmp_path: Path, toy_format: Format) -> None:
    media = tmp_path / "a.TOY"
    media.write_text("a recording")
    made = replace(prediction(), files=(FileResult(media, "ok", tracks=(track(1),)),))
    assert [path.name for path in made.save(tmp_path, ["toy"])] == ["a.TOY.toy"]
    assert media.read_text() == "a recording"


@pytest.fixture
def toy_format(monkeypatch: pytest.MonkeyPatch) -> Format:
    """A format with a file per input, as a contributor would add it: one module, one row."""
    module = ModuleType("hicmae_cli.report.toy_writer")

    def write_toy(prediction: Prediction, path: Path) -> None:
        (file,) = prediction.files
        write_text(path, f"{file.path}\n")

    module.write_toy = write_toy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = Format("toy", ".toy", "toy_writer:write_toy", per_input=True)
    monkeypatch.setitem(formats.FORMATS, "toy", row)
    return row


def test_a_format_per_input_names_its_files_after_them(tmp_path: Path, toy_format: Format) -> None:
    names = ["x/a.mp4", "x/b.mp4", "y/a.mp4", "x/a.wav", "z/a.wav", "zz/a.mp4"]
    files = [FileResult(Path(name), "ok", tracks=(track(1),)) for name in names]
    failed = FileResult(Path("c.mp4"), "error", "broken")
    whole = replace(prediction(), files=(*files, failed))
    written = whole.save(tmp_path, ["toy", "csv"])
    assert [path.name for path in written] == [
        "a.toy",
        "b.toy",
        "a.mp4.toy",
        "a.wav.toy",
        "a.wav-2.toy",
        "a.mp4-2.toy",
        "predictions.csv",
    ]
    assert [path.read_text().strip() for path in written[:-1]] == names
