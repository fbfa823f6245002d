"""The measure of an hour, on seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from hicmae_cli.bench import hour

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_the_memory_of_a_process_and_of_its_children_is_watched() -> None:
    child = "import time; held = bytearray(40_000_000); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peaks: dict[int, float] = {}
    ended = Event()
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        watch = Thread(target=hour._watch_memory, args=(process.pid, peaks, ended))
        watch.start()
        process.wait()
        ended.set()
        watch.join()
    assert len(peaks) == 2 and process.pid in peaks
    assert max(peaks.values()) >= 40
    assert min(peaks.values()) < 40


def test_the_speed_of_a_part_is_that_between_its_marks() -> None:
    run = hour._Run([(1.0, 0.0), (2.0, 10.0), (3.0, 20.0), (5.0, 30.0), (7.0, 40.0)], 8.0, 100.0)
    assert run.measure_speed(0.0, 20.0) == 10.0
    assert run.measure_speed(20.0, 41.0) == 5.0


@pytest.mark.slow
def test_an_hour_of_seconds_gives_each_measure(sample: Path) -> None:
    measures = hour.measure_hour(sample, "puppets-nano", duration_s=24.0, short_s=6.0)
    assert [measure.unit for measure in measures] == ["x", "x", "MB"]
    assert all(measure.value > 0 for measure in measures[:2])
    assert [(measure.bound, measure.at_most) for measure in measures] == [(3.0, False), (0.8, False), (60, True)]
