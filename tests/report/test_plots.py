"""Plots: what they show, where, and that no half-written file remains."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError
from hicmae_cli.report import plots
from hicmae_cli.report.plots import Triple, list_panels, plot_curves, reconstruction_picture, smooth
from tests.report.toys import pixels


def line(step: int, **values: float | None) -> dict[str, Any]:
    return {"step": step, "epoch": step // 10, "loss": 2.0 / (1 + step), "learning_rate": 1e-4, **values}


def drawn(lines: list[dict[str, Any]], path: Path) -> NDArray[np.int64]:
    plot_curves(lines, path)
    return pixels(path)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_curves_of_any_length_are_drawn(tmp_path: Path, count: int) -> None:
    picture = drawn([line(step) for step in range(count)], tmp_path / "new" / "curves.png")
    blue = (picture[..., 2] > picture[..., 0] + 80).sum()
    assert blue > 20
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.png"]


def test_of_two_lines_for_a_step_the_later_one_counts(tmp_path: Path) -> None:
    once = drawn([line(step) for step in range(30)], tmp_path / "once.png")
    first = [line(step, loss=7.0) for step in range(20)]  # interrupted; step 10 was saved
    twice = drawn([*first[:10], *first[10:], *(line(step) for step in range(30))], tmp_path / "twice.png")
    np.testing.assert_array_equal(once, twice)


def test_missing_and_infinite_values_leave_gaps(tmp_path: Path) -> None:
    lines = [line(step, grad_norm=None if step % 3 else float("inf")) for step in range(60)]
    without = drawn([line(step) for step in range(60)], tmp_path / "without.png")
    np.testing.assert_array_equal(drawn(lines, tmp_path / "gaps.png"), without)
    lines[7]["loss"] = float("nan")
    assert (drawn(lines, tmp_path / "gaps.png") != without).any()


def test_every_number_of_a_log_gets_a_panel() -> None:
    lines = [
        {"step": step, "epoch": 1, "loss": 1.0, "my_loss": 0.5, "unused_loss": 0.0, "grad_norm": None, "lr": 0.0}
        for step in range(3)
    ]
    lines[1]["later"] = 2.0
    assert list_panels(lines) == [("loss", "loss"), ("my_loss", "my loss"), ("lr", "lr"), ("later", "later")]


def test_peaks_do_not_hide_the_rest(tmp_path: Path) -> None:
    """A panel over orders of magnitude has a logarithmic axis, which the curve fills evenly."""
    lines = [{"step": step, "epoch": 0, "grad_norm": 1e4 ** (step / 99)} for step in range(100)]
    picture = drawn(lines, tmp_path / "a.png")
    rows, columns = np.nonzero(picture[..., 2] > picture[..., 0] + 80)
    middle = rows[np.abs(columns - (columns.min() + columns.max()) // 2) <= 3].mean()
    assert middle == pytest.approx((rows.min() + rows.max()) / 2, abs=0.1 * np.ptp(rows))


def test_no_lines_no_picture(tmp_path: Path) -> None:
    with pytest.raises(HicmaeError, match="the log has no steps yet"):
        plot_curves([], tmp_path / "a.png")
    assert not any(tmp_path.iterdir())


def test_long_runs_are_drawn_whole(tmp_path: Path) -> None:
    """Agg refuses a single line with so much noise."""
    noise = np.random.default_rng(0).normal(size=200_000)
    lines = [{"step": step, "loss": value} for step, value in enumerate(noise)]
    picture = drawn(lines, tmp_path / "a.png")
    columns = np.nonzero(picture[..., 2] > picture[..., 0] + 40)[1]
    assert len(np.unique(columns)) > 0.9 * np.ptp(columns)


def test_smoothing_keeps_levels_and_slopes() -> None:
    slope = np.arange(100.0)
    np.testing.assert_allclose(smooth(slope, 10)[5:-5], slope[5:-5])
    holes = np.where(slope % 4 == 0, np.nan, 3.0)
    np.testing.assert_allclose(smooth(holes, 10), 3.0)
    assert np.isnan(smooth(np.full(5, np.nan), 3)).all()
    noise = np.random.default_rng(0).normal(size=10_000)
    assert smooth(noise, 100).std() == pytest.approx(0.1, abs=0.03)


def masked_sound(picture: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of the masked spectrogram."""
    grey = (picture == 0xBB).all(axis=-1)
    rows = np.flatnonzero(grey.mean(axis=1) > 0.5)
    columns = np.flatnonzero(grey[rows].mean(axis=0) > 0.9)
    assert len(rows) == np.ptp(rows) + 1 and len(columns) == np.ptp(columns) + 1
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


@dataclass(frozen=True)
class Made:
    faces: Triple
    log_mels: Triple


def flat_faces(*colours: tuple[int, int, int]) -> Triple:
    first, second, third = (np.full((2, 16, 160, 160, 3), colour, np.uint8) for colour in colours)
    return first, second, third


MEL = np.linspace(0, 1, 256)[:, None] + np.linspace(0, 1, 128)  # rises with time and with pitch


@pytest.fixture
def made() -> Made:
    mels = np.stack([MEL, MEL]).astype(np.float32)
    return Made(flat_faces((250, 0, 0), (0, 250, 0), (0, 0, 250)), (mels, np.full_like(mels, np.nan), mels))


def test_rows_are_original_masked_rebuilt(made: Made, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    assert reconstruction_picture(made, target, title="clip") == target
    picture = pixels(target)
    rows = []
    for channel in range(3):
        others = [c for c in range(3) if c != channel]
        mine = (picture[..., channel] > 200) & (picture[..., others] < 60).all(axis=-1)
        where = np.nonzero(mine)
        assert mine.sum() > 0.8 * np.ptp(where[0]) * np.ptp(where[1])  # eight faces with thin gaps
        rows.append(where[0].mean())
    assert rows == sorted(rows)
    assert masked_sound(picture)[0] > rows[-1]


def test_time_goes_right_and_pitch_up(made: Made, tmp_path: Path) -> None:
    picture = pixels(reconstruction_picture(made, tmp_path / "a.png", title="clip"))
    top, bottom, left, right = masked_sound(picture)
    height = bottom - top
    above = picture[top - height : top - height // 4, left:right].sum(axis=2)  # within the original
    quarter = (right - left) // 4
    assert above[:, -quarter:].mean() > above[:, :quarter].mean() + 100
    assert above[: height // 4].mean() > above[-height // 4 :].mean() + 50


def test_the_scale_is_that_of_the_original(made: Made, tmp_path: Path) -> None:
    """A wild prediction must not make the original pale."""
    wild = Made(made.faces, (*made.log_mels[:2], made.log_mels[2] * 1000))
    calm, other = (pixels(reconstruction_picture(each, tmp_path / "a.png", title="clip")) for each in (made, wild))
    height = masked_sound(calm)[1]
    np.testing.assert_array_equal(calm[:height], other[:height])
    assert (calm[height:] != other[height:]).any()


def test_the_requested_clip_is_drawn(made: Made, tmp_path: Path) -> None:
    made.faces[0][1] = (250, 250, 0)
    first, second = (
        pixels(reconstruction_picture(made, tmp_path / "a.png", title="clip", clip=clip)) for clip in (0, 1)
    )
    yellow = [((p[..., :2] > 200).all(axis=-1) & (p[..., 2] < 60)).sum() for p in (first, second)]
    assert yellow[0] < 1000 < 10_000 < yellow[1]


@pytest.mark.parametrize("title", [r"a$\frac$b", "中文", "caf\udce9 \x1b[31m", "long " * 60, ""])
def test_any_name_can_be_a_title(
    made: Made, tmp_path: Path, title: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    reconstruction_picture(made, tmp_path / "a.png", title=title)
    assert capfd.readouterr().err == "" and not recwarn.list


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_picture_that_cannot_be_written_leaves_the_old_one(made: Made, tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError):
        reconstruction_picture(made, tmp_path / "a.png", title="clip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_curves_of_a_finetuning_differ_in_lightness_and_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        {"step": n, "epoch": n, "loss": 1 / n, "learning_rate": 1e-4 * n, "grad_norm": None}
        | ({"validation.loss": 1.5 / n, "validation.uar": 0.2 * n, "validation.war": 0.1 * n} if n % 2 else {})
        for n in range(1, 5)
    ]
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path, dpi: figures.append(figure))
    plots.plot_finetuning(lines, tmp_path / "curves.png", judged_on="validation", best=3)
    losses, scores, rate = figures[0].axes  # no gradient norm is known
    assert [line.get_label() for line in losses.lines[:2]] == ["training", "validation"]
    assert list(losses.lines[1].get_xdata()) == [1, 3]  # a line over epochs without validation
    assert [line.get_label() for line in scores.lines[:2]] == ["UAR", "WAR"]
    assert len(rate.lines) == 1
    assert list(scores.lines[-1].get_xdata()) == [3, 3]  # the epoch that was kept
    strokes = [(line.get_color(), line.get_linestyle()) for line in losses.lines[:2]]
    light = [sum(w * c for w, c in zip((0.299, 0.587, 0.114), to_rgb(colour), strict=True)) for colour, _ in strokes]
    assert abs(light[0] - light[1]) > 0.2 and strokes[0][1] != strokes[1][1]
    # Without validation there is no panel for its scores.
    bare = [{key: value for key, value in line.items() if "validation" not in key} for line in lines]
    plots.plot_finetuning(bare, tmp_path / "curves.png", judged_on="validation", best=None)
    assert [axes.get_title(loc="left") for axes in figures[1].axes] == ["loss", "learning rate"]
