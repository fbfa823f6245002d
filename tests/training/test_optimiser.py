from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import VARIANTS, Architecture
from hicmae_cli.training.optimiser import cosine_schedule, learning_rate_at, parameter_groups, take_step, warmup_warning
from hicmae_cli.weights.authors import to_our_name
from tests import reference
from tests.training.toys import SETTINGS

REFERENCE = reference.read_json("optimisation.json")


def test_layer_wise_groups_match_the_authors() -> None:
    expected = REFERENCE["layer_decay"]
    with torch.device("meta"):
        model = build_classifier(Architecture(VARIANTS["tiny"], outputs=8))
    depths = model.list_depths()
    groups = parameter_groups(model, depths, layer_decay=expected["decay"], weight_decay=0.05)
    ours = {name: (g["lr_scale"], g["weight_decay"]) for g in groups for name in g["names"]}
    theirs = {to_our_name(name): values for name, values in expected["parameters"].items()}
    assert ours.keys() == theirs.keys()
    for name, (layer, scale, decay) in theirs.items():
        assert depths[name] == layer, name
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


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_a_run_that_ends_during_warm_up_gets_a_warning(epochs: int) -> None:
    settings = SETTINGS.model_copy(update={"epochs": epochs, "warmup_epochs": 5})
    rates = [learning_rate_at(settings, step, 10) for step in range(epochs * 10)]
    assert rates == sorted(rates)
    warning = warmup_warning(settings)
    assert warning is not None and f"about {20 * epochs}% of the peak" in warning
    assert rates[-1] / settings.peak_lr == pytest.approx(0.2 * epochs, abs=0.02)


@pytest.mark.parametrize(("epochs", "warmup"), [(6, 5), (1, 0), (1, 0.5)])
def test_a_run_that_reaches_its_peak_gets_none(epochs: int, warmup: float) -> None:
    assert warmup_warning(SETTINGS.model_copy(update={"epochs": epochs, "warmup_epochs": warmup})) is None


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
def test_only_finite_gradients_make_a_step_unless_a_scaler_handles_them(
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
