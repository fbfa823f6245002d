"""From logits to probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as scipy_softmax

from hicmae_cli.clips import Clip
from hicmae_cli.evaluation.calibration import apply_temperature
from hicmae_cli.runtime.engine import score_batches, to_outputs
from hicmae_cli.tasks import Kind
from tests.runtime.stubs import ToyEngine

LOGITS = np.array([[-1000.0, 0.0, 1000.0], [0.25, -3.0, 40.0]], np.float32)


@pytest.mark.filterwarnings("error")
def test_each_task_has_its_outputs() -> None:
    np.testing.assert_allclose(to_outputs(LOGITS, "multilabel"), expit(LOGITS.astype(np.float64)), atol=1e-12)
    expected = scipy_softmax(LOGITS.astype(np.float64), axis=1)
    np.testing.assert_allclose(to_outputs(LOGITS, "classification"), expected, atol=1e-12)
    np.testing.assert_array_equal(to_outputs(LOGITS, "regression"), LOGITS)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_no_clips_give_no_rows(task: Kind) -> None:
    assert score_batches(ToyEngine(task), []).shape == (0, 3)


def test_each_clip_can_have_its_own_temperature() -> None:
    engine = ToyEngine()
    clips = [Clip(None, np.full((256, 128), loud, np.float32)) for loud in (1.0, 1.0, -2.0)]
    plain = score_batches(engine, clips)
    scaled = score_batches(engine, clips, temperatures=(1.0, 2.0, 0.5))
    np.testing.assert_array_equal(scaled[0], plain[0])
    for row, temperature in ((1, 2.0), (2, 0.5)):
        np.testing.assert_allclose(scaled[row], apply_temperature(plain[row][None], temperature)[0])
    values = ToyEngine("regression")
    np.testing.assert_array_equal(score_batches(values, clips, temperatures=(9, 9, 9)), score_batches(values, clips))
