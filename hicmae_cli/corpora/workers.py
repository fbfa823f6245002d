"""Jobs spread over processes, or over a cluster with Ray; one that kills its process costs nothing but itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Thread, current_thread, main_thread
from typing import Any, Final, TypeVar

from hicmae_cli.errors import HicmaeError, MissingDependencyError, first_line, install_hint

Job = TypeVar("Job")
Result = TypeVar("Result")

_QUEUED_PER_WORKER: Final = 2  # enough that nobody waits, few enough that little is tried again after a crash


class WorkerDiedError(HicmaeError):
    """The process that did a job was killed: a decoder crashed, or memory ran out."""


Outcomes = Generator[tuple[Job, Result | WorkerDiedError], None, None]


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(jobs: Sequence[Job], work: Callable[[Job], Result]) -> Outcomes[Job, Result]:
    """Do jobs one after the other in this process."""
    for job in jobs:
        yield job, work(job)


def run_in_pool(jobs: Sequence[Job], work: Callable[[Job], Result], workers: int) -> Outcomes[Job, Result]:
    """Do jobs in processes of their own; what they raise is raised here.

    When a process dies, the pool cannot tell which job killed it: those that it was given are done again, one by one.

    Args:
        jobs: what to do; must be picklable, as must be the results.
        work: does one; a function that can be imported, or a ``partial`` of one.
        workers: processes.

    Yields:
        Jobs and results in the order in which they end.
    """
    waiting = list(reversed(jobs))
    while waiting:
        suspects: list[Job] = []
        with _pool(min(workers, len(waiting))) as pool:
            running: dict[Future[Result], Job] = {}
            while waiting or running:
                try:
                    while waiting and len(running) < workers * _QUEUED_PER_WORKER:
                        running[_submit(pool, work, waiting[-1])] = waiting[-1]
                        waiting.pop()
                except BrokenProcessPool:
                    pass  # what is running says so, too
                if not running:
                    break
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    job = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(job)
                    else:
                        yield job, future.result()
                if suspects and not running:
                    break
        yield from _one_by_one(suspects, work)


def _one_by_one(jobs: Sequence[Job], work: Callable[[Job], Result]) -> Outcomes[Job, Result]:
    """Never more than one in a process, so that the one that kills it is known."""
    waiting = list(reversed(jobs))
    while waiting:
        with _pool(1) as pool:
            while waiting:
                job = waiting.pop()
                try:
                    result = _submit(pool, work, job).result()
                except BrokenProcessPool:
                    cause = "the process that read it was killed: a decoder crashed, or memory ran out"
                    yield job, WorkerDiedError(cause)
                    break
                yield job, result


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this block and with this process, however it ends."""
    # Spawned, not forked: face finder and decoders hold threads, which a fork would lose.
    context = multiprocessing.get_context("spawn")
    tied, end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(tied,))
    try:
        yield pool
        pool.shutdown(wait=True)
    finally:
        end.close()  # whoever is still at work drops it
        pool.shutdown(wait=True, cancel_futures=True)
        tied.close()


def _submit(pool: ProcessPoolExecutor, work: Callable[[Job], Result], job: Job) -> Future[Result]:
    """Hand over a job. Ctrl-C reaches every process, and the main one decides: those started here do not listen."""
    if current_thread() is not main_thread():
        return pool.submit(work, job)
    listener = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pool.submit(work, job)
    finally:
        signal.signal(signal.SIGINT, listener)


def _begin(tied: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if tied.poll(0):
        os._exit(1)  # whoever started this process is gone already: it must not begin
    Thread(target=_end_with, args=(tied,), daemon=True).start()


def _end_with(tied: Connection) -> None:
    """End this process when the other end of a pipe, which nobody writes to, is closed."""
    try:
        tied.poll(None)
    finally:
        os._exit(1)


def run_on_ray(jobs: Sequence[Job], work: Callable[[Job], Result], address: str) -> Outcomes[Job, Result]:
    """Do jobs on a Ray cluster, one core each; the nodes must see the files under the same paths.

    Args:
        jobs: what to do.
        work: does one.
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
        raise MissingDependencyError(f"--ray needs the package ray: {install_hint('ray')}") from error
    try:
        ray.init(address, log_to_driver=False, logging_level="error", include_dashboard=None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise HicmaeError(f"--ray {address}: no cluster there ({first_line(error)})") from error
    try:
        remote = ray.remote(max_retries=0)(work_of)
        waiting = list(reversed(jobs))
        running: dict[Any, Job] = {}
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * _QUEUED_PER_WORKER
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
                yield job, WorkerDiedError(f"the process that read it was killed: {first_line(error)}")
    finally:
        ray.shutdown()


def work_of(work: Callable[[Job], Result], job: Job) -> Result:
    """Do a job: Ray wants a plain function."""
    return work(job)
