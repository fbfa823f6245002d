from __future__ import annotations

from pathlib import Path

from praatio import textgrid

from hicmae_cli.runtime.settings import PredictSettings
from tests.report.readers import write
from tests.report.toys import hostile, labelled, prediction


def test_each_tier_leaves_no_time_out(tmp_path: Path) -> None:
    made = prediction(labelled((1000, 2500, "anger"), (4000, 5001, "neutral")), labelled((0, 7777, "anger"), number=2))
    grid = textgrid.openTextgrid(str(write(made, tmp_path, "textgrid")), includeEmptyIntervals=True)
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 7.777)
    assert [tuple(entry) for entry in grid.getTier("person 1").entries] == [
        (0, 1, ""),
        (1, 2.5, "anger"),
        (2.5, 4, ""),
        (4, 5.001, "neutral"),
        (5.001, 7.777, ""),
    ]
    assert [tuple(entry) for entry in grid.getTier("person 2").entries] == [(0, 7.777, "anger")]


def test_a_part_of_a_file_keeps_the_clock_of_the_file(tmp_path: Path) -> None:
    made = prediction(labelled((5000, 6000, "anger")))
    path = write(type(made)(made.model, PredictSettings(start_s=5.0), made.files), tmp_path, "textgrid")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    assert [tuple(entry) for entry in grid.getTier("person 1").entries] == [(0, 5, ""), (5, 6, "anger")]


def test_quotes_are_doubled(tmp_path: Path) -> None:
    text = write(hostile(), tmp_path, "textgrid").read_text("utf-8")
    assert 'name = "<b>&"" -->"' in text
    assert all(line.count('"') % 2 == 0 for line in text.splitlines())
