"""Where the time goes: exact sums of stages inside each other, and planted slow stages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces import Face
from hicmae_cli.media import Frame
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.timings import StageClock, Timings, sum_timings
from tests.faces.fake import FakeDetector, FakeFace
from tests.runtime.stubs import ToyEngine, write_clip

FACE = FakeFace(0.0, 100.0, (32.0, 48.0), 50.0)


class FakeTime:
    now_s = 5.0

    def perf_counter(self) -> float:
        return self.now_s


def test_of_stages_inside_each_other_the_inner_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    monkeypatch.setattr(time, "perf_counter", fake.perf_counter)
    clock = StageClock()
    clock._began_s = fake.now_s

    def numbers() -> Any:
        for number in range(2):
            fake.now_s += 1  # the outer stage
            with clock.measure("decode"):
                fake.now_s += 10
            yield number

    fake.now_s += 100
    for _ in clock.each("faces", numbers()):
        fake.now_s += 1000  # neither
    with pytest.raises(ValueError, match="x"), clock.measure("model"):
        fake.now_s += 10000
        raise ValueError("x")
    found = clock.read()
    assert dict(found.stages) == {"decode": 20, "faces": 2, "speaker": 0, "model": 10000}
    assert (found.total_s, found.rest_s) == (12122, 2100)


def test_timings_add_up_and_survive_json() -> None:
    one, other = Timings({"decode": 1.0, "faces": 2.0, "model": 3.0}, 7.0), Timings({"mouths": 1.0, "model": 1.0}, 2.0)
    both = Timings.sum([one, other])
    assert dict(both.stages) == {"decode": 1.0, "faces": 2.0, "speaker": 0.0, "model": 4.0, "mouths": 1.0}
    assert both.total_s == 9.0
    assert Timings.from_dict(json.loads(json.dumps(both.to_dict()))) == both
    assert both.to_dict()["rest_s"] == 1.0 and both.rest_share == pytest.approx(1 / 9)
    assert Timings({}, 0.0).rest_share == 0.0 and Timings({"a": 2.0}, 1.0).rest_s == 0.0
    files = [FileResult(Path("a"), "ok", timings=one), FileResult(Path("b"), "error")]
    call = sum_timings(files, Timings({"loading": 1.0}, 10.0), jobs=2)
    assert call.total_s == 20.0 and call.stages["loading"] == 1.0 and call.rest_s == 13.0


class SlowDetector(FakeDetector):
    def detect(self, frame: Frame) -> list[Face]:
        time.sleep(0.01)
        return super().detect(frame)


class SlowEngine(ToyEngine):
    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        time.sleep(0.1)
        return super().logits(video, audio)


def test_time_is_found_where_it_is_spent(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 4.0)
    slow = Predictor(SlowEngine(), detectors=lambda _: SlowDetector((FACE,)), timings=True).predict(path)
    fast = Predictor(ToyEngine(), detectors=lambda _: FakeDetector((FACE,)), timings=True).predict(path)
    assert slow.timings is not None and fast.timings is not None
    windows = len(slow.tracks[0].windows)
    assert slow.timings.stages["faces"] > 25 * 0.01
    assert slow.timings.stages["model"] > windows * 0.1
    assert slow.timings.stages["decode"] > 0
    assert slow.timings.busy_s is not None and slow.timings.total_s >= slow.timings.busy_s
    # The model runs while the next pictures are read.
    assert sum(slow.timings.stages.values()) > slow.timings.busy_s + 0.03
    assert slow == fast  # the time is no part of what was found
    assert FileResult.from_dict(slow.to_dict()).timings is not None
    assert "timings" not in Predictor(ToyEngine(), detectors=lambda _: FakeDetector((FACE,))).predict(path).to_dict()


def test_stages_of_two_threads_overlap() -> None:
    clock, both = StageClock(), Barrier(2)

    def work(stage: str, rest_s: float) -> None:
        time.sleep(rest_s)
        both.wait()
        with clock.measure(stage):
            time.sleep(0.1)

    threads = [Thread(target=work, args=each) for each in (("faces", 0.05), ("model", 0.0))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = clock.read()
    assert min(found.stages["faces"], found.stages["model"]) >= 0.1
    assert found.busy_s is not None and 0.1 <= found.busy_s < 0.19 and found.rest_s >= 0.05
    assert Timings.sum([found, found]).rest_s == pytest.approx(2 * found.rest_s)


def test_the_clock_is_cheap() -> None:
    clock = StageClock()
    began_s = time.perf_counter()
    for _ in clock.each("decode", range(10_000)):
        pass
    assert time.perf_counter() - began_s < 1.0  # 0.02 s on a free machine: 0.02 % of an hour of video
