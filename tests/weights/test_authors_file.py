"""What was imported from the authors is exported to them unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.weights.authors_file import export_authors
from hicmae_cli.weights.catalogue import locate_stored
from hicmae_cli.weights.checkpoint import load_classifier, read_authors_model, save_classifier
from hicmae_cli.weights.importing import import_weight
from tests.weights.test_checkpoint import toy_state
from tests.weights.toys import save_toy

LABELS = {"finetune": ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), "pretrain": ()}


@pytest.mark.parametrize("phase", ["finetune", "pretrain"])
def test_tensors_come_out_as_they_went_in(tmp_path: Path, phase: str) -> None:
    state = toy_state(phase)
    torch.save({"model": state, "epoch": 3, "optimizer": {}}, tmp_path / "theirs.pth")
    import_weight(tmp_path / "theirs.pth", "toy", LABELS[phase], heads=4)
    count = export_authors(locate_stored("toy", ".safetensors"), tmp_path / "back.pth")
    back = torch.load(tmp_path / "back.pth", weights_only=True)["model"]
    assert count == len(state) and back.keys() == state.keys()
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor), name
    read_authors_model(tmp_path / "back.pth", 4)


def test_what_the_authors_model_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected a name that ends in \.pth"):
        export_authors(save_toy(tmp_path / "a.safetensors"), tmp_path / "a.onnx")
    model, info = load_classifier(save_toy(tmp_path / "b.safetensors"))
    for fields, reason in (
        ({"modality": "video"}, "uses video alone"),
        ({"withheld": "mean token"}, "by a mean token"),
    ):
        save_classifier(tmp_path / "b.safetensors", model, info.model_copy(update=fields))
        with pytest.raises(WeightsError, match=reason):
            export_authors(tmp_path / "b.safetensors", tmp_path / "b.pth")
    assert not list(tmp_path.glob("*.pth"))
