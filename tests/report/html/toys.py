"""Predictions with random numbers, of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.occlusion import FACE_GRID, VOICE_GRID
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import LABELS, TOY_MODEL


def random_prediction(
    count: int, people: int = 2, gap: tuple[int, int] = (3, 9), labels: Sequence[str] = LABELS
) -> Prediction:
    """Windows of 2.56 s every 0.64 s, with random numbers; each person is away for some of them."""
    rng = np.random.default_rng(0)
    tracks = []
    for number in range(1, people + 1):
        windows = []
        for at in range(count):
            if gap[0] <= at < gap[1]:
                continue
            row = rng.dirichlet(np.ones(len(labels)))
            speaker = ("yes", "no", "unsure")[at % 3] if number == 1 else None
            windows.append(
                Window(
                    at * 0.64,
                    at * 0.64 + 2.56,
                    Scores.of(labels, row),
                    round(rng.uniform(), 4),
                    "av",
                    (),
                    None,
                    speaker,
                )
            )
        tracks.append(Track(number, tuple(windows), 0.75, 50.0))
    file = FileResult(Path("a.mp4"), "ok", "", count * 0.64 + 5.0, 25.0, tuple(tracks))
    info = TOY_MODEL.info.model_copy(update={"labels": tuple(labels)})
    return Prediction(replace(TOY_MODEL, info=info), PredictSettings(), (file,))


def explained(count: int) -> Prediction:
    """Random numbers, of which each window says what moved it; the second person is not heard."""
    whole, rng = random_prediction(count), np.random.default_rng(1)

    def explain(each: Window, *, heard: bool) -> Window:
        face_map, voice_map = (
            tuple(map(tuple, rng.uniform(-0.1, 0.3, grid).tolist())) for grid in (FACE_GRID, VOICE_GRID)
        )
        face, voice = rng.uniform(-0.2, 0.6, 2).tolist() if heard else (None, None)
        name = each.scores.label or ""
        return replace(each, explanation=Explanation(name, face, voice, face_map, voice_map if heard else None))

    tracks = tuple(
        replace(person, windows=tuple(explain(each, heard=person.id == 1) for each in person.windows))
        for person in whole.files[0].tracks
    )
    return replace(whole, files=(replace(whole.files[0], tracks=tracks),))
