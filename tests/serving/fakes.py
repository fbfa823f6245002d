"""A pool that predicts by the words in a file, and applications with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from fastapi import FastAPI

from hicmae_cli.errors import WeightsError
from hicmae_cli.runtime.outputs import Scores, Window
from hicmae_cli.runtime.reading import OnSeconds
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.serving.app import create_app
from hicmae_cli.serving.settings import ServeSettings
from hicmae_cli.workers import WorkerDiedError
from tests.runtime.stubs import LABELS, TOY_MODEL

BAD = b"bad"
CRASH = b"crash"
GONE_MODEL = b"gone model"
BUG = b"bug"
NO_FACE = b"no face"
SLOW = b"slow"


class FakePool:
    """Any content but the words above is a video of somebody as happy as its last byte says."""

    model = TOY_MODEL
    settings = PredictSettings().follow(0.16)

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.began, self.stopped = Event(), Event()
        self.goes_on = Event()
        self.warmed = 0
        self.is_closed = False

    def predict_one(self, path: Path, on_seconds: OnSeconds, on_wait: Callable[[], None]) -> FileResult:
        self.paths.append(path)
        content = path.read_bytes()
        self.began.set()
        on_seconds(1.0, 2.0)
        while content == SLOW and not self.goes_on.is_set():
            time.sleep(0.01)
            try:
                on_wait()
            except Exception:
                self.stopped.set()
                raise
        if content == BAD:
            return FileResult(path, "error", f"{path}: cannot be read\x1b[31m")
        if content == CRASH:
            raise WorkerDiedError("its process crashed (SIGSEGV) in a decoder or a model")
        if content == GONE_MODEL:
            raise WeightsError("toy: no such weight")
        if content == BUG:
            raise ZeroDivisionError("division by zero")
        if content == NO_FACE:
            return FileResult(path, "no-face", "no face was found", 2.0)
        happy = content[-1] / 255
        scores = Scores.of(LABELS, np.array([0.0, happy, 1 - happy]))
        windows = Window(0.0, 2.56, scores, 1.0, "video"), Window(2.56, 5.12, scores, 1.0, "video")
        return FileResult(path, "ok", "", 5.12, 25.0, (Track(1, windows, 1.0, 80.0),), len(content), "0" * 64)

    def warm(self) -> None:
        self.warmed += 1

    def close(self) -> None:
        self.is_closed = True


def make_app(pool: FakePool | None = None, **settings: Any) -> FastAPI:
    """An application whose model is a `FakePool`."""
    found = pool or FakePool()
    return create_app(ServeSettings(**settings), lambda _: found)
