"""Small predictions, and what a summary of them says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.summaries.summarize import Summary
from tests.runtime.stubs import TOY_MODEL

A, B = (0.8, 0.1, 0.1), (0.2, 0.2, 0.6)


def predicted(*files: tuple[str, float, tuple[Track, ...]], **changes: Any) -> Prediction:
    """Files as (path, length, tracks)."""
    results = tuple(FileResult(Path(path), "ok", "", length_s, 25.0, tracks) for path, length_s, tracks in files)
    return Prediction(TOY_MODEL, PredictSettings(**changes), results)


def person(*windows: Window, number: int = 1, name: str = "") -> Track:
    return Track(number, windows, 1.0, 50.0, name)


def values(summary: Summary, event: str = "all", person: str = "person 1") -> dict[tuple[str, str], float | None]:
    return {(r.measure, r.label): r.value for r in summary.rows if (r.event, r.person) == (event, person)}


def put(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def assert_equal(
    found: Mapping[tuple[str, str], float | None], expected: Mapping[tuple[str, str], float | None]
) -> None:
    assert {key: found[key] for key in expected} == {
        key: value if value is None else pytest.approx(value) for key, value in expected.items()
    }
