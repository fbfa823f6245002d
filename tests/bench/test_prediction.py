"""Speeds of prediction, measured on a real model."""

from __future__ import annotations

import pytest

from hicmae_cli.bench.prediction import measure_one_person
from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.runtime.opening import open_engine


@pytest.mark.slow
def test_one_person_is_followed_and_every_stage_is_named() -> None:
    found = measure_one_person(open_engine(DEFAULT_WEIGHT), duration_s=4.0, rounds=1)
    assert found.value > 0.1 and found.bound == 5.0 and not found.at_most
    assert found.detail.startswith("4.0 s of 1280 px x 720 px, 1 tracks, in ")
    assert all(f"{stage} " in found.detail for stage in ("decode", "faces", "speaker", "model", "rest"))
