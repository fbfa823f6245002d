"""Ranges of the augmentation: two values that rise, within sense; and all that is beyond the paper is off."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hicmae_cli.recipes.settings import FinetuneSettings


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scale", [1.2, 0.8], "two rising factors from 0.5 to 2"),
        ("scale", [0.1, 1.0], "two rising factors"),
        ("least_face_px", 8, "expected 0 (off), or 16 to 160, got 8"),
        ("babble_db", [20.0, 5.0], "two rising ratios"),
        ("audio_noise_db", [-60.0, 5.0], "two rising ratios from -40 to 100 dB"),
    ],
)
def test_ranges_rise_within_bounds(key: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FinetuneSettings.model_validate({key: value})
    assert message in str(caught.value)
    assert {error["loc"] for error in caught.value.errors()} == {(key,)}


def test_ranges_are_read_from_lists() -> None:
    recipe = FinetuneSettings.model_validate({"scale": [0.9, 1.1], "audio_noise_db": [5.0, 30.0], "least_face_px": 16})
    assert (recipe.scale, recipe.audio_noise_db, recipe.least_face_px) == ((0.9, 1.1), (5.0, 30.0), 16)
