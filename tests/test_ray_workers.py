"""Jobs on a cluster, with a stand-in for Ray, and (slow) with the real one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from hicmae_cli import ray_workers
from hicmae_cli.errors import HicmaeError, MediaError, MissingDependencyError
from hicmae_cli.ray_workers import run_on_ray
from hicmae_cli.workers import Report, WorkerDiedError


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeRay:
    """Runs each job when its result is fetched; one core."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.is_open, self.most_queued = False, 0

    def init(self, address: str, **_: object) -> None:
        if address == "nowhere":
            raise ConnectionError("nobody answers\nat all")
        self.is_open = True

    def shutdown(self) -> None:
        self.is_open = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def remote(self, **_: object) -> Callable[..., Any]:
        return lambda call: SimpleNamespace(remote=lambda work, job, stall_s: (call, work, job, stall_s))

    def wait(self, running: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        self.most_queued = max(self.most_queued, len(running))
        return [running[0]], list(running[1:])

    def get(self, task: tuple[Callable[..., int], Callable[..., int], int, float]) -> int:
        call, work, job, stall_s = task
        if job == 13:
            raise RayError("the node was lost")
        try:
            return call(work, job, stall_s)
        except Exception as error:
            raise RayTaskError(error) from error


def double(job: int, report: Report) -> int:
    report(job)
    if job == 99:
        raise MediaError("ninety-nine")
    if job == 98:
        raise KeyError("ninety-eight")
    if job == 97:
        time.sleep(600)
    if job == 96:
        os._exit(3)
    return 2 * job


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    yield fake
    ray_workers._open_pool.cache_clear()


def test_every_job_is_done_a_few_at_a_time(ray: FakeRay) -> None:
    assert dict(run_on_ray(range(5), double)) == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8}
    assert (ray.most_queued, ray.is_open) == (2, False)


def test_a_lost_job_loses_only_itself(ray: FakeRay) -> None:
    results = dict(run_on_ray([1, 13, 2], double))
    assert isinstance(results[13], WorkerDiedError) and "the node was lost" in str(results[13])
    assert (results[1], results[2]) == (2, 4)


def test_a_job_that_crashes_or_hangs_loses_only_itself(ray: FakeRay) -> None:
    results = dict(run_on_ray([96, 97, 2], double, stall_s=10))
    assert "exit code 3" in str(results[96])
    assert "no progress for 10 s" in str(results[97])
    assert results[2] == 4


def test_errors_of_jobs_are_raised(ray: FakeRay) -> None:
    with pytest.raises(MediaError, match="ninety-nine"):
        list(run_on_ray([99], double))
    with pytest.raises(RayTaskError, match="ninety-eight"):
        list(run_on_ray([98], double))
    assert not ray.is_open


def test_a_cluster_that_does_not_answer(ray: FakeRay) -> None:
    with pytest.raises(HicmaeError, match=r"no cluster at nowhere \(nobody answers\)"):
        list(run_on_ray([1], double, address="nowhere"))


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install '\.\[ray\]'"):
        list(run_on_ray([1], double))


@pytest.mark.slow
def test_a_real_cluster_goes_on_after_a_crash_and_a_hang() -> None:
    pytest.importorskip("ray")
    results = dict(run_on_ray([1, 96, 97, 2], double, address="local", stall_s=45))
    assert (results[1], results[2]) == (2, 4)
    assert "exit code 3" in str(results[96]) and "no progress for 45 s" in str(results[97])
