"""Predict what arrives from a camera or a pipe: windows as they are decided, and the result when it ends."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.media import Frame, MediaInfo
from hicmae_cli.media.audio import place_sound
from hicmae_cli.media.feeds import feed_from_camera, feed_from_pipe
from hicmae_cli.media.live import MAX_DELAY_S, LiveStream
from hicmae_cli.media.source import do_nothing
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.results import FileResult

_WAKE_S: Final = 0.2
_MAX_CAMERAS: Final = 100


@dataclass(frozen=True)
class LiveWindow:
    """A window that has just been decided.

    Attributes:
        track: the person's id; 0 for the sound alone.
        window: the output of the model.
        delay_s: time since the end of the window, in seconds.
    """

    track: int
    window: Window
    delay_s: float


class LiveSource:
    """A live stream with the methods of any other input; see ``OpenSource``. It can be read once.

    Args:
        stream: the stream; entered.

    Attributes:
        num_skipped: windows that were not judged because they were late.
        end_s: end of the last window, judged or not.
    """

    start_s = 0.0

    is_photograph = False

    def __init__(self, stream: LiveStream) -> None:
        self.path = Path(stream.name)
        self.num_skipped = 0
        self.end_s = 0.0
        self._stream = stream

    def probe(self, on_packet: Callable[[], None]) -> MediaInfo:
        """Wait for its start. Its length is infinite: nobody knows it."""
        width_px, height_px = self._stream.wait()
        video, audio = self._stream.has_video, self._stream.has_audio
        return MediaInfo(
            path=self.path,
            duration_s=math.inf,
            has_video=video,
            has_audio=audio,
            fps=self._stream.fps,
            width_px=width_px,
            height_px=height_px,
            video_duration_s=math.inf if video else 0.0,
            audio_duration_s=math.inf if audio else 0.0,
        )

    def frames(self, step_s: float, start_s: float, on_packet: Callable[[], None] = do_nothing) -> Iterator[Frame]:
        """Sample the pictures as they arrive."""
        return self._stream.frames(step_s, start_s)

    def sound(self, on_packet: Callable[[], None] = do_nothing) -> Iterator[NDArray[np.float32]]:
        """Yield the sound."""
        # When the sound is first asked for, the first picture has come, and with it the time 0.
        yield from place_sound(self._stream.sound_frames(), self._stream.origin_s)

    def is_late(self, end_s: float) -> bool:
        """Whether a window is to be skipped, so that the delay stays bounded."""
        self.end_s = end_s
        is_late = not self._stream.is_stopped and self._stream.delay_s(end_s) > self._stream.max_delay_s
        self.num_skipped += is_late
        return is_late


class LivePrediction:
    """A prediction that is going on. Iterate over it for the windows; then, or at any time, `finish` it.

        with predict_live(sys.stdin.buffer, predictor) as live:
            for each in live:
                print(each.track, each.window.scores.label, each.delay_s)
        result = live.finish()

    Args:
        predictor: the model and its settings.
        stream: the stream; not entered.

    Attributes:
        settings: of the prediction, as they go into its document.
    """

    def __init__(self, predictor: Predictor, stream: LiveStream) -> None:
        self._predictor, self._stream = predictor, stream
        self.settings = predictor.settings
        self._source = LiveSource(stream)
        self._decided: queue.Queue[LiveWindow | None] = queue.Queue()
        self._result: FileResult | None = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"prediction of {stream.name}")
        stream.__enter__()
        self._thread.start()

    def __iter__(self) -> Iterator[LiveWindow]:
        """Yield windows as soon as they are decided, until the stream ends or is stopped.

        Raises:
            Exception: what the prediction raises.
        """
        while True:
            try:
                # A wait without a limit could not be interrupted on Windows.
                window = self._decided.get(timeout=_WAKE_S)
            except queue.Empty:
                continue
            if window is None:
                break
            yield window
        self.finish()

    def stop(self) -> None:
        """End the stream here: the windows so far are the result."""
        self._stream.stop()

    def finish(self) -> FileResult:
        """Stop if it still goes on, and return the result so far, as for a file.

        Raises:
            Exception: what the prediction raised.
        """
        self.stop()
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        assert self._result is not None, "the thread has ended without a fault"
        return self._result

    def __enter__(self) -> LivePrediction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            result = self._predictor.predict(self._source, on_windows=self._pass_on)
            self._result = self._describe(result)
        except BaseException as error:
            self._fault = error
        finally:
            self._stream.__exit__(None, None, None)
            self._decided.put(None)

    def _pass_on(self, windows: Mapping[int, Window]) -> None:
        for track, window in windows.items():
            self._decided.put(LiveWindow(track, window, max(0.0, self._stream.delay_s(window.end_s))))

    def _describe(self, result: FileResult) -> FileResult:
        """Add what is known at the end: the length, and what was dropped."""
        if result.status == "error" and not self._source.end_s:
            return result
        dropped, skipped = self._stream.num_dropped, self._source.num_skipped
        note = ""
        if dropped or skipped:
            note = (
                f"slower than the stream: {dropped} sampled pictures and {skipped} windows were dropped to keep the "
                f"delay below {self._stream.max_delay_s:g} s; fewer faces or a longer hop need less time"
            )
        message = "; ".join(filter(None, (result.message, note)))
        return replace(result, duration_s=self._source.end_s, message=message)


def predict_live(source: BinaryIO | int, predictor: Predictor, *, max_delay_s: float = MAX_DELAY_S) -> LivePrediction:
    """Predict a stream while it arrives, from now on.

    Who speaks is not tested, since that needs the sound after a window: everybody in view gets the sound.

    Args:
        source: an open binary stream, such as ``sys.stdin.buffer``, with content that can be read without seeking
            (MPEG-TS, Matroska, WAV); or the number of a camera, 0 for the first one.
        predictor: the model and its settings.
        max_delay_s: pictures and windows that are older than this, in seconds, are dropped.

    Returns:
        The prediction, which goes on in threads of its own. What cannot be read is a result with status ``error``.

    Raises:
        SettingsError: ``max_delay_s`` is not positive, or a number that no camera has.
    """
    predictor = copy(predictor)
    settings = predictor.settings = replace(predictor.settings, sound="shared")
    if not 0 < max_delay_s <= 60:
        raise SettingsError(f"max_delay_s={max_delay_s!r}: expected more than 0 and at most 60 seconds")
    if isinstance(source, int):
        if not 0 <= source < _MAX_CAMERAS:
            raise SettingsError(f"camera={source!r}: expected 0 for the first camera, 1 for the second")
        name, feed = f"camera-{source}", feed_from_camera(source)
    else:
        name = "stdin" if getattr(source, "name", None) == "<stdin>" else "stream"
        feed = feed_from_pipe(source, video=settings.modality != "audio", audio=settings.modality != "video")
    return LivePrediction(predictor, LiveStream(feed, name, max_delay_s))
