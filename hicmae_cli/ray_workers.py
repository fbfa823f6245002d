"""Jobs on a Ray cluster, one core each: a job that crashes or hangs there loses only itself, too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from hicmae_cli.errors import HicmaeError, MissingDependencyError, first_line, install_hint
from hicmae_cli.workers import (
    STALL_S,
    JobT,
    OnReport,
    Outcomes,
    ResultT,
    Work,
    WorkerDiedError,
    WorkerPool,
    ignore_report,
)

_QUEUED_PER_CORE: Final = 2


def run_on_ray(
    jobs: Sequence[JobT],
    work: Work[JobT, ResultT],
    on_progress: OnReport[JobT] = ignore_report,
    *,
    address: str = "auto",
    stall_s: float = STALL_S,
) -> Outcomes[JobT, ResultT]:
    """Run jobs on a Ray cluster, one core each; all nodes must have the files under the same paths.

    Args:
        jobs: the jobs.
        work: runs one job.
        on_progress: never called, because Ray returns results only.
        address: the cluster's address; ``auto`` for the cluster of this machine, ``local`` to start one here.
        stall_s: a job that reports no progress for this long is stopped.

    Yields:
        Jobs and results in the order in which they end; a `WorkerDiedError` for a job that took its process down.

    Raises:
        MissingDependencyError: Ray is not installed.
        HicmaeError: there is no cluster at the address.
    """
    # Ray sends usage statistics unless this is set.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(f"running on a cluster needs the package ray: {install_hint('ray')}") from error
    try:
        ray.init(address, log_to_driver=False, logging_level="error", include_dashboard=None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise HicmaeError(f"Ray: no cluster at {address} ({first_line(error)})") from error
    try:
        remote = ray.remote(max_retries=0)(_call)
        waiting = list(reversed(jobs))
        running: dict[Any, JobT] = {}
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * _QUEUED_PER_CORE
        while waiting or running:
            while waiting and len(running) < most:
                running[remote.remote(work, waiting[-1], stall_s)] = waiting[-1]
                waiting.pop()
            (ended, *_), _ = ray.wait(list(running))
            job = running.pop(ended)
            try:
                yield job, ray.get(ended)
            except ray.exceptions.RayTaskError as error:
                # Raise what the work raised.
                raise error.cause if isinstance(error.cause, HicmaeError | OSError) else error from None
            except ray.exceptions.RayError as error:
                yield job, WorkerDiedError(f"its process was killed: {first_line(error)}")
    finally:
        ray.shutdown()


def _call(work: Work[JobT, ResultT], job: JobT, stall_s: float) -> ResultT | WorkerDiedError:
    """Run one job in the other process of a process of Ray, which sets no limit to how long a job is silent."""
    ((_, outcome),) = _open_pool(stall_s).run([job], work)
    return outcome


@cache
def _open_pool(stall_s: float) -> WorkerPool:
    """Open the pool of this process; the next jobs find a model that is loaded."""
    return WorkerPool(stall_s=stall_s)
