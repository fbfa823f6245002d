"""Many files judged in processes of their own: a file that crashes, hangs or exhausts one loses only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.errors import WeightsError, first_line
from hicmae_cli.files import sha256_of
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.predictor import Predictor, PredictSettings
from hicmae_cli.runtime.results import FileResult, Model
from hicmae_cli.weights.catalogue import ENGINE_SUFFIX, find_weight
from hicmae_cli.workers import Report, WorkerDiedError, WorkerPool, available_cores, run_here

_REPORT_EVERY_S: Final = 0.05

OnFile = Callable[[Path, float, float], None]
"""Called with a file, the seconds of it that are done, and those that there are."""


@dataclass(frozen=True)
class _Request:
    """What every process is asked for."""

    weights: str
    engine: str
    device: str
    threads: int
    settings: PredictSettings


class PredictorPool:
    """Processes that each hold a model and judge one file at a time.

    Args:
        weights: name or file; see ``open_engine``.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda`` …
        settings: windows, modality, number of faces.
        jobs: processes; 0 judges in this process, which a file can then take down, and raises what goes wrong.

    Attributes:
        model: what judges.
        settings: how; a weight that knows one stream only has narrowed them.

    Raises:
        WeightsError: no such weight, not loadable, or loading it takes the process down.
        SettingsError: an engine, a device or settings that cannot be had.
        MissingDependencyError: the torch engine without torch, or no face finder.
    """

    def __init__(
        self,
        weights: str = DEFAULT_WEIGHT,
        engine: str = "auto",
        device: str = "auto",
        settings: PredictSettings | None = None,
        jobs: int = 1,
    ) -> None:
        threads = available_cores() // jobs if jobs > 1 else 0
        request = _Request(weights, engine, device, threads, settings or PredictSettings())
        self._work = partial(_work, request)
        self._pool = WorkerPool(self._work, jobs) if jobs else None
        try:
            ((_, opened),) = self._run([None], lambda *_: None)
            if isinstance(opened, WorkerDiedError):
                raise WeightsError(f"{weights}: cannot be loaded: {opened}") from opened
        except BaseException:
            self.close()
            raise
        assert isinstance(opened, tuple)
        self.model, self.settings = opened

    def predict(self, paths: Sequence[Path], on_file: OnFile = lambda *_: None) -> Iterator[FileResult]:
        """Judge files.

        Args:
            paths: files with video, sound or both.
            on_file: called with a file, the seconds of it that are done, and those that there are.

        Yields:
            Results in the order in which they are ready; a file that cannot be judged has status ``error``.
        """
        for path, outcome in self._run(paths, lambda path, progress: on_file(path, *progress)):
            if isinstance(outcome, WorkerDiedError):
                yield FileResult(path, "error", f"{path}: {outcome}")
            else:
                yield outcome

    def close(self) -> None:
        """End the processes. More than once does no harm."""
        if self._pool is not None:
            self._pool.close()

    def __enter__(self) -> PredictorPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, jobs: Sequence[Path | None], on_progress: Callable[..., None]) -> Iterator[Any]:
        if self._pool is None:
            return run_here(jobs, partial(self._work, debug=True), on_progress)
        return self._pool.run(jobs, on_progress)


def _work(
    request: _Request, path: Path | None, report: Report, *, debug: bool = False
) -> tuple[Model, PredictSettings] | FileResult:
    """Judge a file with the model of this process; without a file, say what the model is."""
    model, predictor = _open(request)
    if path is None:
        return model, predictor.settings
    try:
        return predictor.predict(path, _Throttled(report))
    except MemoryError:
        return FileResult(path, "error", f"{path}: needs more memory than there is")
    except Exception as error:
        if debug:
            raise
        cause = f"{path}: unexpected {type(error).__name__}: {first_line(error)}"
        return FileResult(path, "error", f"{cause} (run again with --debug for the traceback)")


@lru_cache(maxsize=1)
def _open(request: _Request) -> tuple[Model, Predictor]:
    """The model of this process. Whatever would fail for every file fails here, once."""
    engine = open_engine(request.weights, request.engine, request.device, request.threads)
    predictor = Predictor(engine, request.settings)
    if predictor.settings.modality != "audio":
        with predictor.open_detector():
            pass
    file = find_weight(request.weights, ENGINE_SUFFIX[engine.name]) or find_weight(
        request.weights, ".safetensors"
    )
    assert file is not None, "the engine was opened from one of the two"
    return Model(request.weights, engine.info, engine.name, engine.device, sha256_of(file)), predictor


class _Throttled:
    """Progress that goes to the parent often enough to be watched, and not more often."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last_s = float("-inf")

    def __call__(self, done_s: float, total_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s >= _REPORT_EVERY_S:
            self._last_s = now_s
            self._report((done_s, total_s))
