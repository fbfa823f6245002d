"""Run checks in a process of their own: a library that crashes or hangs while it loads must not end the others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Final

from hicmae_cli.workers import JobT, Outcomes, Report, ResultT, Work, WorkerDiedError, WorkerPool

_PATIENCE_S: Final = 90.0
"""A check that takes longer hangs. On a busy machine with a slow disk, torch alone can take half a minute to load."""


def run_apart(work: Work[JobT, ResultT], job: JobT) -> ResultT:
    """Run one job in a new process.

    Args:
        work: a function that can be imported.
        job: its argument.

    Raises:
        WorkerDiedError: the process crashed, or was stopped because it hung.
        Exception: what the job raises.
    """
    ((_, outcome),) = run_all_apart(work, [job])
    if isinstance(outcome, WorkerDiedError):
        raise outcome
    return outcome


def run_all_apart(work: Work[JobT, ResultT], jobs: Sequence[JobT]) -> Outcomes[JobT, ResultT]:
    """Run jobs one after the other in one new process; another one follows where it crashes or hangs.

    Args:
        work: a function that can be imported.
        jobs: its arguments.

    Yields:
        Each job with its result, or with a ``WorkerDiedError``.
    """
    with WorkerPool(stall_s=_PATIENCE_S) as pool:
        yield from pool.run(jobs, partial(_run_quietly, work))


def _run_quietly(work: Work[JobT, ResultT], job: JobT, report: Report) -> ResultT:
    """Run a job of a process whose output nobody reads: libraries print while they load, and stdout is a document."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return work(job, report)
