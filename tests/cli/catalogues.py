"""A catalogue of one dataset, in the place of the real one."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.dataset import Dataset, SplitFacts
from hicmae_cli.errors import SettingsError

TOYS = Dataset(
    name="toys", title="Toys", folder="toys", task="classification", labels=("anger", "happiness", "neutral"),
    codes={"A": "anger", "H": "happiness", "N": "neutral"}, folds=("1", "2"), fold_rule="by box", metric="uar",
    reported=("uar", "war"), sampling_rate=4, recipe="toys", items=lambda _: [], layout="", citation="", licence="",
    access="", scores={"uar": 0.8491, "war": 0.8489},
    published={"1": SplitFacts(2, 3, scores={"uar": 0.8666, "war": 0.8667}), "2": SplitFacts(3, 2)},
)  # fmt: skip
VALUES = replace(
    TOYS, name="values", task="regression", labels=("valence", "arousal"), codes={}, metric="ccc",
    scores={"pcc_arousal": 0.3374}, published={},
)  # fmt: skip
MERGED = replace(TOYS, name="merged", folds=(), merge_by=2, published={}, scores={})


def install(patch: pytest.MonkeyPatch, *datasets: Dataset) -> None:
    """Let the commands know these datasets and no others."""
    known = {dataset.name: dataset for dataset in datasets}

    def find_dataset(name: str) -> Dataset:
        if name not in known:
            raise SettingsError(f"no dataset named {name}; there are {', '.join(known)}")
        return known[name]

    def dataset_root(dataset: Dataset, given: Path | None = None) -> Path:
        return given or Path("data") / dataset.folder

    module = types.ModuleType("hicmae_cli.corpora.catalogue")
    vars(module).update(find_dataset=find_dataset, dataset_root=dataset_root, DATASETS=known)
    patch.setitem(sys.modules, module.__name__, module)
