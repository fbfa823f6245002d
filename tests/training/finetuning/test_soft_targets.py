"""A teacher's probabilities from the columns of a manifest, and the targets that they make with the labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.soft_targets import read_teacher, soften_targets

LABELS = ("anger", "happiness")


def clip(label: str = "anger", **columns: str) -> Sample:
    return Sample("a", None, None, label, extra={f"teacher_{name}": text for name, text in columns.items()})


def test_a_target_is_a_mean_of_smoothed_label_and_teacher() -> None:
    clips = [clip(anger="0.2", happiness="0.8"), clip("happiness", anger="", happiness=""), clip()]
    settings = FinetuneSettings(teacher_weight=0.25, label_smoothing=0.2)
    found = soften_targets(clips, torch.tensor([0, 1, 0]), LABELS, settings)
    # Smoothed: 0.9 and 0.1. The first clip: 0.75 x (0.9, 0.1) + 0.25 x (0.2, 0.8).
    torch.testing.assert_close(found, torch.tensor([[0.725, 0.275], [0.1, 0.9], [0.9, 0.1]]))


def test_columns_are_known_by_label_and_probabilities_sum_to_one() -> None:
    found = read_teacher([clip(happy="0.603", anger="0.402"), clip()], LABELS)
    np.testing.assert_allclose(found[0], [0.4, 0.6], atol=1e-6)
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"anger": "0.5"}, "or all empty; happiness is missing"),
        ({"anger": "0.5", "happiness": "0.3", "fear": "0.2"}, "or all empty; fear is unknown"),
        ({"anger": "0.5", "happiness": "0.2"}, "which sum to 1; got 0.5, 0.2"),
        ({"anger": "1.5", "happiness": "-0.5"}, "of at least 0, which sum to 1"),
        ({"anger": "nan", "happiness": "1"}, "which sum to 1"),
        ({"anger": "much", "happiness": "1"}, "text that is no number: much, 1"),
    ],
)
def test_probabilities_that_cannot_be_used_are_named(columns: dict[str, str], message: str) -> None:
    with pytest.raises(ManifestError, match="^clip a: expected a probability in each of teacher_anger, .*" + message):
        read_teacher([clip(**columns)], LABELS)


def test_a_weight_without_any_teacher_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"teacher_weight=0\.5: no training clip has columns such as teacher_anger"):
        soften_targets([clip()], torch.tensor([0]), LABELS, FinetuneSettings(teacher_weight=0.5))
