"""One clock for `probe` and the readers, however damaged the timestamps are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.media import probe, read_audio_blocks, read_frames, sample_frames
from hicmae_cli.media.clock import MAX_JUMP_S, MAX_PAUSES_S, Clock, Stamped, Ticks, keep_time
from tests.media.hostile import HOSTILE
from tests.media.make import make_video, numbered_frames

_FRAME = Fraction(1, 25)


def _kept(
    stamps: list[Ticks | None], duration: Ticks = _FRAME, unit_s: Fraction = Fraction(1)
) -> list[tuple[int, Ticks]]:
    stamped = [(index, stamp, duration) for index, stamp in enumerate(stamps)]
    return [(index, time) for index, time, _ in keep_time(stamped, Clock(unit_s))]


@given(
    stamps=st.lists(st.none() | st.integers(-(2**40), 2**40).map(lambda n: Fraction(n, 1000)), max_size=40),
    duration=st.integers(1, 10**7).map(lambda n: Fraction(n, 1000)),
)
def test_time_rises_from_0_and_is_bounded(stamps: list[Ticks | None], duration: Fraction) -> None:
    kept = _kept(stamps, duration)
    times = [time for _, time in kept]
    assert times[:1] == [0] * min(1, len(stamps))
    assert all(a < b for a, b in pairwise(times))
    assert max(times, default=0) <= MAX_PAUSES_S + 60 * len(stamps)


@given(start=st.integers(-(10**6), 10**6), steps=st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_honest_time_stamps_are_kept(start: int, steps: list[int]) -> None:
    stamps = [Fraction(start) + Fraction(sum(steps[:i])) for i in range(len(steps) + 1)]
    assert _kept(list(stamps)) == [(i, stamp - start) for i, stamp in enumerate(stamps)]


@given(damaged=st.integers(1, 38), by=st.integers(2, 10**6), sign=st.sampled_from([-1, 1]))
def test_one_damaged_stamp_moves_nothing_else(damaged: int, by: int, sign: int) -> None:
    stamps: list[Ticks | None] = [index * _FRAME for index in range(40)]
    stamps[damaged] = damaged * _FRAME + sign * by
    assert _kept(stamps) == [(index, index * _FRAME) for index in range(40)]


@given(stamps=st.lists(st.integers(-(2**36), 2**36), max_size=30))
def test_units_make_no_difference(stamps: list[int]) -> None:
    tick_s = Fraction(1, 90_000)
    in_seconds = _kept([stamp * tick_s for stamp in stamps])
    assert [(i, time * tick_s) for i, time in _kept(list(stamps), 3600, tick_s)] == in_seconds


def test_a_clock_that_starts_again_goes_on() -> None:
    stamps: list[Ticks | None] = [index % 20 * Fraction(1, 5) for index in range(60)]
    assert _kept(stamps, Fraction(1, 5)) == [(index, index * Fraction(1, 5)) for index in range(60)]


def test_pauses_are_kept_until_there_are_too_many() -> None:
    times = [time for _, time in _kept([Fraction(3000) * index for index in range(9)])]
    assert times[:3] == [0, 3000, 6000]
    assert times[-1] < MAX_PAUSES_S
    assert [time for _, time in _kept([Fraction(0), Fraction(MAX_JUMP_S)])] == [0, MAX_JUMP_S]


def test_pauses_beyond_the_limit_are_counted() -> None:
    clock = Clock()
    stamps = [Fraction(3000) * index for index in range(5)]
    kept = list(keep_time([(None, stamp, _FRAME) for stamp in stamps], clock))
    assert [time for _, time, _ in kept] == [0, 3000, 6000, 6000 + _FRAME, 6000 + 2 * _FRAME]
    assert clock.skipped == 6000
    assert [duration for _, _, duration in kept] == [_FRAME] * 5


def test_without_a_timestamp_a_minute_passes_at_most() -> None:
    assert _kept([Fraction(5), None, None], Fraction(500)) == [(0, 0), (1, 60), (2, 120)]
    assert _kept([Fraction(5), None, None], Fraction(50)) == [(0, 0), (1, 50), (2, 100)]


def test_an_item_is_taken_early_only_for_its_timestamp() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(3):
            taken.append(item)
            yield item

    stamped = Stamped(items(), lambda item: item * _FRAME)
    assert next(stamped) == 0
    assert taken == [0]
    assert stamped.peek_stamp() == stamped.peek_stamp() == _FRAME
    assert taken == [0, 1]
    assert list(stamped) == [1, 2]
    assert stamped.peek_stamp() is None


def _damage_pts(data: bytes, numbers: set[int], bits: int) -> bytes:
    """A transport stream in which the k-th time of presentation of the video has some bits turned over."""
    content, count = bytearray(data), 0
    for start in range(0, len(content) - 187, 188):
        at = content.find(b"\0\0\1\xe0", start, start + 188)
        if at < 0 or not content[at + 7] & 0x80:
            continue
        if count in numbers:
            value = int.from_bytes(content[at + 9 : at + 14], "big") ^ bits
            content[at + 9 : at + 14] = value.to_bytes(5, "big")
        count += 1
    assert max(numbers) < count
    return bytes(content)


@pytest.mark.parametrize("bit", [20, 26, 33, 34])
@pytest.mark.parametrize(
    ("b_frames", "numbers"),
    [(0, {5}), (0, {3, 9, 20}), (0, {4, 5, 12}), (0, set(range(2, 30, 3))), (0, {37}), (2, {5}), (2, {3, 9, 20})],
)
def test_probe_tells_what_is_read_of_a_damaged_stream(
    tmp_path: Path, b_frames: int, numbers: set[int], bit: int
) -> None:
    path = tmp_path / "a.ts"
    make_video(path, numbered_frames(38), [i / 25 for i in range(38)], options={"bf": str(b_frames), "g": "15"})
    path.write_bytes(_damage_pts(path.read_bytes(), numbers, 1 << bit))
    info = probe(path)
    frames = list(read_frames(path))
    assert info.video_duration_s == pytest.approx(frames[-1].time_s + 0.04, abs=0.05)
    if len(numbers) < 4 and not {4, 5} <= numbers and 37 not in numbers:  # neighbours and the last cannot be told
        assert info.duration_s == pytest.approx(38 / 25, abs=0.15)
        assert info.fps == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize("name", ["paused_120s.mp4", "paused_10h.mp4"])
def test_probe_tells_what_is_read_of_a_paused_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    HOSTILE[name](path)
    info = probe(path)
    count = sum(1 for _ in sample_frames(path, 1.0))
    assert info.duration_s == pytest.approx(count, abs=1.1)
    assert info.duration_s <= MAX_PAUSES_S + 12 * 60
    assert info.fps is not None and info.fps > 0
    assert any("s of pauses beyond the limit" in said for said in info.warnings) == (name == "paused_10h.mp4")


def test_an_impossible_rate_is_none(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", numbered_frames(12), [Fraction(i, 90_000) for i in range(12)])
    info = probe(path)
    assert info.fps is None
    assert any("pictures per second" in warning for warning in info.warnings)
    assert info.has_video
    assert len(list(read_frames(path))) == 12


def test_a_thousand_frames_a_second_are_believed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", numbered_frames(20), [Fraction(i, 1000) for i in range(20)])
    assert probe(path).fps == 1000


def test_gaps_in_the_sound_last_two_hours_in_all(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for index in range(8):
            packet = av.Packet(bytes(3200))
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 3_000_000 * index
            container.mux(packet)
    seconds = sum(map(len, read_audio_blocks(path, 60.0))) / 16_000
    assert 6000 <= seconds <= MAX_PAUSES_S
    assert probe(path).duration_s == pytest.approx(seconds, abs=0.1)
