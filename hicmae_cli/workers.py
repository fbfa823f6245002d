"""Jobs in separate processes: a job that crashes, hangs or exhausts memory loses only itself.

Each worker has its own pipe, so the parent knows which job a dead worker had, gets progress at once, and shares no
lock with a process that may die at any moment. `concurrent.futures` cannot tell which job killed a worker; Pebble's
workers share one pipe, and it limits only the total time of a job.
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

from hicmae_cli.errors import HicmaeError, first_line

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

STALL_S: Final = 120.0
"""A job that reports no progress for this long is stopped."""


class WorkerDiedError(HicmaeError):
    """The process that ran a job crashed, was killed, or was stopped because it hung."""


Report = Callable[[Any], None]
"""Reports a job's progress to the parent; the job chooses the value."""
Work = Callable[[JobT, Report], ResultT]
"""Runs one job."""
Outcomes = Generator[tuple[JobT, ResultT | WorkerDiedError], None, None]
OnReport = Callable[[JobT, Any], None]
"""Called with a job and the value it reported."""


def ignore_report(job: object, value: object) -> None:
    """Ignore a job's report."""


def count_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(
    jobs: Sequence[JobT], work: Work[JobT, ResultT], on_progress: OnReport[JobT] = ignore_report
) -> Outcomes[JobT, ResultT]:
    """Run jobs one after the other in this process; a job that crashes takes it down."""
    for job in jobs:
        yield job, work(job, lambda value, job=job: on_progress(job, value))  # type: ignore[misc]


def run_in_pool(
    jobs: Sequence[JobT], work: Work[JobT, ResultT], on_progress: OnReport[JobT] = ignore_report, *, workers: int = 1
) -> Outcomes[JobT, ResultT]:
    """Run jobs in a pool of processes that ends with the last job; see `WorkerPool.run`."""
    with WorkerPool(workers) as pool:
        yield from pool.run(jobs, work, on_progress)


class WorkerPool:
    """Processes that run jobs until the pool is closed or this process ends, in whatever way.

    Args:
        workers: number of processes; each starts when there is a job for it.
        stall_s: a job that reports no progress for this long is stopped.

    Raises:
        ValueError: workers is less than 1.
    """

    def __init__(self, workers: int = 1, *, stall_s: float = STALL_S) -> None:
        if workers < 1:
            raise ValueError(f"expected at least one worker, got workers={workers}")
        self._count, self._stall_s = workers, stall_s
        self._idle: list[_Worker] = []

    def run(
        self,
        jobs: Sequence[JobT],
        work: Work[JobT, ResultT],
        on_progress: OnReport[JobT] = ignore_report,
        on_wait: Callable[[], None] | None = None,
    ) -> Outcomes[JobT, ResultT]:
        """Run jobs. An exception in a job is raised here.

        Args:
            jobs: the jobs; they and their results must be picklable.
            work: runs one job; a function that can be imported, or a ``partial`` of one.
            on_progress: called with a job and the value it reported.
            on_wait: called at least every 0.1 s while jobs run. What it raises is raised here, and ends the processes
                that have jobs.

        Yields:
            Jobs and results in the order in which they end; a `WorkerDiedError` for a job that took its process down.
        """
        waiting = deque(jobs)
        busy: dict[_Worker, JobT] = {}

        def give_jobs() -> None:
            """Give jobs before a result is yielded, so that no process waits for what the caller does with it."""
            while waiting and len(busy) < self._count:
                worker = self._take_idle_worker()
                busy[worker] = waiting.popleft()
                worker.give(work, busy[worker])

        try:
            while waiting or busy:
                give_jobs()
                pipes = {worker.pipe: worker for worker in busy}
                before_s = _read_clock_s()
                patience_s = max(0.0, min(w.active_s for w in busy) + self._stall_s - before_s)
                if on_wait is not None:
                    on_wait()
                    patience_s = min(patience_s, _WAIT_S)
                ready = wait(list(pipes), timeout=patience_s)
                # After a suspension (Ctrl-Z, a closed laptop) every worker gets its full time again.
                if not ready and _read_clock_s() - before_s > patience_s + _SUSPENDED_S:
                    for worker in busy:
                        worker.active_s = _read_clock_s()
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
                        give_jobs()
                        yield job, WorkerDiedError(value)
                        continue
                    self._idle.append(worker)
                    if kind == _RAISED:
                        raise value
                    give_jobs()
                    yield job, value
                # A worker that has just sent a message is not stalled: only silent pipes count.
                for worker in [w for w in busy if not ready and _read_clock_s() - w.active_s >= self._stall_s]:
                    worker.kill()
                    yield (
                        busy.pop(worker),
                        WorkerDiedError(f"stopped because it made no progress for {self._stall_s:g} s"),
                    )
        finally:
            for worker in busy:
                worker.kill()

    def _take_idle_worker(self) -> _Worker:
        """Take an idle worker, or start one."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive():
                return worker
            worker.kill()
        return _Worker()

    def close(self) -> None:
        """End the processes. Further calls do nothing."""
        for worker in self._idle:
            worker.dismiss()
        while self._idle:
            self._idle.pop().kill(after_s=_LEAVE_S)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_READY, _PROGRESS, _DONE, _RAISED, _DIED = "ready", "progress", "done", "raised", "died"
# If a wait lasts this much longer than requested, the machine was suspended.
_SUSPENDED_S: Final = 5.0
# How long a caller that gives up may have to wait.
_WAIT_S: Final = 0.1
# Time for a process to end by itself, so that its libraries can clean up.
_LEAVE_S: Final = 2.0


class _Worker:
    """One process and the parent's end of its pipe."""

    def __init__(self) -> None:
        # Not fork, which would lose the threads of the face finder and the decoders.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.active_s = _read_clock_s()
        self._has_started = False
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _block_interrupts():
            self._process.start()
        theirs.close()

    def give(self, work: Callable[..., Any], job: object) -> None:
        self.active_s = _read_clock_s()
        # If the process has died already, receive() reports it.
        with contextlib.suppress(OSError):
            self.pipe.send((work, job))

    def receive(self) -> tuple[str, Any]:
        """Receive the next message: its kind and value; the cause of death if the process has died."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            self.pipe.close()
            return _DIED, _explain_exit(self._process.exitcode) if self._has_started else _NOT_STARTED
        self.active_s = _read_clock_s()
        self._has_started = True
        return kind, value

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def dismiss(self) -> None:
        """Ask the process to end when it is idle."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def kill(self, after_s: float = 0.0) -> None:
        self._process.join(after_s)
        self._process.kill()
        self._process.join()
        self.pipe.close()


_NOT_STARTED: Final = (
    'its process could not start; in a script, start processes below `if __name__ == "__main__":`, or pass jobs=0'
)


def _explain_exit(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "its process was killed, probably because memory ran out"
    if exit_code is not None and exit_code < 0:
        return f"its process crashed ({signal.Signals(-exit_code).name}) in a decoder or a model"
    return f"its process ended with exit code {exit_code}"


@contextmanager
def _block_interrupts() -> Iterator[None]:
    """Block Ctrl-C, which the terminal sends to all processes, in processes started here: the parent handles it."""
    # Windows has no signal masks.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """Run jobs until the parent closes its end of the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prefer_for_out_of_memory_kill()
    # Native libraries write to stderr while they crash; the parent reports the cause.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
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
        except BaseException as error:
            reply = _RAISED, error
        try:
            pipe.send(reply)
            del reply  # may be large, and the next job needs the memory
        except Exception as error:
            # The reply cannot be pickled.
            pipe.send((_RAISED, RuntimeError(f"{type(error).__name__}: {first_line(error)}")))


def _receive(pipe: Connection, jobs: SimpleQueue[Any]) -> None:
    """Queue jobs as they arrive; end this process at once when the parent is gone."""
    try:
        while True:
            jobs.put(pipe.recv())
    finally:
        os._exit(1)


def _prefer_for_out_of_memory_kill() -> None:
    """Make Linux kill this worker rather than the parent when memory runs out."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("900", "ascii")


def _read_clock_s() -> float:
    return time.monotonic()
