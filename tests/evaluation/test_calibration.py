"""Temperatures: found where they were planted, applied fold by fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.evaluation.calibration import (
    apply_temperature,
    describe_calibration,
    find_temperature,
    fit_temperature,
    reliability_bins,
)
from hicmae_cli.evaluation.folds import FoldsEvaluation
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from tests.evaluation.toys import info_of
from tests.runtime.stubs import LABELS


def sharpened(temperature: float, clips: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """True probabilities, labels that are drawn by them, and what a model says that is too sure of itself."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(3), clips)
    truth = (true.cumsum(axis=1) > rng.random((clips, 1))).argmax(axis=1)
    return apply_temperature(true, 1 / temperature), truth


def scored(rows: NDArray[np.float64], truth: NDArray[np.int64], temperature: float | None = None) -> Evaluation:
    samples = [
        SampleResult(f"c{n}", LABELS[true], LABELS[int(row.argmax())], tuple(row.tolist()), (tuple(row.tolist()),))
        for n, (row, true) in enumerate(zip(rows, truth, strict=True))
    ]
    return Evaluation(info_of(temperature=temperature), "onnx", "av", 1, tuple(samples))


@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    rows, truth = sharpened(planted)
    assert fit_temperature(rows, truth) == pytest.approx(planted, rel=0.08)


def test_nothing_near_the_temperature_is_better() -> None:
    rows, truth = sharpened(2.0, 300)
    best = fit_temperature(rows, truth)

    def loss(temperature: float) -> float:
        return float(-np.log(apply_temperature(rows, temperature)[np.arange(300), truth]).mean())

    assert loss(best) <= min(loss(best * 0.999), loss(best * 1.001))
    with pytest.raises(ValueError, match="expected clips to fit it on, got none"):
        fit_temperature(rows[:0], truth[:0])


def test_clips_that_determine_no_temperature_give_none() -> None:
    rows, truth = sharpened(2.0, 300)
    assert find_temperature(scored(rows, truth)) == pytest.approx(fit_temperature(rows, truth))
    assert find_temperature(scored(rows, rows.argmax(axis=1))) is None  # not a single error


def test_a_temperature_changes_no_decision() -> None:
    rows, _ = sharpened(2.0, 100)
    np.testing.assert_array_equal(apply_temperature(rows, 5.0).argmax(axis=1), rows.argmax(axis=1))
    np.testing.assert_allclose(apply_temperature(rows, 1.0), rows, atol=1e-12)
    np.testing.assert_allclose(apply_temperature(rows, 3.0).sum(axis=1), 1)


def test_bins_hold_every_clip_once() -> None:
    rows, truth = sharpened(2.0, 500)
    bins = reliability_bins(rows, truth)
    assert sum(one["clips"] for one in bins) == 500
    assert all(one["lower"] < one["confidence"] <= one["upper"] for one in bins)
    error = sum(one["clips"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / 500
    assert describe_calibration(scored(rows, truth))["before"]["ece"] == pytest.approx(error)


def test_each_fold_has_the_temperature_of_its_weight() -> None:
    rows, truth = sharpened(3.0, 600)
    plain = describe_calibration(scored(rows, truth))
    assert "temperature" not in plain and "after" not in plain
    whole = describe_calibration(scored(rows, truth, 3.0))
    assert whole["temperature"] == 3.0 and whole["after"]["nll"] < whole["before"]["nll"]
    folds = FoldsEvaluation({"1": scored(rows[:300], truth[:300], 3.0), "2": scored(rows[300:], truth[300:], 3.0)})
    both = describe_calibration(folds)
    assert both["temperature"] == {"1": 3.0, "2": 3.0} and both["after"] == pytest.approx(whole["after"])
    other = replace(folds.folds["2"], info=info_of())
    assert "temperature" not in describe_calibration(FoldsEvaluation({**folds.folds, "2": other}))
    # It was fitted on both streams, so it says nothing about one of them.
    assert "temperature" not in describe_calibration(replace(scored(rows, truth, 3.0), modality="audio"))
