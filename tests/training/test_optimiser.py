from __future__ import annotations

from typing import Any

import pytest
import torch

from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.training.optimiser import cosine_schedule, layer_index, parameter_groups
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
            int(step), base_lr=facts["base_lr"], min_lr=facts["min_lr"],
            total_steps=facts["epochs"] * steps, warmup_steps=facts["warmup_epochs"] * steps,
        )  # fmt: skip
        assert rate == pytest.approx(expected, rel=1e-9), step
