"""Jobs in processes of their own: a job that crashes, hangs or exhausts memory loses only itself.

Each worker has a pipe of its own: the parent knows which job a dead worker had, sees progress as it comes, and shares
no lock with a process that may die at any moment. That is why this is not `concurrent.futures` (which cannot say which
job killed a worker) or Pebble (whose workers share one pipe, and which limits the whole time of a job only).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from hicmae_cli.errors import HicmaeError, MissingDependencyError, first_line, install_hint

Job = TypeVar("Job")
Result = TypeVar("Result")

STALL_S: Final = 120.0
"""A job that reports no progress for this long is stopped."""
_RAY_QUEUED_PER_CORE: Final = 2


class WorkerDiedError(HicmaeError):
    """The process that did a job crashed, was killed, or was stopped because it hung."""


Report = Callable[[Any], None]
"""Tells the parent how far a job has come; the value is the job's own."""
Work = Callable[[Job, Report], Result]
"""Does one job."""
Outcomes = Generator[tuple[Job, Result | WorkerDiedError], None, None]
OnProgress = Callable[[Job, Any], None]
"""Called with a job and what it reported."""


def _ignore(job: object, value: object) -> None:
    """Progress that is not shown."""


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(
    jobs: Sequence[Job], work: Work[Job, Result], on_progress: OnProgress[Job] = _ignore
) -> Outcomes[Job, Result]:
    """Do jobs one after the other in this process, which a job can then take down."""
    for job in jobs:
        yield job, work(job, lambda value, job=job: on_progress(job, value))  # type: ignore[misc]


def run_in_pool(
    jobs: Sequence[Job], work: Work[Job, Result], on_progress: OnProgress[Job] = _ignore, *, workers: int = 1
) -> Outcomes[Job, Result]:
    """Do jobs in a pool of processes that ends with the last job; see `WorkerPool.run`."""
    with WorkerPool(workers) as pool:
        yield from pool.run(jobs, work, on_progress)


class WorkerPool:
    """Processes that do jobs until the pool is closed, or until this process ends, however it ends.

    Args:
        workers: how many processes; they start when there is a job for them.
        stall_s: a job that reports no progress for this long is stopped.
    """

    def __init__(self, workers: int = 1, *, stall_s: float = STALL_S) -> None:
        if workers < 1:
            raise ValueError(f"expected at least one worker, got {workers}")
        self._count, self._stall_s = workers, stall_s
        self._idle: list[_Worker] = []

    def run(
        self, jobs: Sequence[Job], work: Work[Job, Result], on_progress: OnProgress[Job] = _ignore
    ) -> Outcomes[Job, Result]:
        """Do jobs; what they raise is raised here.

        Args:
            jobs: what to do; jobs and results must be picklable.
            work: does one job; a function that can be imported, or a ``partial`` of one.
            on_progress: called with a job and what it reported.

        Yields:
            Jobs and results in the order in which they end; a `WorkerDiedError` for a job that took its process down.
        """
        waiting = deque(jobs)
        busy: dict[_Worker, Job] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self._count:
                    worker = self._idle_worker()
                    busy[worker] = waiting.popleft()
                    worker.give(work, busy[worker])
                pipes = {worker.pipe: worker for worker in busy}
                before_s = _now()
                patience_s = max(0.0, min(w.active_s for w in busy) + self._stall_s - before_s)
                ready = wait(list(pipes), timeout=patience_s)
                if not ready and _now() - before_s > patience_s + _SUSPENDED_S:
                    for worker in busy:  # everything was suspended (Ctrl-Z, a laptop's lid)
                        worker.active_s = _now()
                for pipe in ready:
                    worker = pipes[pipe]  # type: ignore[index]
                    job = busy[worker]
                    kind, value = worker.receive()
                    if kind == _READY:
                        continue
                    if kind == _PROGRESS:
                        on_progress(job, value)
                        continue
                    del busy[worker]
                    if kind == _DIED:
                        yield job, WorkerDiedError(value)
                        continue
                    self._idle.append(worker)
                    if kind == _RAISED:
                        raise value
                    yield job, value
                # Whoever was read from a moment ago is not stalled: only a silent pipe counts.
                for worker in [w for w in busy if not ready and _now() - w.active_s >= self._stall_s]:
                    worker.kill()
                    yield (busy.pop(worker), WorkerDiedError(f"no progress for {self._stall_s:g} s: it was stopped"))
        finally:
            for worker in busy:
                worker.kill()

    def _idle_worker(self) -> _Worker:
        """One that waits for a job, started if there is none."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive():
                return worker
            worker.kill()
        return _Worker()

    def close(self) -> None:
        """End the processes. More than once does no harm."""
        for worker in self._idle:
            worker.dismiss()
        while self._idle:
            self._idle.pop().kill(after_s=_LEAVE_S)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_READY, _PROGRESS, _DONE, _RAISED, _DIED = "ready", "progress", "done", "raised", "died"
_SUSPENDED_S: Final = 5.0  # a wait that lasts this much longer than asked for means that the machine slept
_LEAVE_S: Final = 2.0  # for a process to end by itself: its libraries then remove what they hold


class _Worker:
    """One process and the parent's end of its pipe."""

    def __init__(self) -> None:
        # Spawned, not forked: face finder and decoders hold threads, which a fork would lose.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.active_s = _now()
        self._has_started = False
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _interrupts_blocked():
            self._process.start()
        theirs.close()

    def give(self, work: Callable[..., Any], job: object) -> None:
        self.active_s = _now()
        with contextlib.suppress(OSError):  # a process that is gone already: receive() says so
            self.pipe.send((work, job))

    def receive(self) -> tuple[str, Any]:
        """The next message; the cause in words where the process is gone."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            self.pipe.close()
            return _DIED, _cause_of(self._process.exitcode) if self._has_started else _NOT_STARTED
        self.active_s = _now()
        self._has_started = True
        return kind, value

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def dismiss(self) -> None:
        """Ask it to leave once it has nothing to do."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def kill(self, after_s: float = 0.0) -> None:
        self._process.join(after_s)
        self._process.kill()
        self._process.join()
        self.pipe.close()


_NOT_STARTED: Final = (
    'its process could not start; a script that starts processes does so below `if __name__ == "__main__":`, '
    "or asks for jobs=0"
)


def _cause_of(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "its process was killed: memory ran out, probably"
    if exit_code is not None and exit_code < 0:
        return f"its process crashed ({signal.Signals(-exit_code).name}): a decoder or a model failed on it"
    return f"its process ended with exit code {exit_code}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start a process that never sees Ctrl-C, which the terminal sends to all: the parent alone decides."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """Do jobs until the parent closes its end of the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _offer_to_out_of_memory_killer()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what native libraries write while they crash; the parent names the cause
    pipe.send((_READY, None))
    jobs: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(pipe, jobs), daemon=True).start()
    while True:
        given = jobs.get()
        if given is None:
            return
        work, job = given
        try:
            reply = _DONE, work(job, lambda value: pipe.send((_PROGRESS, value)))
        except BaseException as error:  # the parent raises it
            reply = _RAISED, error
        try:
            pipe.send(reply)
        except Exception as error:  # it cannot be pickled
            pipe.send((_RAISED, RuntimeError(f"{type(error).__name__}: {first_line(error)}")))


def _receive(pipe: Connection, jobs: SimpleQueue[Any]) -> None:
    """Hand on jobs as they come, and end this process, whatever it is doing, when the parent is gone."""
    try:
        while True:
            jobs.put(pipe.recv())
    finally:
        os._exit(1)


def _offer_to_out_of_memory_killer() -> None:
    """Let Linux end a worker rather than the parent when memory runs out."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("900", "ascii")


def _now() -> float:
    return time.monotonic()


def run_on_ray(
    jobs: Sequence[Job], work: Work[Job, Result], on_progress: OnProgress[Job] = _ignore, *, address: str = "auto"
) -> Outcomes[Job, Result]:
    """Do jobs on a Ray cluster, one core each; the nodes must see the files under the same paths.

    Args:
        jobs: what to do.
        work: does one.
        on_progress: never called: Ray hands on results only.
        address: of the cluster; ``auto`` for the one that this machine belongs to, ``local`` to start one here.

    Yields:
        Jobs and results in the order in which they end.

    Raises:
        MissingDependencyError: Ray is not installed.
        HicmaeError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(f"a Ray cluster needs the package ray: {install_hint('ray')}") from error
    try:
        ray.init(address, log_to_driver=False, logging_level="error", include_dashboard=None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise HicmaeError(f"Ray: no cluster at {address} ({first_line(error)})") from error
    try:
        remote = ray.remote(max_retries=0)(_call)
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * _RAY_QUEUED_PER_CORE
        while waiting or running:
            while waiting and len(running) < most:
                running[remote.remote(work, waiting[-1])] = waiting[-1]
                waiting.pop()
            (ended, *_), _ = ray.wait(list(running))
            job = running.pop(ended)
            try:
                yield job, ray.get(ended)
            except ray.exceptions.RayTaskError as error:  # what the work raised
                raise error.cause if isinstance(error.cause, HicmaeError | OSError) else error from None
            except ray.exceptions.RayError as error:
                yield job, WorkerDiedError(f"its process was killed: {first_line(error)}")
    finally:
        ray.shutdown()


def _call(work: Work[Job, Result], job: Job) -> Result:
    """Do a job: Ray wants a plain function, and shows no progress."""
    return work(job, lambda _: None)
