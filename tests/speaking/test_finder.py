"""Planted mouths against a real detector of voices: who speaks, nobody, turns, gaps and low frame rates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import MediaError
from hicmae_cli.faces import Face
from hicmae_cli.media import Frame
from hicmae_cli.speaking import Hearing, SpeakerFinder
from hicmae_cli.speaking.mouths import MouthReading
from hicmae_cli.speaking.voice import FRAME_S, VoiceMeter
from tests.faces.fake import FakeFace
from tests.runtime.stubs import talk

Sound = NDArray[np.float32]
LENGTH_S = 6.0


def mouth_of(sound: Sound) -> Callable[[float], float]:
    """A mouth that moves 60 ms before a sound."""
    meter = VoiceMeter()
    for _ in meter.listen([sound]):
        pass
    levels_db = np.clip(meter.cut_levels(0, len(sound) // 512), -70, 0)
    smooth = np.convolve(levels_db, [0.25, 0.5, 0.25], "same")
    return lambda time_s: float(
        0.1 + 0.001 * np.interp(time_s + 0.06, (np.arange(len(smooth)) + 0.5) * FRAME_S, smooth)
    )


def find(sound: Sound, *mouths: Callable[[float], float], rate_hz: float = 25.0, gap: bool = False) -> list[Hearing]:
    finder = SpeakerFinder(0.0, 0.16)
    for _ in finder.voice.listen([sound]):
        pass
    for index in range(round(LENGTH_S * 25)):
        shown_s = np.floor(index / 25 * rate_hz + 1e-6) / rate_hz
        if gap and 1.0 < index / 25 < 5.0:
            continue
        finder.add_readings(
            MouthReading(track, index / 25, mouth(shown_s), round(shown_s * rate_hz))
            for track, mouth in enumerate(mouths, 1)
        )
    starts_s = np.arange(0, LENGTH_S - 2.56, 0.64)
    return [finder.judge(float(s), float(s) + 2.56, range(1, len(mouths) + 1)) for s in starts_s]


@pytest.fixture(scope="module")
def voices() -> list[Sound]:
    """Two voices, each with words of its own."""
    return [talk(LENGTH_S, seed) for seed in (0, 3)]


def test_the_speaker_is_found_and_gets_the_voice(voices: list[Sound]) -> None:
    for hearing in find(voices[0], mouth_of(voices[1]), mouth_of(voices[0])):
        assert hearing.speakers == {1: "no", 2: "yes"} and hearing.has_voice
        assert (hearing.is_voice_of(1), hearing.is_voice_of(2)) == (False, True)


def test_nobody_speaks_with_an_off_screen_voice(voices: list[Sound]) -> None:
    away = [talk(LENGTH_S, seed) for seed in (1, 2, 4, 5)]
    answers = [h.speakers for voice in away for h in find(voice, mouth_of(voices[0]), lambda _: 0.1)]
    assert np.mean(["yes" in each.values() for each in answers]) < 0.05
    assert np.mean([set(each.values()) == {"no"} for each in answers]) > 0.7
    alone = [h for voice in away for h in find(voice, mouth_of(voices[0]))]
    assert np.mean([h.speakers == {1: "no"} and not h.is_voice_of(1) for h in alone]) > 0.7


def test_turns_are_told_apart(voices: list[Sound]) -> None:
    half = len(voices[0]) // 2
    first, second = (np.array(v) for v in voices)
    first[half:], second[:half] = 0, 0
    hearings = find(first + second, mouth_of(first), mouth_of(second))
    assert hearings[0].speakers == {1: "yes", 2: "no"}
    assert hearings[-1].speakers == {1: "no", 2: "yes"}


def test_without_a_voice_nobody_speaks_and_nobody_gets_the_sound() -> None:
    hum = (0.1 * np.sin(np.arange(round(LENGTH_S * 16000)) / 9)).astype(np.float32)
    for hearing in find(hum, mouth_of(hum)):
        assert (hearing.voice, hearing.speakers, hearing.has_voice) == (0.0, {1: "no"}, False)
        assert not hearing.is_voice_of(1) and not hearing.is_voice_of(None)


def test_pictures_too_rare_for_lips_are_unsure(voices: list[Sound]) -> None:
    for rate_hz in (0.5, 4.0):
        assert all(h.speakers == {1: "unsure"} for h in find(voices[0], mouth_of(voices[1]), rate_hz=rate_hz))
    (first, *_) = find(voices[0], mouth_of(voices[1]), rate_hz=4.0)
    assert first.is_voice_of(1)  # who may speak, and nobody else is there


def test_a_mouth_that_was_not_read_is_unsure(voices: list[Sound]) -> None:
    assert find(voices[0], mouth_of(voices[0]), gap=True)[2].speakers == {1: "unsure"}


def test_who_may_speak_gets_the_voice_only_without_a_rival() -> None:
    assert Hearing(0.5, {1: "unsure", 2: "no"}).is_voice_of(1)
    assert not Hearing(0.5, {1: "unsure", 2: "unsure"}).is_voice_of(1)
    assert not Hearing(0.5, {1: "unsure", 2: "yes"}).is_voice_of(1)
    assert Hearing(0.5, {}).is_voice_of(None)


def test_pictures_are_20_to_25_a_second_unless_faces_are_searched_too_rarely() -> None:
    assert [SpeakerFinder(0.0, step_s).pictures_per_step for step_s in (0.16, 0.1, 0.04, 1 / 3, 1.0)] == [4, 2, 1, 7, 1]


def test_memory_does_not_grow(voices: list[Sound]) -> None:
    finder = SpeakerFinder(0.0, 0.16)
    listening = finder.voice.listen(voices[0][:16000] for _ in range(41))
    next(listening)
    for second in range(40):
        next(listening)
        finder.add_readings(MouthReading(1, second + k / 25, 0.1, 25 * second + k) for k in range(25))
        if second > 4:
            finder.judge(second - 4.0, second - 1.44, [1])
    assert len(finder._readings[1]) < 6 * 25 and len(finder.voice._levels_db) < 8 / FRAME_S


def test_only_the_largest_mouths_are_read(monkeypatch: pytest.MonkeyPatch, voices: list[Sound]) -> None:
    finder = SpeakerFinder(0.0, 0.16)
    for _ in finder.voice.listen(voices[:1]):
        pass
    read: list[int] = []

    def note(_between: list[Frame], _frame: Frame, linked: list[tuple[int, Face]]) -> list[MouthReading]:
        read.extend(track for track, _ in linked)
        return []

    monkeypatch.setattr(finder._mouths, "read", note)
    faces = [(track, FakeFace(0.0, 9.0, (64.0, 48.0), 10.0 + track).at(0.0)) for track in range(12)]
    finder.add_faces(Frame(2.0, np.zeros((96, 128, 3), np.uint8)), faces)
    finder.wait()
    assert sorted(read) == list(range(4, 12))


class SlowReader:
    """Stands for the reader of mouths: takes its time, notes what it is given, and fails when it is told to."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.fails = False

    def read(self, between: list[Frame], frame: Frame, linked: list[tuple[int, Face]]) -> list[MouthReading]:
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(0.02)
        self.running -= 1
        if self.fails:
            raise MediaError("broken")
        return [MouthReading(track, each.time_s, 0.1, 0) for each in (*between, frame) for track, _ in linked]


def test_mouths_are_read_in_order_in_one_thread(monkeypatch: pytest.MonkeyPatch, voices: list[Sound]) -> None:
    stages: list[tuple[str | None, str]] = []

    @contextmanager
    def note(stage: str | None) -> Iterator[None]:
        stages.append((stage, threading.current_thread().name.partition("_")[0]))
        yield

    finder, slow = SpeakerFinder(0.0, 0.16, note), SlowReader()
    monkeypatch.setattr(finder, "_mouths", slow)
    for _ in finder.voice.listen(voices[:1]):
        pass
    picture, face = np.zeros((96, 128, 3), np.uint8), FakeFace(0.0, 9.0, (64.0, 48.0), 20.0).at(0.0)
    times_s = [1.0 + k * 0.04 for k in range(16)]
    for k, time_s in enumerate(times_s):
        if k % 4 == 3:
            finder.add_faces(Frame(time_s, picture), [(1, face)])
        else:
            finder.add_picture(Frame(time_s, picture))
    finder.wait()
    assert [reading.time_s for reading in finder._readings[1]] == times_s
    assert slow.most == 1
    assert {thread for stage, thread in stages if stage == "speaker"} == {"mouths"}
    assert {thread for stage, thread in stages if stage is None} == {"MainThread"}

    slow.fails = True
    finder.add_faces(Frame(2.0, picture), [(1, face)])
    with pytest.raises(MediaError, match="broken"):
        finder.judge(0.0, 2.56, [1])
    finder.add_faces(Frame(2.2, picture), [(1, face)])
    finder.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mouths")]
