from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.training.optimiser import cosine_schedule, layer_index, parameter_groups, take_step
from hicmae_cli.weights.authors import to_our_name
from tests import reference

REFERENCE = reference.read_json("optimisation.json")


def test_layer_wise_groups_match_the_authors() -> None:
    expected = REFERENCE["layer_decay"]
    with torch.device("meta"):
        model = Classifier(VARIANTS["tiny"], 8)
    groups = parameter_groups(model, model.dims, layer_decay=expected["decay"], weight_decay=0.05)
    ours = {name: (g["lr_scale"], g["weight_decay"]) for g in groups for name in g["names"]}
    theirs = {to_our_name(name): values for name, values in expected["parameters"].items()}
    assert ours.keys() == theirs.keys()
    for name, (layer, scale, decay) in theirs.items():
        assert layer_index(name, model.dims) == layer, name
        assert ours[name] == (pytest.approx(scale, rel=1e-8), decay), name


@pytest.mark.parametrize("facts", REFERENCE["schedules"], ids=lambda facts: facts["what"])
def test_the_schedule_matches_the_authors(facts: dict[str, Any]) -> None:
    steps = facts["steps_per_epoch"]
    for step, expected in facts["values_at"].items():
        rate = cosine_schedule(
            int(step),
            base_lr=facts["base_lr"],
            min_lr=facts["min_lr"],
            total_steps=facts["epochs"] * steps,
            warmup_steps=facts["warmup_epochs"] * steps,
        )
        assert rate == pytest.approx(expected, rel=1e-9), step


@pytest.mark.parametrize(
    ("gradient", "scale", "made"),
    [
        (3.0, None, True),
        (math.inf, None, False),
        (math.nan, None, False),
        (math.inf, 2.0, True),
        (math.inf, 0.5, False),
    ],
)
def test_a_step_is_made_with_what_is_finite_or_left_to_the_scaler(
    gradient: float, scale: float | None, made: bool
) -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    model.weight.grad = torch.full((1, 1), gradient)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    scaler = None if scale is None else SimpleNamespace(get_scale=lambda: scale)
    accelerator = SimpleNamespace(unscale_gradients=lambda: None, scaler=scaler)
    norm, was_made = take_step(accelerator, model, optimiser, clip_grad_norm=1.0)
    assert was_made is made
    assert norm == pytest.approx(gradient, nan_ok=True)
    if not made:
        assert model.weight.item() == before
    elif scale is None:
        assert model.weight.item() == pytest.approx(before - 1.0, abs=1e-5)  # clipped
        assert model.weight.grad is None
