"""Predictions made by hand, and pictures as pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult, Scores, Track, Window
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import TOY_MODEL, TOY_REGRESSION, valued


def prediction(*tracks: Track, path: str = "a.mp4") -> Prediction:
    """One file, and one that failed."""
    files = (FileResult(Path(path), "ok", tracks=tracks), FileResult(Path("b.mp4"), "error", "broken"))
    return Prediction(TOY_MODEL, PredictSettings(), files)


def regression() -> Prediction:
    """One file of one person: arousal rises from -1.5 to 12.25, valence stays at 0.25."""
    windows = (valued(-1.5, 0.25, start_s=0.0, end_s=4.0), valued(12.25, 0.25, start_s=4.0, end_s=8.0))
    file = FileResult(Path("a.mp4"), "ok", "", 8.0, 25.0, (Track(1, windows, 1.0, 50.0),))
    return Prediction(TOY_REGRESSION, PredictSettings(), (file,))


def blends() -> Prediction:
    """One file of one person: anger and fear, then fear alone; sadness is never likely."""
    labels = ("anger", "fear", "sadness")
    rows = ((0.75, 1.0, 0.25), (0.375, 0.75, 0.0))
    windows = tuple(
        Window(4.0 * at, 4.0 * at + 4, Scores.of(labels, np.array(row), "multilabel"), 1.0, "av")
        for at, row in enumerate(rows)
    )
    file = FileResult(Path("a.mp4"), "ok", "", 8.0, 25.0, (Track(1, windows, 1.0, 50.0),))
    info = TOY_MODEL.info.model_copy(update={"task": "multilabel", "labels": labels})
    return Prediction(replace(TOY_MODEL, info=info), PredictSettings(), (file,))


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(np.int64)
