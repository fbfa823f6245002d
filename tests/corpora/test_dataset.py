"""What a dataset may say of itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hicmae_cli.corpora.catalogue import DATASETS, find_dataset
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.voxceleb2 import VOXCELEB2


@pytest.mark.parametrize(
    ("dataset", "changes"),
    [
        (VOXCELEB2, {"labels": ("anger",)}),
        (VOXCELEB2, {"folds": ("1",)}),
        (VOXCELEB2, {"recipe": "crema-d"}),
        (VOXCELEB2, {"recipe": "crema-d", "metric": "uar"}),
        (find_dataset("dfew"), {"task": "pretraining"}),
        (find_dataset("dfew"), {"recipe": ""}),
        (find_dataset("dfew"), {"metric": ""}),
    ],
)
def test_only_datasets_with_labels_can_be_fine_tuned_on(dataset: Dataset, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{dataset.name}: expected "):
        replace(dataset, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DATASETS)
def test_the_facts_are_json(name: str) -> None:
    facts = json.loads(json.dumps(DATASETS[name].to_dict()))
    assert facts["name"] == name
    assert facts["codes"] == dict(DATASETS[name].codes)
    assert "\n".join(facts["layout"]) == DATASETS[name].layout
