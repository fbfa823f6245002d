"""Packets per second, from a header and from a count."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hicmae_cli.media.extent import Extent


def extent(count: int, last_s: Fraction) -> Extent:
    step_s = last_s / max(1, count - 1)
    return Extent(Fraction(0), last_s + step_s, last_s, count, step_s, step_s, Fraction(0))


@pytest.mark.parametrize(
    ("count", "last_s", "nominal", "expected"),
    [
        (1, Fraction(0), Fraction(25), Fraction(25)),  # a single packet
        (101, Fraction(4), Fraction(25), Fraction(25)),  # the header is right
        (101, Fraction(4001, 1000), Fraction(25), Fraction(25)),  # and right within rounding
        (101, Fraction(2), Fraction(25), Fraction(50)),  # the header is wrong
        (301, Fraction(10010, 1000), Fraction(25), Fraction(30000, 1001)),
        (3, Fraction(1, 10_000), Fraction(25), None),  # 20,000 a second
    ],
)
def test_the_rate(count: int, last_s: Fraction, nominal: Fraction, expected: Fraction | None) -> None:
    assert extent(count, last_s).estimate_rate(nominal) == expected
