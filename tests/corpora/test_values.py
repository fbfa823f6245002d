"""Targets: classes, and the values of a regression."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.corpora.values import Target, check_values, format_target, parse_targets, parse_values
from hicmae_cli.errors import ManifestError

NAMES = ("arousal", "valence")
WRONG = r"^clip a: expected 2 numbers \(arousal, valence\) with spaces"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.5 -1.25  2", (0.5, -1.25, 2.0)),
        ("3", (3.0,)),
        ("1e6", (1e6,)),
        ("", None),
        ("fear", None),
        ("1 x", None),
        ("nan", None),
        ("1 inf", None),
        ("1e200", None),
    ],
)
def test_numbers_of_a_text(text: str, values: tuple[float, ...] | None) -> None:
    assert parse_values(text) == values


@given(st.lists(st.floats(-1e6, 1e6), min_size=1).map(tuple))
def test_values_that_are_written_are_read_to_the_last_bit(values: tuple[float, ...]) -> None:
    assert parse_values(format_target(values)) == values
    assert format_target("fear") == "fear"


def test_one_value_for_each_target() -> None:
    assert parse_targets("1 2.5", NAMES, "clip a") == (1.0, 2.5)
    for text in ("1", "1 2 3", "1 x", ""):
        with pytest.raises(ManifestError, match=WRONG):
            parse_targets(text, NAMES, "clip a")


def test_a_class_is_not_a_value() -> None:
    assert check_values((1.0, 2.5), NAMES, "clip a") == (1.0, 2.5)
    targets: tuple[Target, ...] = ((1.0,), (1.0, 2.0, 3.0), "1 2", "fear")
    for target in targets:
        with pytest.raises(ManifestError, match=WRONG):
            check_values(target, NAMES, "clip a")
