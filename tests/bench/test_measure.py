from __future__ import annotations

import pytest

from hicmae_cli.bench.measure import Measure, to_document
from hicmae_cli.bench.prediction import multiply_adds
from hicmae_cli.models.config import VARIANTS


@pytest.mark.parametrize(("variant", "billions"), [("tiny", 13.8), ("small", 27.6), ("base", 46.1)])
def test_multiply_adds_are_the_papers(variant: str, billions: float) -> None:
    assert multiply_adds(VARIANTS[variant]) / 1e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize(("value", "at_most", "holds"), [(1.0, True, True), (2.0, True, False), (2.0, False, True)])
def test_a_bound_has_a_side(value: float, at_most: bool, holds: bool) -> None:
    measure = Measure("m", value, "x", 1.5, at_most, "")
    assert measure.holds is holds
    assert to_document([measure])["measures"][0]["holds"] is holds
