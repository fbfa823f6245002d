"""Predictions made by hand, and pictures as pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import LABELS, TOY_MODEL, TOY_REGRESSION, track, valued, window


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


HOSTILE_NAMES = (
    '<b>&"\n-->',
    "a\tb\tc",
    "nul\0nul",
    "n" * 5000,
    "\u202eevil\u202c שלום",
    "{\\an8}\\N<i>tag</i>",
    "]]><!--",
    "broken \udcff byte",
    "<NA>",
    " \r\n ",
    "person 2",
    "person 2",
    "\ufffe\uffff\x1b[31m",
)


def labelled(*spans_ms: tuple[int, int, str], name: str = "", number: int = 1) -> Track:
    """A person with one window for each (start, end, label); the label has 0.8, the others 0.1."""
    rows = {label: tuple(0.8 if each == label else 0.1 for each in LABELS) for label in LABELS}
    windows = [window(start_ms / 1000, end_ms / 1000, rows[label]) for start_ms, end_ms, label in spans_ms]
    return replace(track(number, *windows), name=name)


def hostile(path: str = "a.mp4") -> Prediction:
    """A person for each hostile name, one episode each; person N starts at N seconds, and lasts 1.234 s."""
    people = [
        labelled((1000 * number, 1000 * number + 1234, "anger"), name=name, number=number)
        for number, name in enumerate(HOSTILE_NAMES, start=1)
    ]
    return prediction(*people, path=path)
