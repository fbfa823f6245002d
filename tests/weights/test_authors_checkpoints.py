"""Checkpoints as trainings leave them behind: wrapped, averaged, halved, with whatever the options held."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.authors import explain_relative, to_our_names
from hicmae_cli.weights.checkpoint import read_authors_model
from hicmae_cli.weights.importing import import_weight
from tests.weights.test_checkpoint import toy_state
from tests.weights.test_importing import LABELS

State = dict[str, torch.Tensor]


def average(state: State) -> State:
    return {name: tensor + 1 for name, tensor in state.items()}


def with_optimiser(state: State) -> dict[str, Any]:
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in state.values()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    sum(parameter.sum() for parameter in parameters).backward()  # type: ignore[union-attr]
    optimiser.step()
    return {"model": state, "optimizer": optimiser.state_dict(), "epoch": 99, "scaler": {"scale": 65536.0}}


CHECKPOINTS: dict[str, Callable[[State], dict[str, Any]]] = {
    "tensors alone": lambda state: state,
    "optimiser": with_optimiser,
    "wrapped": lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
    "averaged": lambda state: {"model": state, "model_ema": average(state)},
    "numpy scalars": lambda state: {
        "model": state,
        "args": argparse.Namespace(lr=np.float64(1e-3), epochs=np.int64(100), flag=np.bool_(True), part=np.float32(1)),
        "best": np.float64(84.9),
    },
    "namespace": lambda state: {
        "model": state,
        "args": argparse.Namespace(device=torch.device("cpu"), betas=[0.9, 0.999], nested=argparse.Namespace(a=None)),
    },
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_the_trained_weights_are_taken(kind: str, tmp_path: Path) -> None:
    state = toy_state()
    torch.save(CHECKPOINTS[kind](state), tmp_path / "c.pth")
    model, info = import_weight(tmp_path / "c.pth", "toy", LABELS, heads=4)
    for name, tensor in to_our_names(state).items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert ("not their moving average `model_ema`" in info.source) is (kind == "averaged")


def test_half_precision_is_widened(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in toy_state().items()}
    torch.save({"model": half}, tmp_path / "c.pth")
    model = read_authors_model(tmp_path / "c.pth", 4)
    for name, tensor in to_our_names(half).items():
        assert torch.equal(model.state_dict()[name], tensor.float())


def test_a_given_source_says_which_weights_were_taken(tmp_path: Path) -> None:
    torch.save(CHECKPOINTS["averaged"](toy_state()), tmp_path / "c.pth")
    _, info = import_weight(tmp_path / "c.pth", "toy", LABELS, heads=4, source="a friend")
    assert info.source == "a friend (the trained weights `model`, not their moving average `model_ema`)"


# Names by which the public code registers parameters; the numbers do not matter.
VIDEO = ["patch_embed.proj.weight", "blocks.0.norm1.weight", "blocks.0.mlp.fc1.weight", "head.weight"]
SOUND = ["encoder_audio.patch_embed.proj.weight", "encoder_audio.blocks.0.norm1.weight"]
RELATIVES = {
    "fine-tuned MAE-DFER": (["lg_region_tokens", *VIDEO], "of MAE-DFER, or the video part of AVF"),
    "pre-trained MAE-DFER": (
        ["encoder.lg_region_tokens", *(f"encoder.{name}" for name in VIDEO), "decoder.blocks.0.norm1.weight"],
        "of MAE-DFER, .* see the face alone",
    ),
    "AVF-MAE++": (
        ["encoder.lg_region_tokens", *(f"encoder.{name}" for name in VIDEO), *SOUND],
        r"of AVF-MAE\+\+, which has another architecture",
    ),
    "VideoMAE": (VIDEO, "of a model without an audio encoder, such as VideoMAE"),
}


@pytest.mark.parametrize("name", RELATIVES)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_related_model_is_refused_by_its_name(name: str, prefix: str, tmp_path: Path) -> None:
    names, message = RELATIVES[name]
    torch.save({"model": {f"{prefix}{each}": torch.zeros(2) for each in names}}, tmp_path / "c.pth")
    with pytest.raises(WeightsError, match=rf"c\.pth: is a checkpoint {message}.*; hicmae runs HiCMAE only$"):
        import_weight(tmp_path / "c.pth", "toy", LABELS)


@pytest.mark.parametrize("phase", ["finetune", "pretrain"])
def test_a_model_of_the_paper_is_no_relative(phase: str) -> None:
    assert explain_relative(toy_state(phase)) is None
    assert explain_relative(to_our_names(toy_state(phase))) is None
    assert explain_relative([]) is None
