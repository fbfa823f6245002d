"""A prediction that several tests summarize."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hicmae_cli.report.prediction import Prediction
from tests.runtime.stubs import window
from tests.summaries.toys import A, B, person, predicted


@pytest.fixture
def two_windows() -> Prediction:
    """Anger from 0 to 4 s, neutral from 2 to 6 s, both from 2 to 4 s; nothing from 6 to 8 s."""
    windows = replace(window(0.0, 4.0, A), speaker="yes"), replace(window(2.0, 6.0, B), speaker="no")
    return predicted(("day1/a.mp4", 8.0, (person(*windows),)))
