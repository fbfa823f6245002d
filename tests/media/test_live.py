"""Live streams: what is held, what is dropped, and that nothing waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from av.audio.frame import AudioFrame

from hicmae_cli.errors import MediaError
from hicmae_cli.media import live as live_module
from hicmae_cli.media.arrays import ArrayPicture
from hicmae_cli.media.live import LiveStream

STEP_S = 0.16


class FakeTime:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def perf_counter(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(live_module, "time", fake)
    return fake


def grey(number: int) -> ArrayPicture:
    return ArrayPicture(number * 0.04, number * 0.04 + 0.04, np.full((4, 4, 3), number % 256, np.uint8))


def sound(seconds: float = 0.1, start_s: float = 0.0) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((1, round(16000 * seconds)), np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), round(16000 * start_s)
    return frame


def pictures_of(length_s: float, on_picture: Callable[[float], None] = lambda _: None) -> Callable[[LiveStream], None]:
    def feed(live: LiveStream) -> None:
        live.begin(has_video=True, has_audio=False)

        def come() -> Iterator[ArrayPicture]:
            for number in range(round(length_s * 25)):
                on_picture(number * 0.04)
                yield grey(number)

        live.add_pictures(come())

    return feed


def test_a_stream_faster_than_real_time_waits_and_loses_nothing(clock: FakeTime) -> None:
    with LiveStream(pictures_of(20), "pipe") as live:
        assert live.wait() == (4, 4)
        frames = list(live.frames(STEP_S))
    assert [round(frame.time_s / STEP_S) for frame in frames] == list(range(125))
    assert live.num_dropped == 0
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [round(i * 4) % 256 for i in range(125)]


def test_late_pictures_are_dropped_and_the_one_before_stays_on_display(clock: FakeTime) -> None:
    def tick(time_s: float) -> None:
        clock.now_s = 100.0 + time_s

    stream = LiveStream(pictures_of(20, tick), "camera", max_delay_s=2.0)
    with stream as live:
        live._grid_s = STEP_S, 0.0
        live._thread.join(60)  # nobody takes a picture for 20 s
        assert len(live._frames) <= live._max_frames
        frames = list(live.frames(STEP_S))
    assert [round(frame.time_s / STEP_S) for frame in frames] == list(range(125))  # every moment is there
    own = {id(frame.rgb) for frame in frames}
    assert len(own) == 125 - live.num_dropped <= 2.0 / STEP_S + 1
    assert int(frames[-1].rgb[0, 0, 0]) == 496 % 256  # the newest is kept
    assert frames[0].rgb is frames[50].rgb


def test_who_waits_for_sound_gets_what_comes_after_the_pictures(clock: FakeTime) -> None:
    def feed(live: LiveStream) -> None:
        live.begin(has_video=True, has_audio=True)
        live.add_pictures(grey(number) for number in range(70))  # more than are held
        live.add_sound(sound(2.8))

    with LiveStream(feed, "pipe") as live:
        frames = live.frames(STEP_S)
        assert next(frames).time_s == 0.0
        heard = list(live.sound_frames())
        assert [frame.samples for frame in heard] == [44800]
        assert len(list(frames)) == 17


def test_sound_that_never_comes_has_ended(clock: FakeTime) -> None:
    wait = threading.Event()

    def feed(live: LiveStream) -> None:
        live.begin(has_video=True, has_audio=True)
        live.add_sound(sound())
        live.add_pictures(grey(number) for number in range(90))  # 3.6 s
        wait.wait(30)  # and more to come

    with LiveStream(feed, "pipe") as live:
        assert next(live.frames(STEP_S)).time_s == 0.0
        assert len(list(live.sound_frames())) == 1
        wait.set()


def test_sound_is_bounded_beside_pictures_that_stand_still(clock: FakeTime) -> None:
    def feed(live: LiveStream) -> None:
        live.begin(has_video=True, has_audio=True)
        for second in range(90):
            live.add_sound(sound(1.0, second))

    with LiveStream(feed, "pipe") as live:
        live._thread.join()
        heard = list(live.sound_frames())
    assert len(heard) == 60 and heard[-1].pts == 89 * 16000


def test_sound_alone_waits_for_who_takes_it(clock: FakeTime) -> None:
    def feed(live: LiveStream) -> None:
        live.begin(has_video=False, has_audio=True)
        for second in range(90):
            live.add_sound(sound(1.0, second))

    with LiveStream(feed, "pipe") as live:
        assert live.wait() == (0, 0)
        assert len(list(live.sound_frames())) == 90


def test_a_stop_ends_every_wait() -> None:
    leave = threading.Event()

    def feed(live: LiveStream) -> None:
        live.begin(has_video=True, has_audio=True)
        leave.wait(30)

    with LiveStream(feed, "pipe") as live:
        threading.Timer(0.05, live.stop).start()
        assert list(live.frames(STEP_S)) == [] and list(live.sound_frames()) == []
        with pytest.raises(MediaError, match="pipe: ended before a picture or a sound"):
            live.wait()
        leave.set()


def test_a_fault_of_the_feed_is_named() -> None:
    def feed(live: LiveStream) -> None:
        raise RuntimeError("the cable is cut")

    with LiveStream(feed, "pipe") as live, pytest.raises(MediaError, match=r"pipe: .*RuntimeError: the cable"):
        live.wait()


def test_decoding_counts_as_behind_only_if_nothing_waits(clock: FakeTime) -> None:
    with LiveStream(pictures_of(0.2), "pipe") as live:
        frames = live.frames(STEP_S)
        next(frames)
        live._thread.join(60)
        clock.now_s += 10
        assert not live.is_behind(0.0)  # a picture waits
        assert len(list(frames)) == 1
        assert live.is_behind(0.0) and not live.is_behind(9.0)


def test_few_large_pictures_are_held() -> None:
    assert live_module._count_held(12.5, 1920 * 1080 * 3) == 14
    assert live_module._count_held(50, 1920 * 1080 * 3) == 43
    assert live_module._count_held(50, 4096 * 4096 * 3) == 5
