"""Predict many files in worker processes: a file that crashes, hangs or exhausts its process loses only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import starmap
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.clips import Clip
from hicmae_cli.errors import HicmaeError, SettingsError, WeightsError, first_line
from hicmae_cli.faces.align import read_template
from hicmae_cli.files import compute_sha256
from hicmae_cli.model_input import LOG_MEL_BINS, LOG_MEL_FRAMES
from hicmae_cli.ray_workers import run_on_ray
from hicmae_cli.runtime.engine import score_batches
from hicmae_cli.runtime.inputs import start_of
from hicmae_cli.runtime.log import PredictionLog
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.opening import describe_weight, open_predictor
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.reading import OnSeconds
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.speaking.voice import open_voice_net
from hicmae_cli.workers import Report, WorkerDiedError, WorkerPool, count_cores, run_here

_REPORT_EVERY_S: Final = 0.05

OnFile = Callable[[Path, float, float], None]
"""Called with a file, its seconds that are done, and all of its seconds (0 and 0 while it is probed or hashed)."""


@dataclass(frozen=True)
class _Request:
    """What every process opens its model with."""

    weights: str
    engine: str
    device: str
    threads: int
    settings: PredictSettings
    raise_unexpected: bool
    timings: bool


class PredictorPool:
    """Processes that each hold a model and predict one file at a time.

    Args:
        weights: name or file; see ``open_engine``.
        engine: see ``open_engine``.
        device: see ``open_engine``.
        settings: streams, windows, number of people, part of the input.
        jobs: processes; 0 predicts in this process, which a file can then take down.
        raise_unexpected: raise an error that hicmae did not foresee, and do not make it the file's result.
        timings: whether results say where the time went.
        ray: predict on the Ray cluster at this address instead, a file on each core; see ``run_on_ray``. All nodes must
            have the files, and a weight that is a file, under the same paths.

    Attributes:
        model: the weight and the engine that runs it.
        settings: as given; ``modality`` is that of the weight if it was trained on one stream.

    Raises:
        WeightsError: no such weight, not loadable, or loading it takes the process down.
        SettingsError: an engine, a device or settings that are not available; timings on a cluster.
        MissingDependencyError: packages of the engine are not installed.
    """

    def __init__(
        self,
        weights: str = DEFAULT_WEIGHT,
        engine: str = "auto",
        device: str = "auto",
        settings: PredictSettings | None = None,
        jobs: int = 1,
        *,
        raise_unexpected: bool = False,
        timings: bool = False,
        ray: str | None = None,
    ) -> None:
        if ray is not None and timings:
            raise SettingsError("timings: are not measured on a cluster; leave out `timings` or `ray`")
        if ray is not None:
            jobs = 1  # loads the model once, to find what is wrong with it
            weights = str(Path(weights).absolute()) if Path(weights).exists() else weights
            settings = (settings or PredictSettings()).with_absolute_people()
        threads = 1 if ray is not None else share_cores(jobs) if jobs else 0
        self._request = _Request(
            weights, engine, device, threads, settings or PredictSettings(), raise_unexpected, timings
        )
        self._pool = WorkerPool(jobs) if jobs else None
        self._run = run_here if self._pool is None else self._pool.run
        self._ray = ray
        try:
            self.model, self.settings = self._describe()
        except BaseException:
            self.close()
            raise

    def predict(self, paths: Sequence[Path], on_file: OnFile = lambda *_: None) -> Iterator[FileResult]:
        """Predict files.

        Args:
            paths: files with video, sound or both.
            on_file: called as a file makes progress.

        Yields:
            Results in the order in which they are ready; a file that cannot be predicted has status ``error``.
        """
        work = partial(_predict, self._request)
        run = self._run if self._ray is None else partial(run_on_ray, address=self._ray)
        # Processes of a cluster have other working folders.
        given = {path if self._ray is None else path.absolute(): path for path in paths}

        def name(path: Path, outcome: FileResult | WorkerDiedError) -> FileResult:
            if isinstance(outcome, WorkerDiedError):
                return FileResult(given[path], "error", f"{given[path]}: {outcome}")
            return replace(outcome, path=given[path], folder=start_of(given[path]))

        # Not a loop, whose variable would keep a result alive until the next one is there.
        yield from starmap(name, run(list(given), work, lambda path, progress: on_file(given[path], *progress)))

    def predict_one(self, path: Path, on_seconds: OnSeconds, on_wait: Callable[[], None]) -> FileResult:
        """Predict one file in a process of its own, for a caller that may give up, such as a server.

        Args:
            path: a file with video, sound or both.
            on_seconds: called with the seconds that are done, and all of them (0 and 0 while it is probed or hashed).
            on_wait: called at least every 0.1 s. What it raises stops the prediction and ends its process; the next
                call starts another.

        Returns:
            The result; one that cannot be predicted has status ``error``.

        Raises:
            WorkerDiedError: the process crashed, was killed, or made no progress.
            ValueError: the pool has no processes (``jobs=0``).
        """
        if self._pool is None:
            raise ValueError("expected a pool with processes, got jobs=0")
        work = partial(_predict, self._request)
        ((_, outcome),) = self._pool.run([path], work, lambda _, progress: on_seconds(*progress), on_wait)
        if isinstance(outcome, WorkerDiedError):
            raise outcome
        return outcome

    def warm(self) -> None:
        """Start a process and load the model, if none is idle: the next prediction need not wait for it.

        Raises:
            WeightsError: the weight cannot be loaded any more.
        """
        self._describe()

    def close(self) -> None:
        """End the processes; further calls do nothing."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> PredictorPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _describe(self) -> tuple[ModelRecord, PredictSettings]:
        """Load the model in one of the processes."""
        ((request, outcome),) = self._run([self._request], _describe)
        if isinstance(outcome, WorkerDiedError):
            raise WeightsError(f"{request.weights}: cannot be loaded: {outcome}") from outcome
        return outcome


def predict_files(
    paths: Sequence[Path],
    pool: PredictorPool,
    log: PredictionLog | None = None,
    *,
    done: Collection[Path] = (),
    on_file: OnFile = lambda *_: None,
) -> Iterator[FileResult]:
    """Predict files, and log each result as soon as it is ready.

    Args:
        paths: files with video, sound or both.
        pool: the model, in its processes.
        log: keeps the results; see ``PredictionLog.resume`` for those of an earlier run.
        done: files to skip.
        on_file: called as a file makes progress.

    Yields:
        Results in the order in which they are ready.

    Raises:
        DiskError: the log cannot be written.
    """

    def keep(result: FileResult) -> FileResult:
        if log is not None:
            log.add(result)
        return result

    yield from map(keep, pool.predict([path for path in paths if path not in done], on_file))


def _describe(request: _Request, report: Report) -> tuple[ModelRecord, PredictSettings]:
    """Describe the model of this process. What would fail for every file fails here, once."""
    model, predictor = _open(request)
    if predictor.settings.modality != "audio":
        read_template()
        with predictor.open_detector():
            pass
    if predictor.settings.modality != "video" and predictor.settings.sound == "speaker":
        open_voice_net()
    # Run it once, on silence: a weight that hangs or crashes must not be reported as the fault of a file.
    score_batches(predictor.engine, [Clip(None, np.zeros((LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32))])
    return model, predictor.settings


def _predict(request: _Request, path: Path, report: Report) -> FileResult:
    """Predict a file with the model of this process."""
    progress = _Throttled(report)
    began_s = time.perf_counter()
    try:
        _, predictor = _open(request)
        result = predictor.predict(path, progress)
        if result.status == "error":
            return result
        sha256 = compute_sha256(path, lambda: progress(0.0, 0.0))
        timings = result.timings and replace(result.timings, total_s=time.perf_counter() - began_s)
        return replace(result, size_bytes=path.stat().st_size, sha256=sha256, timings=timings)
    except MemoryError:
        return FileResult(path, "error", f"{path}: needs more memory than this machine has")
    except Exception as error:
        if request.raise_unexpected:
            raise
        if isinstance(error, HicmaeError):  # a later process could not load the model
            return FileResult(path, "error", f"{path}: {error}")
        return FileResult(path, "error", f"{path}: unexpected {type(error).__name__}: {first_line(error)}")


def share_cores(jobs: int = 1) -> int:
    """Return the number of threads for the model of each of so many processes.

    A file is read in one thread while the model runs in others, so a single process gives the model half of the cores.
    """
    return max(1, count_cores() // max(jobs, 2))


@lru_cache(maxsize=1)
def _open(request: _Request) -> tuple[ModelRecord, Predictor]:
    """Load the model of this process, once."""
    predictor = open_predictor(
        request.weights, request.settings, request.engine, request.device, request.threads, timings=request.timings
    )
    return describe_weight(request.weights, predictor.engine), predictor


class _Throttled:
    """Reports progress to the parent process, but not more often than a person can see."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last_s = float("-inf")
        self._lock = Lock()  # a file is read in one thread while the model runs in another

    def __call__(self, done_s: float, total_s: float) -> None:
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._last_s >= _REPORT_EVERY_S:
                self._last_s = now_s
                self._report((done_s, total_s))
