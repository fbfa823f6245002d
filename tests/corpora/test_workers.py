"""Jobs in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from hicmae_cli.corpora.workers import WorkerDiedError, available_cores, run_here, run_in_pool
from hicmae_cli.errors import MediaError


def double(job: int) -> int:
    """Twice the number; some numbers are trouble."""
    if job == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 99:
        raise MediaError("ninety-nine")
    if job == 60:
        time.sleep(60)
    return 2 * job


def test_here_in_order() -> None:
    assert list(run_here([3, 1, 2], double)) == [(3, 6), (1, 2), (2, 4)]
    assert list(run_in_pool([], double, 2)) == []
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_each_job_ends_once_whatever_dies_beside_it() -> None:
    found = dict(run_in_pool([13, *range(6), 13 + 0], double, 2))
    assert {job: result for job, result in found.items() if job != 13} == {job: 2 * job for job in range(6)}
    assert isinstance(found[13], WorkerDiedError)


def test_what_the_work_raises_is_raised_here_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(MediaError, match="ninety-nine"):
        list(run_in_pool([60, 99], partial(double), 2))
    assert time.monotonic() - started < 30  # nobody waits for the one that sleeps


def test_processes_end_when_nobody_wants_more() -> None:
    started = time.monotonic()
    outcomes = run_in_pool([1, 60], double, 2)
    assert next(outcomes) == (1, 2)
    outcomes.close()
    assert time.monotonic() - started < 30
