"""Datasets that are none, for the commands to know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hicmae_cli.corpora import catalogue
from hicmae_cli.corpora.dataset import Dataset, SplitFacts

TOYS = Dataset(
    name="toys",
    title="Toys",
    folder="toys",
    task="classification",
    labels=("anger", "happiness", "neutral"),
    codes={"A": "anger", "H": "happiness", "N": "neutral"},
    folds=("1", "2"),
    fold_rule="by box",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="toys",
    items=lambda _: [],
    layout="",
    citation="",
    licence="",
    access="",
    scores={"uar": 0.8491, "war": 0.8489},
    published={"1": SplitFacts(2, 3, scores={"uar": 0.8666, "war": 0.8667}), "2": SplitFacts(3, 2)},
)
VALUES = replace(
    TOYS,
    name="values",
    task="regression",
    labels=("valence", "arousal"),
    codes={},
    metric="ccc",
    scores={"pcc_arousal": 0.3374},
    published={},
)
MERGED = replace(TOYS, name="merged", folds=(), merge_by=2, published={}, scores={})


def install(patch: pytest.MonkeyPatch, *datasets: Dataset) -> None:
    """Let the commands know these datasets, too."""
    for dataset in datasets:
        patch.setitem(catalogue.DATASETS, dataset.name, dataset)
