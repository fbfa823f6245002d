"""Live predictions: as of a file, bounded, and ended at any time."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.media import feeds
from hicmae_cli.media.live import LiveStream
from hicmae_cli.runtime.live import LiveSource, predict_live
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from tests.faces.fake import FakeDetector, FakeFace
from tests.runtime.stubs import ToyEngine, write_clip

LEFT = FakeFace(0.0, 1000.0, (80.0, 90.0), 90.0)
PATIENT_S = 60.0
"""A delay that a busy machine does not reach."""


def predictor(engine: Any = None, **settings: Any) -> Predictor:
    return Predictor(
        engine or ToyEngine(), PredictSettings(**{"sound": "shared", **settings}), lambda _: FakeDetector((LEFT,))
    )


def remux(path: Path, container_format: str, end_s: float = 4.0) -> bytes:
    """The packets of the start of a file in another container."""
    out = io.BytesIO()
    with av.open(str(path)) as source, av.open(out, "w", format=container_format) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams.get()}
        for packet in source.demux():
            if packet.dts is not None and packet.time_base and packet.dts * packet.time_base < end_s:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out.getvalue()


class OnlyRead:
    """A stream that can do nothing but read."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 5000) if size > 0 else size)


def go(source: object, given: Predictor, max_delay_s: float = PATIENT_S) -> tuple[FileResult, int]:
    """Predict a stream to its end -> the result, and the number of windows that came one by one."""
    with predict_live(cast("BinaryIO | int", source), given, max_delay_s=max_delay_s) as live:
        count = sum(1 for _ in live)
        return live.finish(), count


@contextmanager
def pipe(feed: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """The end of a pipe that a thread writes to."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file, suppress(BrokenPipeError):
            feed(file)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with os.fdopen(reading, "rb") as file:
        yield file
    thread.join(10)


@pytest.mark.parametrize("container_format", ["mpegts", "matroska"])
def test_a_piped_file_gives_the_windows_of_the_file(sample: Path, tmp_path: Path, container_format: str) -> None:
    data = remux(sample, container_format)
    (tmp_path / "a.bin").write_bytes(data)
    expected = predictor().predict(tmp_path / "a.bin")
    result, count = go(OnlyRead(data), predictor())
    assert result.status == "ok" and result.message == expected.message
    assert count == sum(len(track.windows) for track in result.tracks)
    (found,), (wanted,) = result.tracks, expected.tracks
    assert found.face_coverage == wanted.face_coverage and found.face_size_px == wanted.face_size_px
    assert [w.start_s for w in found.windows] == [w.start_s for w in wanted.windows]
    assert [w.modality for w in found.windows] == [w.modality for w in wanted.windows]
    for one, other in zip(found.windows, wanted.windows, strict=True):
        assert list(one.scores.by_name.values()) == pytest.approx(list(other.scores.by_name.values()), abs=2e-3)
    assert (result.width_px, result.height_px) == (expected.width_px, expected.height_px)
    assert result.duration_s == pytest.approx(expected.duration_s, abs=0.16)
    assert (str(result.path), result.sha256, result.size_bytes) == ("stream", None, None)


def test_sound_alone_gives_the_windows_of_its_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", 4.0, bright=None)
    expected = predictor().predict(path)
    with pipe(lambda file: void(file.write(path.read_bytes()))) as file:
        result, _ = go(file, predictor())
    assert result.status == "ok"
    (found,), (wanted,) = result.tracks, expected.tracks
    assert found.id == wanted.id == 0
    assert [w.start_s for w in found.windows] == [w.start_s for w in wanted.windows]
    for one, other in zip(found.windows, wanted.windows, strict=True):
        assert list(one.scores.by_name.values()) == pytest.approx(list(other.scores.by_name.values()), abs=1e-3)
    assert result.duration_s == pytest.approx(4.0, abs=0.16)


def void(_: object) -> None:
    """Forget a value."""


@pytest.mark.parametrize(("modality", "kept"), [("audio", "audio"), ("video", "video")])
def test_one_stream_of_two(tmp_path: Path, modality: str, kept: str) -> None:
    path = write_clip(tmp_path / "a.mkv", 4.0)
    result, _ = go(OnlyRead(path.read_bytes()), predictor(modality=modality))
    assert {window.modality for track in result.tracks for window in track.windows} == {kept}


def test_a_part_of_a_stream(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 8.0)
    expected = predictor(start_s=1.0, end_s=5.0).predict(path)
    result, _ = go(OnlyRead(path.read_bytes()), predictor(start_s=1.0, end_s=5.0))
    assert [w.start_s for w in result.tracks[0].windows] == [w.start_s for w in expected.tracks[0].windows]
    assert result.tracks[0].windows[-1].end_s <= 5.0 + 0.16


def test_a_stream_that_goes_on_is_ended_at_any_time(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "a.mkv", 6.0).read_bytes()
    leave = threading.Event()

    def write(file: BinaryIO) -> None:
        file.write(data)
        leave.wait(60)  # the pipe stays open, as that of a camera does

    with pipe(write) as file, predict_live(file, predictor(), max_delay_s=PATIENT_S) as live:
        first = next(iter(live))
        assert (first.track, first.window.start_s) == (1, 0.0)
        result = live.finish()
        leave.set()
    assert result.status == "ok" and result.tracks[0].windows[0] == first.window
    assert result.to_dict()["duration_s"] is not None and live.finish() is result


class SlowEngine(ToyEngine):
    """An engine that takes longer than a stream has for it."""

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        time.sleep(0.9)
        return super().logits(video, audio)


@pytest.mark.slow
def test_a_slow_model_skips_windows_and_the_delay_stays_bounded(tmp_path: Path) -> None:
    """In real time: a model that takes 0.9 s for windows that come every 0.32 s."""
    data = write_clip(tmp_path / "a.mkv", 12.0).read_bytes()

    def write(file: BinaryIO) -> None:
        began_s = time.perf_counter()
        for start in range(0, len(data), 2000):
            file.write(data[start : start + 2000])
            time.sleep(max(0.0, began_s + 12.0 * start / len(data) - time.perf_counter()))

    delays = []
    slow = predictor(SlowEngine(), hop_s=0.32)
    with pipe(write) as file, predict_live(file, slow, max_delay_s=1.0) as live:
        delays = [each.delay_s for each in live]
        result = live.finish()
    assert max(delays) < 1.0 + 0.9 + 1.0  # the bound, one run of the model, and a busy machine
    assert "slower than the stream: " in result.message and " windows were dropped" in result.message
    assert result.tracks[0].windows[-1].end_s > 10.0
    assert 6 <= len(delays) < 25


def test_late_windows_are_skipped_and_counted() -> None:
    class Late:
        name, max_delay_s, is_stopped = "camera-0", 2.0, False

        def delay_s(self, time_s: float) -> float:
            return 10.0 - time_s

    stream = Late()
    source = LiveSource(cast("LiveStream", stream))
    assert [source.is_late(end_s) for end_s in (7.9, 8.1)] == [True, False]
    stream.is_stopped = True
    assert not source.is_late(1.0)  # the last window is part of the result
    assert source.num_skipped == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Invalid data|ended before|End of file|cannot be read"),
        (b"this is no video\n" * 500, "stream: cannot be read as a media stream .* MPEG-TS or Matroska"),
        (b"#EXTM3U\nhttp://example.org/a.ts\n", "stream: is a playlist that points at other files"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is a playlist"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ],
)
def test_a_stream_that_cannot_be_read_is_an_error(data: bytes, message: str) -> None:
    result, count = go(OnlyRead(data), predictor())
    assert (result.status, result.failed, count) == ("error", True, 0)
    assert re.search(message, result.message), result.message


def test_an_mp4_that_needs_seeking_says_what_to_send(tmp_path: Path) -> None:
    # Its index is at the end.
    data = remux(write_clip(tmp_path / "a.mkv", 3.0), "mp4")
    result, _ = go(OnlyRead(data), predictor())
    assert result.failed and "stream" in result.message


def test_a_stream_that_is_cut_off_keeps_its_windows(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "a.mkv", 8.0).read_bytes()
    result, _ = go(OnlyRead(data[: len(data) * 3 // 4]), predictor())
    assert result.status == "ok" and len(result.tracks[0].windows) > 2


def test_a_fault_of_the_model_is_raised(tmp_path: Path) -> None:
    class Broken(ToyEngine):
        def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
            raise ZeroDivisionError

    data = write_clip(tmp_path / "a.mkv", 3.0).read_bytes()
    with predict_live(cast("BinaryIO", OnlyRead(data)), predictor(Broken())) as live, pytest.raises(ZeroDivisionError):
        list(live)


def test_while_decoding_is_behind_only_key_frames_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_clip(tmp_path / "a.mkv", 8.0).read_bytes()
    decoded: list[float] = []
    watch = feeds._watch

    def count(*arguments: Any) -> Iterator[Any]:
        for timed in watch(*arguments):
            decoded.append(float(timed.time_s))
            yield timed

    monkeypatch.setattr(feeds, "_watch", count)
    go(OnlyRead(data), predictor())
    everything = len(decoded)
    decoded.clear()
    monkeypatch.setattr(LiveStream, "is_behind", lambda self, time_s: True)
    result, _ = go(OnlyRead(data), predictor())
    assert everything == 200 and 0 < len(decoded) < 100
    assert result.status == "ok"


class FakeCamera:
    """OpenCV's VideoCapture for a camera that is pulled out after four seconds."""

    def __init__(self, index: int) -> None:
        self.left = 100 if index == 0 else 0
        self.is_released = False

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return self.left > 0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        self.left -= 1
        return (True, np.full((96, 128, 3), (200, 0, 0), np.uint8)) if self.left > 0 else (False, None)

    def release(self) -> None:
        self.is_released = True


def test_a_camera_is_pictures_without_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ticking:
        now_s = 0.0

        def perf_counter(self) -> float:
            self.now_s += 0.04
            return self.now_s

    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr(feeds, "time", Ticking())
    result, count = go(0, predictor())
    assert (result.status, str(result.path)) == ("ok", "camera-0")
    assert count > 1 and {window.modality for window in result.tracks[0].windows} == {"video"}
    assert "no audio track" in result.message
    missing, _ = go(1, predictor())
    assert missing.failed and missing.message.startswith("camera-1: cannot be opened")


def test_colours_of_a_camera_are_in_our_order() -> None:
    picture = feeds._CameraPicture(0.0, np.full((2, 2, 3), (200, 0, 10), np.uint8))
    assert picture.to_rgb()[0, 0].tolist() == [10, 0, 200]


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="camera=-1: expected 0 for the first camera"):
        predict_live(-1, predictor())
    with pytest.raises(SettingsError, match="max_delay_s=0"):
        predict_live(0, predictor(), max_delay_s=0)
