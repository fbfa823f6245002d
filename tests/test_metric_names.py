"""Every score has a name in text, and every name a score."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from hicmae_cli.evaluation.metrics import classification_metrics, regression_metrics
from hicmae_cli.evaluation.multilabel import multilabel_metrics
from hicmae_cli.metric_names import SMALLER_IS_BETTER, TITLES, Metric, format_metric


def test_every_score_is_named() -> None:
    classes, values = np.array([0, 1]), np.array([[0.0], [1.0]])
    sets = values == [[0.0, 1.0]]
    scores = {
        **classification_metrics(classes, classes, 2),
        **regression_metrics(values, values, ("arousal",)),
        **multilabel_metrics(sets, sets, sets.astype(float)),
    }
    bare = {name for name in scores if not name.endswith("_arousal")}
    assert bare == set(TITLES) == set(get_args(Metric))
    assert all(format_metric(name) for name in scores)
    # Of a perfect answer the errors are 0, and what is better larger is 1.
    assert {name for name in bare if scores[name] == 0} == SMALLER_IS_BETTER


@pytest.mark.parametrize(
    ("name", "title"), [("uar", "UAR"), ("weighted_f1", "weighted F1"), ("pcc_arousal", "PCC arousal")]
)
def test_titles(name: str, title: str) -> None:
    assert format_metric(name) == title
