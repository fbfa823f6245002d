"""The queue: files are predicted one after the other, in a process that a file may take down."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Final, Protocol

from hicmae_cli.errors import HicmaeError
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.reading import OnSeconds
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.workers import WorkerDiedError

_FIRST_GUESS_S: Final = 5.0
_NEW_SHARE: Final = 0.3
_LONGEST_RETRY_S: Final = 120


class QueueFullError(HicmaeError):
    """As many requests as allowed wait already.

    Args:
        retry_s: after how many seconds there is likely to be a place.
    """

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"the server is busy: its queue is full; try again in {retry_s} s")
        self.retry_s = retry_s


class StoppedError(HicmaeError):
    """Nobody waits for the prediction any more."""


class OneFilePool(Protocol):
    """What predicts: a ``PredictorPool``, or its stand-in in a test."""

    model: ModelRecord
    settings: PredictSettings

    def predict_one(self, path: Path, on_seconds: OnSeconds, on_wait: Callable[[], None]) -> FileResult:
        """Predict a file; see ``PredictorPool.predict_one``."""
        ...

    def warm(self) -> None:
        """Load the model, if its process has ended."""
        ...

    def close(self) -> None:
        """End the processes."""
        ...


class Job:
    """A file that waits for its prediction, or is predicted.

    Attributes:
        future: its result.
        seconds: those that are done, and all of them; None until it begins.
    """

    def __init__(self) -> None:
        self.future: Future[FileResult]
        self.seconds: tuple[float, float] | None = None
        self._is_unwanted = Event()

    def report(self, done_s: float, total_s: float) -> None:
        """Note the progress. Zeros mean that it goes on, but not how far."""
        if total_s or self.seconds is None:
            self.seconds = done_s, total_s

    def give_up(self) -> None:
        """Stop it, or never begin it. Further calls do nothing."""
        self._is_unwanted.set()
        self.future.cancel()

    def raise_if_unwanted(self) -> None:
        """Stop the prediction if nobody waits for it.

        Raises:
            StoppedError: nobody does.
        """
        if self._is_unwanted.is_set():
            raise StoppedError("the prediction was stopped")


class Desk:
    """Takes files and has them predicted in the order in which they came.

    Args:
        pool: the model in its process.
        queue: most requests that wait while another one is predicted.

    Attributes:
        lost: how often the process ended before it had a result: it crashed, or was stopped.
    """

    def __init__(self, pool: OneFilePool, queue: int) -> None:
        self.lost = 0
        self._pool, self._queue = pool, queue
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._places = 0
        self._jobs: list[Job] = []
        self._mean_s = _FIRST_GUESS_S

    @contextmanager
    def take_place(self) -> Iterator[None]:
        """Hold a place, from before a request is read until it is answered. So uploads are bounded, too.

        Raises:
            QueueFullError: all are taken.
        """
        if self._places > self._queue:
            raise QueueFullError(min(_LONGEST_RETRY_S, math.ceil(self._mean_s * self._places / 2)))
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    @property
    def waiting(self) -> int:
        """Number of requests that are not predicted yet."""
        return max(0, self._places - 1)

    def submit(self, path: Path) -> Job:
        """Have a file predicted; call it in the event loop."""
        job = Job()
        loop = asyncio.get_running_loop()
        job.future = self._thread.submit(self._predict, job, path)
        self._jobs.append(job)
        job.future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._jobs.remove, job))
        return job

    def count_before(self, job: Job) -> int:
        """Count the files that come before a job."""
        return self._jobs.index(job) if job in self._jobs else 0

    def close(self) -> None:
        """End the process, after the file that it predicts."""
        self._thread.shutdown(cancel_futures=True)
        self._pool.close()

    def _predict(self, job: Job, path: Path) -> FileResult:
        job.raise_if_unwanted()
        began_s = time.monotonic()
        job.report(0.0, 0.0)
        try:
            result = self._pool.predict_one(path, job.report, job.raise_if_unwanted)
        except (WorkerDiedError, StoppedError):
            self.lost += 1
            # The next request need not wait for the model. A server that ends takes no more work.
            with suppress(RuntimeError):
                self._thread.submit(self._pool.warm)
            raise
        self._mean_s += _NEW_SHARE * (time.monotonic() - began_s - self._mean_s)
        return result
