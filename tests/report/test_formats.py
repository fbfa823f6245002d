"""Every row of the table of formats, and what a new one needs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from hicmae_cli.errors import MediaError, SettingsError
from hicmae_cli.report import formats
from hicmae_cli.report.files import write_text
from hicmae_cli.report.formats import DEFAULT_FORMATS, FORMATS, Format, explain_missing, find_formats, write_prediction
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult
from tests.report.readers import files_in
from tests.report.toys import prediction, regression
from tests.runtime.stubs import track


@pytest.mark.parametrize("each", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize("kind", [prediction(track(1)), regression()], ids=["classification", "regression"])
def test_every_format_writes_what_it_says(tmp_path: Path, each: Format, kind: Prediction) -> None:
    assert FORMATS[each.name] is each
    written = write_prediction(kind, tmp_path, [each])
    assert all(path.name.endswith(each.suffix) for path in written)
    has_labels = kind.model.info.task != "regression"
    assert bool(written) is (each.needs in ("", "time") or (each.needs == "labels" and has_labels))
    assert files_in(tmp_path) == sorted(written)
    assert all(path.stat().st_size for path in written)


def test_a_photograph_gets_no_file_that_needs_time(tmp_path: Path) -> None:
    made = prediction(track(1))
    made = replace(made, files=tuple(replace(file, is_photograph=True, duration_s=None) for file in made.files))
    timed = [each for each in FORMATS.values() if each.needs]
    assert len(timed) > 4 and write_prediction(made, tmp_path, timed) == ()
    said = explain_missing(made, timed)
    assert said == tuple(f"no {each.name} file for 1 input: a photograph has no timeline" for each in timed)


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


def test_what_somebody_else_wrote_or_changed_is_kept(tmp_path: Path, toy_format: Format) -> None:
    (tmp_path / "a.toy").write_text("of somebody else")
    made = prediction(track(1))
    assert [path.name for path in made.save(tmp_path, ["toy"])] == ["a.mp4.toy"]
    assert [path.name for path in made.save(tmp_path, ["toy"])] == ["a.mp4.toy"]  # ours, and unchanged
    (tmp_path / "a.mp4.toy").write_text("corrected")
    assert [path.name for path in made.save(tmp_path, ["toy"])] == ["a.mp4-2.toy"]
    assert (tmp_path / "a.toy").read_text() == "of somebody else"
    assert (tmp_path / "a.mp4.toy").read_text() == "corrected"
    (tmp_path / "a.mp4-2.toy").unlink()
    (tmp_path / ".hicmae-outputs.json").write_text("[" * 100_000)
    assert [path.name for path in made.save(tmp_path, ["toy"])] == ["a.mp4-2.toy"]


def test_an_input_that_cannot_be_read_again_costs_its_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_format: Format
) -> None:
    module = sys.modules["hicmae_cli.report.toy_writer"]
    plain = module.write_toy

    def write_toy(made: Prediction, path: Path) -> None:
        if made.files[0].path.name == "a.mp4":
            raise MediaError("a.mp4: no picture can be decoded")
        plain(made, path)

    monkeypatch.setattr(module, "write_toy", write_toy)
    files = tuple(FileResult(Path(name), "ok", tracks=(track(1),)) for name in ("a.mp4", "b.mp4"))
    whole = replace(prediction(), files=files)
    with pytest.raises(MediaError, match=r"no toy file: a\.mp4: no picture can be decoded"):
        whole.save(tmp_path, ["toy", "csv"])
    assert [path.name for path in files_in(tmp_path)] == ["b.toy", "predictions.csv"]
