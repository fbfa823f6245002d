"""The plot of a timeline shows its labels in their colours, and survives any name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.errors import HicmaeError
from hicmae_cli.report.palette import COLOURS, to_rgb
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.report.timeline_plot import write_plot
from hicmae_cli.runtime.results import FileResult
from tests.report.toys import blends, hostile, labelled, pixels, regression
from tests.runtime.stubs import TOY_MODEL, track


def _share(picture: np.ndarray, label: str) -> float:
    """Share of the pixels that have a label's colour."""
    return float((np.abs(picture - to_rgb(COLOURS[label].light)).max(axis=2) < 12).mean())


def _one_file(whole: Prediction) -> Prediction:
    return replace(whole, files=whole.files[:1])


def test_the_label_has_its_colour_as_long_as_it_lasts(tmp_path: Path) -> None:
    person = labelled((0, 6000, "anger"), (6000, 8000, "happiness"))
    file = FileResult(Path("a.mp4"), "ok", "", 8.0, 25.0, (person,))
    write_plot(replace(_one_file(hostile()), files=(file,)), tmp_path / "a.png")
    picture = pixels(tmp_path / "a.png")
    assert _share(picture, "anger") == pytest.approx(3 * _share(picture, "happiness"), rel=0.15)
    assert _share(picture, "neutral") < 0.005 < _share(picture, "happiness")


@pytest.mark.parametrize("made", [hostile, regression, blends], ids=["hostile", "values", "sets"])
def test_any_prediction_is_drawn(tmp_path: Path, made: object) -> None:
    assert callable(made)
    whole = _one_file(made())
    file = replace(whole.files[0], path=Path("$x^{2$ \\frac.mp4"))
    write_plot(replace(whole, files=(file,)), tmp_path / "a.png")
    assert np.ptp(pixels(tmp_path / "a.png")) == 255


def test_a_folder_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    whole = Prediction(TOY_MODEL, hostile().settings, (FileResult(Path("a.mp4"), "ok", tracks=(track(1),)),))
    with pytest.raises(HicmaeError, match=r"a\.png: cannot be written"):
        write_plot(whole, tmp_path / "a.png")
