"""Jobs in separate processes."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from hicmae_cli.errors import MediaError
from hicmae_cli.workers import Report, WorkerDiedError, WorkerPool, count_cores, run_here, run_in_pool


def double(job: int, report: Report) -> int:
    """Double a number; some numbers make trouble."""
    report(job / 2)
    if job == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 14:
        ctypes.string_at(0)  # a segmentation fault
    if job == 15:
        os.abort()
    if job == 99:
        raise MediaError("ninety-nine")
    if job == 60:
        time.sleep(60)
    if job == 61:  # slow, but alive
        for _ in range(8):
            time.sleep(0.25)
            report(None)
    return 2 * job


def explain(outcomes: dict[int, int | WorkerDiedError], job: int) -> str:
    error = outcomes[job]
    assert isinstance(error, WorkerDiedError)
    return str(error)


def test_here_in_order() -> None:
    seen: list[object] = []
    assert list(run_here([3, 1, 2], double, lambda job, value: seen.append((job, value)))) == [(3, 6), (1, 2), (2, 4)]
    assert seen == [(3, 1.5), (1, 0.5), (2, 1.0)]
    assert list(run_in_pool([], double, workers=2)) == []
    assert 1 <= count_cores() <= (os.cpu_count() or 1)
    with pytest.raises(ValueError, match="at least one worker"):
        WorkerPool(0)


def test_a_job_that_takes_its_process_down_loses_only_itself(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []
    found = dict(run_in_pool([13, 0, 1, 14, 2, 15, 3], double, lambda job, _: seen.append(job), workers=2))
    assert {job: found[job] for job in range(4)} == {0: 0, 1: 2, 2: 4, 3: 6}
    assert "memory ran out" in explain(found, 13)
    assert "SIGSEGV" in explain(found, 14)
    assert "SIGABRT" in explain(found, 15)
    assert sorted(map(str, seen)) == sorted(map(str, found))
    assert capfd.readouterr().err == ""


def test_a_job_that_hangs_is_stopped_and_a_slow_one_is_not() -> None:
    with WorkerPool(2, stall_s=1.5) as pool:
        found = dict(pool.run([60, 61, 5], double))
    assert (found[61], found[5]) == (122, 10)
    assert explain(found, 60) == "stopped because it made no progress for 1.5 s"


def test_a_caller_can_give_up_and_go_on() -> None:
    calls = []

    def give_up() -> None:
        calls.append(time.monotonic())
        if len(calls) == 5:
            raise TimeoutError

    with WorkerPool(1) as pool:
        assert list(pool.run([1], double)) == [(1, 2)]
        with pytest.raises(TimeoutError):
            list(pool.run([60], double, on_wait=give_up))
        assert calls[-1] - calls[0] < 5  # of the 60 s
        assert list(pool.run([2], double, on_wait=lambda: None)) == [(2, 4)]


def touch(file: Path, report: Report) -> Path:
    """Make a file."""
    file.touch()
    return file


def test_the_next_job_runs_while_the_caller_has_a_result(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for file, _ in run_in_pool(files, touch):
        following = next((each for each in files if each.name > file.name), file)
        limit_s = time.monotonic() + 30
        while not following.exists():
            assert time.monotonic() < limit_s, f"{following.name} waits for the caller"
            time.sleep(0.01)


def test_what_the_work_raises_is_raised_here_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(MediaError, match="ninety-nine"):
        list(run_in_pool([60, 99], partial(double), workers=2))
    assert time.monotonic() - started < 30  # without waiting for the one that sleeps


def test_a_pool_keeps_its_processes_from_run_to_run() -> None:
    with WorkerPool() as pool:
        (first,), (second,) = (list(pool.run([0], process_id)) for _ in range(2))
        assert first == second != (0, os.getpid())
        assert is_alive(first[1])
    assert not is_alive(first[1])


def test_an_idle_process_that_was_killed_costs_no_job() -> None:
    with WorkerPool() as pool:
        ((_, first),) = pool.run([0], process_id)
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        while is_alive(first):
            time.sleep(0.01)
        assert dict(pool.run([1, 2], double)) == {1: 2, 2: 4}


def process_id(job: int, report: Report) -> int:
    return os.getpid()


def is_alive(process: object) -> bool:
    assert isinstance(process, int)
    try:
        # The first thread is a zombie before the others have ended, and only then can the parent see the end.
        state = Path(f"/proc/{process}/stat").read_text("ascii").split()[2]
        return state != "Z" or len(list(Path(f"/proc/{process}/task").iterdir())) > 1
    except OSError:
        return False


def test_processes_end_with_the_outcomes_that_are_asked_for() -> None:
    started = time.monotonic()
    outcomes = run_in_pool([1, 60], double, workers=2)
    assert next(outcomes) == (1, 2)
    outcomes.close()
    assert time.monotonic() - started < 30


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="suspends processes")
def test_a_suspended_run_goes_on(tmp_path: Path) -> None:
    """As by Ctrl-Z and `fg`: time in which nobody could work is nobody's fault."""
    script = tmp_path / "suspended.py"
    script.write_text(SUSPENDED)
    child = subprocess.Popen(
        [sys.executable, script, Path.cwd()], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "works\n"
    os.killpg(child.pid, signal.SIGSTOP)
    time.sleep(8)
    os.killpg(child.pid, signal.SIGCONT)
    assert child.stdout.read() == "[(61, 122)]\n"


SUSPENDED = """
import sys
sys.path.insert(0, sys.argv[1])
from hicmae_cli.workers import WorkerPool
from tests.test_workers import double
if __name__ == "__main__":
    with WorkerPool(stall_s=2) as pool:
        list(pool.run([1], double))
        print("works", flush=True)
        print(list(pool.run([61], double)))
"""

PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from hicmae_cli.workers import run_in_pool
from tests.test_workers import name_and_sleep
if __name__ == "__main__":
    for _ in run_in_pool([0, 1], name_and_sleep, lambda _, pid: print(pid, flush=True), workers=2):
        pass
"""


def name_and_sleep(job: int, report: Report) -> None:
    report(os.getpid())
    time.sleep(300)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_worker_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script, Path.cwd()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    if how == signal.SIGINT:
        os.killpg(parent.pid, how)  # as a terminal does
    else:
        parent.send_signal(how)
    parent.wait(timeout=30)
    deadline = time.monotonic() + 5
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
