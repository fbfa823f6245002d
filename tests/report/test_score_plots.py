"""Plots of scores: what they show, in which format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import HicmaeError, SettingsError
from hicmae_cli.report.score_plots import plot_confusion, plot_reliability, plot_robustness, plot_scatter
from tests.report.toys import pixels

LABELS = ("anger", "fear", "neutral")


def confused(counts: list[list[int]], path: Path, title: str = "toys") -> NDArray[np.int64]:
    plot_confusion(counts, LABELS[: len(counts)], path, title=title)
    return pixels(path)


def test_a_perfect_confusion_is_a_dark_diagonal(tmp_path: Path) -> None:
    picture = confused([[9, 0, 0], [0, 9, 0], [0, 0, 9]], tmp_path / "new" / "a.png")
    dark = (picture == (8, 48, 107)).all(axis=-1)
    dark[:, picture.shape[1] * 4 // 5 :] = False  # the scale at the side
    rows, columns = np.nonzero(dark)
    assert np.corrcoef(rows, columns)[0, 1] > 0.85  # falls to the right: row true, column predicted
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_the_suffix_is_the_format(tmp_path: Path, suffix: str, start: bytes) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        plot_confusion([[3, 1], [0, 2]], ("anger", "fear"), file, title="two")
    assert files[0].read_bytes().startswith(start)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a\.jpg: expected a name that ends in \.png, \.svg, \.pdf"):
        plot_confusion([[1]], ("anger",), tmp_path / "a.jpg", title="one")
    assert list(tmp_path.iterdir()) == []


def test_rows_are_shares_of_the_true_class(tmp_path: Path) -> None:
    small, large = (confused([[n, 0], [n, n]], tmp_path / f"{n}.png") for n in (1, 1000))
    assert (small == (8, 48, 107)).all(axis=-1).sum() == pytest.approx(
        (large == (8, 48, 107)).all(axis=-1).sum(), rel=0.25
    )


def test_a_class_without_clips_is_grey(tmp_path: Path) -> None:
    grey = [
        (confused(counts, tmp_path / "a.png") == 0xDD).all(axis=-1).sum()
        for counts in ([[1, 0], [0, 1]], [[1, 0], [0, 0]])
    ]
    assert grey[0] < 100 and grey[1] > 10_000


def test_many_classes_are_drawn_without_numbers(tmp_path: Path) -> None:
    labels = [f"label $x$ {n}" for n in range(43)]
    plot_confusion(np.eye(43, dtype=int).tolist(), labels, tmp_path / "a.png", title="43\nlines\x1b[31m " * 20)
    assert pixels(tmp_path / "a.png").shape[0] > 1000


def test_counts_that_do_not_fit_the_labels_are_refused(tmp_path: Path) -> None:
    for counts, labels in (([], []), ([[1]], ["a", "b"])):
        with pytest.raises(HicmaeError, match="cannot be drawn"):
            plot_confusion(counts, labels, tmp_path / "a.png", title="")
    assert not any(tmp_path.iterdir())


BINS = [
    {"lower": n / 15, "upper": (n + 1) / 15, "clips": 5, "confidence": (n + 0.5) / 15, "accuracy": n / 15}
    for n in range(3, 15)
]
SCORES = {"ece": 0.1, "brier": 0.3, "nll": 0.9}
CALIBRATION: dict[str, Any] = {"bins": BINS, "before": SCORES}
CURVES = [
    {
        "degradation": name,
        "unit": "dB",
        "meaning": "ratio",
        "modality": modality,
        "levels": [
            {"level": level, "metrics": {"uar": score}, "intervals": {"bounds": {"uar": [score - 0.1, score + 0.1]}}}
            for level, score in ((None, 0.8), (20.0, 0.7), (0.0, 0.3))
        ],
    }
    for name in ("noise", "blur")
    for modality in ("av", "audio")
]


def draw_reliability(path: Path) -> None:
    plot_reliability({**CALIBRATION, "temperature": 1.5, "calibrated_bins": BINS, "after": SCORES}, path, title="a_$b$")


def draw_scatter(path: Path) -> None:
    truth = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    plot_scatter(truth, truth / 2, ("a", "b"), {"ccc_a": 0.5, "ccc_b": 0.25}, path, title="values")


def draw_robustness(path: Path) -> None:
    plot_robustness(CURVES, "uar", path, title="toys")


@pytest.mark.parametrize("draw", [draw_reliability, draw_scatter, draw_robustness])
def test_figures_are_vectors_without_pixels(draw: Callable[[Path], None], tmp_path: Path) -> None:
    draw(tmp_path / "a.svg")
    written = (tmp_path / "a.svg").read_text()
    assert written.startswith("<?xml") and written.count("<path") > 20 and "<image" not in written


def test_a_temperature_adds_a_panel(tmp_path: Path) -> None:
    def count(calibration: dict[str, Any]) -> int:
        plot_reliability(calibration, tmp_path / "a.svg", title="toys")
        return (tmp_path / "a.svg").read_text().count('id="axes_')

    assert count(CALIBRATION) == 2
    assert count({**CALIBRATION, "temperature": 1.5, "calibrated_bins": BINS, "after": SCORES}) == 4
