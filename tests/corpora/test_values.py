"""Labels that are numbers."""

from __future__ import annotations

import pytest

from hicmae_cli.corpora.values import numbers_of, values_of
from hicmae_cli.errors import ManifestError


@pytest.mark.parametrize(
    ("label", "numbers"),
    [
        ("0.5 -1.25  2", [0.5, -1.25, 2.0]),
        ("3", [3.0]),
        ("1e6", [1e6]),
        ("", None),
        ("fear", None),
        ("1 x", None),
        ("nan", None),
        ("1 inf", None),
        ("1e200", None),
    ],
)
def test_numbers_of_a_label(label: str, numbers: list[float] | None) -> None:
    assert numbers_of(label) == numbers


def test_one_value_of_each_target() -> None:
    assert values_of("1 2.5", ("arousal", "valence"), "clip a") == [1.0, 2.5]
    for label in ("1", "1 2 3", "1 x", ""):
        with pytest.raises(ManifestError, match=r"^clip a: expected 2 numbers \(arousal, valence\) with spaces"):
            values_of(label, ("arousal", "valence"), "clip a")
