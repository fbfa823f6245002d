"""Importing an authors' checkpoint from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.weights.catalogue import locate_stored
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.importing import import_weight
from hicmae_cli.weights.suffixes import EXPORT_SUFFIXES
from tests.weights.test_checkpoint import toy_state

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"model": toy_state()}, tmp_path / "authors.pth")
    return tmp_path / "authors.pth"


def test_the_stored_weight_is_the_imported_one(checkpoint: Path) -> None:
    model, info = import_weight(checkpoint, "toy", LABELS, heads=4, dataset="crema-d", fold="2", licence="CC BY-NC 4.0")
    assert info.labels == ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
    assert (info.source, info.dataset, info.licence) == ("imported from authors.pth", "crema-d", "CC BY-NC 4.0")
    assert info.fold == "2"
    stored, found = load_classifier(locate_stored("toy", ".safetensors"))
    assert isinstance(model, Classifier) and found == info
    for name, tensor in model.state_dict().items():
        assert torch.equal(stored.state_dict()[name], tensor)


def test_labels_must_fit_the_outputs(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match=r"labels: got 2, expected 6 \(one per output"):
        import_weight(checkpoint, "toy", ("a", "b"), heads=4)
    assert not locate_stored("toy", ".safetensors").exists()


def test_replacing_a_weight_removes_its_export(checkpoint: Path) -> None:
    import_weight(checkpoint, "toy", LABELS, heads=4)
    exports = [locate_stored("toy", suffix) for suffix in EXPORT_SUFFIXES]
    for export in exports:
        export.write_bytes(b"exported before")
    with pytest.raises(WeightsError, match="a weight with this name exists"):
        import_weight(checkpoint, "toy", LABELS, heads=4)
    assert all(export.exists() for export in exports)
    import_weight(checkpoint, "toy", LABELS, heads=4, force=True)
    assert not any(export.exists() for export in exports)
