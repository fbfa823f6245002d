"""The text of a RandAugment policy."""

from __future__ import annotations

import pytest

from hicmae_cli.recipes.policy import Policy, parse_policy

PAPER = "rand-m7-n4-mstd0.5-inc1"


def test_the_text_of_a_policy_is_parsed() -> None:
    assert parse_policy(PAPER) == Policy(7, 4, 0.5, 0.5, 10, True)
    assert parse_policy("rand") == Policy()
    assert parse_policy("rand-n0-p1") == Policy(layers=0, probability=1.0)
    assert parse_policy("") is None


@pytest.mark.parametrize(
    "text", ["augmix-m3", "rand-x3", "rand-m7-m8", "rand-m7.5", "rand-m", "rand--m7", "rand-tweights", "rand-p1.5"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rand-m7-n4|at most 1"):
        parse_policy(text)
