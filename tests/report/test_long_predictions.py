"""Results of hours: the documents are the same as those made at once, and take little memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.json_text import stream_json
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.log import LoggedResults, PredictionLog
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from tests.cli.running import fresh_python
from tests.runtime.stubs import LABELS, TOY_MODEL

STEP_S = 0.16


def make_result(path: str, moments: int, people: int = 2, seed: int = 0) -> FileResult:
    """Windows of 16 moments, every fourth of them, each with its boxes."""
    rng = np.random.default_rng(seed)
    tracks = []
    for number in range(1, people + 1):
        boxes = [FaceBox(at * STEP_S, *rng.uniform(0, 500, 4).tolist()) for at in range(moments)]
        windows = [
            Window(
                start * STEP_S,
                (start + 16) * STEP_S,
                Scores.of(LABELS, rng.dirichlet(np.ones(len(LABELS)))),
                float(rng.uniform()),
                "av",
                tuple(boxes[start : start + 16]),
                float(rng.uniform()),
                str(rng.choice(["yes", "no", "unsure"])),
            )
            for start in range(0, max(1, moments - 15), 4)
        ]
        tracks.append(Track(number, tuple(windows), float(rng.uniform()), 100.0 * float(rng.uniform())))
    return FileResult(Path(path), "ok", "", moments * STEP_S, 25.0, tuple(tracks), 1, "a" * 64, 1280, 720)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), lengths=st.lists(st.integers(1, 60), max_size=3), people=st.integers(1, 3))
def test_the_streamed_document_is_the_dictionary(seed: int, lengths: list[int], people: int) -> None:
    files = [make_result(f"{at}.mp4", moments, people, seed) for at, moments in enumerate(lengths)]
    made = Prediction(TOY_MODEL, PredictSettings(), (*files, FileResult(Path("b.mp4"), "error", "broken")))
    assert json.loads("".join(stream_json(made.to_dict(iter)))) == made.to_dict()
    with PredictionLog(None, TOY_MODEL, PredictSettings()) as log:
        log.start()
        for file in made.files:
            log.add(file)
        read = LoggedResults(log, [file.path for file in made.files])
        assert Prediction(TOY_MODEL, PredictSettings(), read).to_dict() == made.to_dict()
        assert [file.path for file in read[1:]] == [file.path for file in made.files[1:]]


# What the command's process does: take a result from a worker, log it, drop it, and write it at the end.
KEEP = """
import pickle, sys
from pathlib import Path
from hicmae_cli.memory import peak_resident_mb
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.log import LoggedResults, PredictionLog
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import TOY_MODEL
folder, result, files = Path({folder!r}), Path({result!r}), {files}
with PredictionLog(folder / "log.jsonl", TOY_MODEL, PredictSettings()) as log:
    log.start()
    for _ in range(files):
        log.add(pickle.loads(result.read_bytes()))
    entries = [Path("a.mp4")] * files
    Prediction(TOY_MODEL, PredictSettings(), LoggedResults(log, entries)).save(folder, ["json", "csv"])
print(peak_resident_mb())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no peak memory there")
def test_an_hour_of_two_people_takes_60_mb_more_than_a_minute_and_many_hours_no_more(tmp_path: Path) -> None:
    import pickle

    def measure(minutes: int, files: int) -> float:
        result = tmp_path / f"{minutes}.pickle"
        result.write_bytes(pickle.dumps(make_result("a.mp4", round(minutes * 60 / STEP_S))))
        run = fresh_python(KEEP.format(folder=str(tmp_path), result=str(result), files=files))
        assert run.returncode == 0, run.stderr
        return float(run.stdout)

    minute, few, many = measure(1, 1), measure(60, 2), measure(60, 5)
    assert few - minute <= 60
    assert many - few <= 5
