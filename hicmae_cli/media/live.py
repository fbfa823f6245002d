"""Pictures and sound that are read once, while they arrive, with a bounded delay.

A thread reads and decodes. It holds the sampled pictures until they are taken: a picture that is older than the bound
is dropped, and the one before it stays on display. Sound is small, and is kept. A stream that arrives faster than in
real time (a file in a pipe) is not dropped but waits, as long as its reader keeps up with real time.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Final

from av.audio.frame import AudioFrame

from hicmae_cli.errors import HicmaeError, MediaError, first_line
from hicmae_cli.media.frames import Frame, ShownPicture, sample_pictures

MAX_DELAY_S: Final = 2.0
"""By default, pictures and windows that are older than this are dropped."""
_LEAST_FRAMES: Final = 4
_HELD_BYTES: Final = 256 << 20
# Of a stream with pictures: they may stand still for as long before sound is lost.
_HELD_SOUND_S: Final = 60.0
# Pictures may arrive for this long without any sound before the sound counts as ended.
_SOUND_PATIENCE_S: Final = 3.0
_WAKE_S: Final = 0.2
_LEAVE_S: Final = 2.0


class LiveStream:
    """What arrives from a pipe or a camera. Use it as a context manager: it reads from its start to its end.

    Args:
        feed: reads until the end, or until ``is_stopped``: it calls ``begin`` once, then ``add_pictures`` and
            ``add_sound``. It runs in a thread of its own.
        name: what messages call it.
        max_delay_s: a picture that waits for longer is dropped.

    Attributes:
        name: as given.
        has_video: whether pictures arrive; known after ``wait``.
        has_audio: whether sound arrives; known after ``wait``.
        fps: stated frame rate; None if it is unknown.
        origin_s: time 0 on the clock of the sound's timestamps; None for the first sample.
        max_delay_s: as given.
        num_dropped: pictures that were dropped.
        is_stopped: whether ``stop`` was called.
    """

    def __init__(self, feed: Callable[[LiveStream], None], name: str, max_delay_s: float = MAX_DELAY_S) -> None:
        self.name, self.max_delay_s = name, max_delay_s
        self.has_video = self.has_audio = self.is_stopped = False
        self.fps: Fraction | None = None
        self.origin_s: Fraction | None = None
        self.num_dropped = 0
        self._size_px: tuple[int, int] | None = None
        self._grid_s: tuple[float, float] | None = None  # step and start, once somebody takes pictures
        self._max_frames = _LEAST_FRAMES
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._sound: deque[AudioFrame] = deque()
        self._held_s = 0.0  # of sound
        self._seen_s = self._heard_s = 0.0  # time of the last picture, and of the last one before the last sound
        self._began_s: float | None = None
        self._is_starving = False
        self._has_ended = False
        self._fault: MediaError | None = None
        self._thread = threading.Thread(target=self._run, args=(feed,), daemon=True, name=f"reader of {name}")

    # For the consumer.

    def __enter__(self) -> LiveStream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # A read of a pipe that stays open and silent cannot be interrupted everywhere.
        self._thread.join(_LEAVE_S)

    def stop(self) -> None:
        """End the stream here. Further calls do nothing."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()

    def wait(self) -> tuple[int, int]:
        """Wait for the first picture or, without video, the first sound -> width and height (px); 0 without video.

        Raises:
            MediaError: it cannot be read, or ended before.
        """
        with self._changed:
            while self._size_px is None and not (self._sound and not self.has_video) and not self._is_over():
                self._changed.wait(_WAKE_S)
            if self._size_px is None and (self.has_video or not self._sound):
                raise self._fault or MediaError(f"{self.name}: ended before a picture or a sound could be decoded")
            return self._size_px or (0, 0)

    def delay_s(self, time_s: float) -> float:
        """Return how long ago a time of the stream was, counted from the first picture that could be decoded."""
        return 0.0 if self._began_s is None else time.perf_counter() - self._began_s - time_s

    def frames(self, step_s: float, start_s: float = 0.0) -> Iterator[Frame]:
        """Yield the picture on display at each step, as they arrive; dropped ones repeat the one before.

        Args:
            step_s: time between two pictures.
            start_s: time of the first one.
        """
        with self._changed:
            self._grid_s = step_s, start_s
            self._changed.notify_all()
        count = 0
        last: Frame | None = None
        while (frame := self._take_frame()) is not None:
            for _ in range(round((frame.time_s - start_s) / step_s) - count):
                yield Frame(start_s + count * step_s, (last or frame).rgb)
                count += 1
            yield frame
            count, last = count + 1, frame

    def sound_frames(self) -> Iterator[AudioFrame]:
        """Yield the decoded sound as it arrives."""
        while True:
            with self._changed:
                self._is_starving = True
                self._changed.notify_all()
                while not (self._sound or self._is_over() or self._has_lost_sound()):
                    self._changed.wait(_WAKE_S)
                self._is_starving = False
                if not self._sound:
                    return
                frame = self._sound.popleft()
                self._held_s -= frame.samples / frame.sample_rate
                self._changed.notify_all()
            yield frame

    # For the feed.

    def begin(self, *, has_video: bool, has_audio: bool, fps: Fraction | None = None) -> None:
        """State what will arrive."""
        self.has_video, self.has_audio, self.fps = has_video, has_audio, fps

    def add_pictures(self, pictures: Iterable[ShownPicture]) -> None:
        """Sample pictures until they end or the stream is stopped, and wait while it is ahead of its consumer."""
        ahead = iter(pictures)
        first = next(ahead, None)
        if first is None:
            return
        height_px, width_px = first.to_rgb().shape[:2]
        with self._changed:
            self._size_px = width_px, height_px
            self._start_clock()
            self._changed.notify_all()
            while self._grid_s is None:
                if self.is_stopped:
                    return
                self._changed.wait(_WAKE_S)
            step_s, start_s = self._grid_s
            self._max_frames = _count_held(self.max_delay_s / step_s, width_px * height_px * 3)
        for frame in sample_pictures(chain([first], ahead), step_s, start_s):
            with self._changed:
                self._frames.append(frame)
                self._seen_s = frame.time_s
                self._drop_late()
                self._changed.notify_all()
                # A consumer that waits for sound needs what comes after these pictures.
                while len(self._frames) > self._max_frames and not (self.is_stopped or self._is_starving):
                    self._changed.wait(_WAKE_S)
                    self._drop_late()
                if self.is_stopped:
                    return

    def add_sound(self, frame: AudioFrame) -> None:
        """Add decoded sound."""
        with self._changed:
            if not self.has_video:
                self._start_clock()
            self._sound.append(frame)
            self._held_s += frame.samples / frame.sample_rate
            self._heard_s = self._seen_s
            self._changed.notify_all()
            while self._held_s > _HELD_SOUND_S and not self.is_stopped:
                if self.has_video:
                    # The times of the frames leave a gap, which becomes silence.
                    oldest = self._sound.popleft()
                    self._held_s -= oldest.samples / oldest.sample_rate
                else:
                    self._changed.wait(_WAKE_S)

    def is_behind(self, time_s: float) -> bool:
        """Whether decoding itself is slower than the stream."""
        return self.delay_s(time_s) > self.max_delay_s and not self._frames

    def _run(self, feed: Callable[[LiveStream], None]) -> None:
        try:
            feed(self)
        except HicmaeError as error:
            self._fault = MediaError(str(error))
        except Exception as error:
            self._fault = MediaError(f"{self.name}: cannot be read: {type(error).__name__}: {first_line(error)}")
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _take_frame(self) -> Frame | None:
        with self._changed:
            while not self._frames and not self._is_over():
                self._changed.wait(_WAKE_S)
            self._drop_late()
            if self.is_stopped or not self._frames:
                return None
            self._changed.notify_all()
            return self._frames.popleft()

    def _drop_late(self) -> None:
        while len(self._frames) > 1 and self.delay_s(self._frames[0].time_s) > self.max_delay_s:
            self._frames.popleft()
            self.num_dropped += 1

    def _start_clock(self) -> None:
        if self._began_s is None:
            self._began_s = time.perf_counter()

    def _has_lost_sound(self) -> bool:
        return self.has_video and self._seen_s - self._heard_s > _SOUND_PATIENCE_S

    def _is_over(self) -> bool:
        return self._has_ended or self.is_stopped


def _count_held(frames: float, frame_bytes: int) -> int:
    """Return how many frames to hold: those of the longest delay, if they are small enough."""
    return max(_LEAST_FRAMES, min(math.ceil(frames) + 1, _HELD_BYTES // frame_bytes))
