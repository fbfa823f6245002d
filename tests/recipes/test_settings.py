"""Every setting: its bounds, and what the list of keys says of it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from pydantic import ValidationError

from hicmae_cli.models.config import AUDIO_GRID, VARIANTS, MaskKind
from hicmae_cli.models.masking import count_masked
from hicmae_cli.recipes.recipe import ALIASES, RecipeKey, list_keys
from hicmae_cli.recipes.settings import OF_THE_MACHINE, PHASES
from hicmae_cli.recipes.shared_settings import Settings

KEYS = [(phase, key) for phase in PHASES for key in list_keys(PHASES[phase])]


@pytest.mark.parametrize(("phase", "key"), KEYS, ids=lambda item: item if isinstance(item, str) else item.name)
def test_every_key_has_a_meaning(phase: str, key: RecipeKey) -> None:
    """A sentence for the list and the docs."""
    assert len(key.meaning.split()) >= 3 and key.meaning.endswith(".")
    assert key.values
    units = {"_px": "px", "_s": "s", "_db": "dB", "_clips": "clips", "_epochs": "epochs", "_frames": "frames"}
    for suffix, unit in units.items():
        if key.name.endswith(suffix) and "number" in key.values:
            assert unit in key.unit


@pytest.mark.parametrize("phase", PHASES)
def test_the_list_has_every_key_with_its_default(phase: str) -> None:
    kind = PHASES[phase]
    keys = {key.name: key for key in list_keys(kind)}
    assert keys.keys() == kind.model_fields.keys()
    assert (keys["epochs"].default, keys["epochs"].unit) == ("50" if phase == "finetune" else "100", "epochs")
    assert keys["clip_grad_norm"].default == "unset" and keys["clip_grad_norm"].values == "a number, above 0"
    assert keys["mixed_precision"].default == '"no"' and keys["mixed_precision"].values == "auto, no, bf16 or fp16"
    assert keys["cache_clips"].default == "false" and keys["cache_clips"].values == "true or false"
    assert keys["betas"].values == "two numbers, at least 0 and below 1"


def beyond(bound: float, name: str, *, whole: bool) -> float:
    """The nearest value that a bound refuses."""
    step = 1 if whole else 1e-9
    return {"ge": bound - step, "gt": bound, "le": bound + step, "lt": bound}[name]


@pytest.mark.parametrize("phase", PHASES)
def test_every_bound_holds_and_stands_in_the_list(phase: str) -> None:
    """Of two bounds of one kind pydantic would drop one; no field may have two."""
    kind = PHASES[phase]
    values = {key.name: key.values for key in list_keys(kind)}
    checked = 0
    for key, field in kind.model_fields.items():
        bounds = [
            (n, getattr(item, n)) for item in field.metadata for n in ("ge", "gt", "le", "lt") if hasattr(item, n)
        ]
        assert len({name for name, _ in bounds}) == len(bounds), key
        for name, bound in bounds:
            checked += 1
            assert f" {bound}" in values[key]
            value = beyond(bound, name, whole="whole" in values[key])
            with pytest.raises(ValidationError) as caught:
                kind.model_validate({key: value})
            assert {error["loc"] for error in caught.value.errors()} == {(key,)}
    assert checked > 20


def test_a_setting_of_both_phases_is_written_once() -> None:
    shared = Settings.model_fields.keys()
    finetune, pretrain = (PHASES[phase].model_fields for phase in ("finetune", "pretrain"))
    assert finetune.keys() & pretrain.keys() == shared
    for key in shared:
        assert finetune[key].description == pretrain[key].description
        assert finetune[key].metadata == pretrain[key].metadata


def test_the_variants_and_masks_are_those_of_the_models() -> None:
    values = {key.name: key.values for key in list_keys(PHASES["pretrain"])}
    assert re.split(", | or ", values["variant"]) == list(VARIANTS)
    for kind in get_args(MaskKind):
        assert count_masked(kind, AUDIO_GRID, 0.75) > 0
    with pytest.raises(ValueError, match="expected one of") as caught:
        count_masked("star", AUDIO_GRID, 0.75)
    assert set(str(caught.value).partition("one of ")[2].split(", ")) == set(get_args(MaskKind))


def test_names_that_stand_for_keys_are_no_keys_and_lead_to_one() -> None:
    keys = {key for kind in PHASES.values() for key in kind.model_fields}
    assert not ALIASES.keys() & keys
    assert set(ALIASES.values()) <= keys
    assert keys >= OF_THE_MACHINE
