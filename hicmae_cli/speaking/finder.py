"""Find who speaks in one pass over pictures and sound, with constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.face import Face
from hicmae_cli.media import Frame
from hicmae_cli.speaking.decide import START_SYNC, SpeakerJudge
from hicmae_cli.speaking.mouths import MAX_STEP_S, MouthReader, MouthReading
from hicmae_cli.speaking.sync import measure_sync
from hicmae_cli.speaking.voice import FRAME_S, VoiceMeter

MIN_VOICE: Final = 0.1
"""Smallest share of a window's time with a voice for which the window has one: a quarter of a second of 2.56."""
CONTEXT_S: Final = 0.64
"""Time before and after a window that helps to decide who speaks in it."""
REACH_S: Final = 1.0
"""Mouths are read in pictures this close to a voice; the sound must be heard this far ahead of the pictures."""
MIN_PICTURES_PER_S: Final = 8.0
"""With fewer different pictures per second, lips cannot be followed, and a bad fit means nothing."""
MAX_MOUTHS: Final = 8
"""Of more faces in a picture, only the mouths of the largest are read, which bounds the time; the others are unsure."""

# They are held until the search after the next, which bounds the memory; a face may move far in more than 0.4 s.
_MAX_PICTURES_PER_STEP: Final = 8
# Without a reading for longer, the mouth is not known.
_MAX_GAP_S: Final = 0.1


@dataclass(frozen=True)
class Hearing:
    """What is heard in a window.

    Attributes:
        voice: share of its time with a voice.
        speakers: ``yes``, ``no`` or ``unsure`` for each person.
    """

    voice: float
    speakers: dict[int, str]

    @property
    def has_voice(self) -> bool:
        """Whether there is enough of a voice to judge it."""
        return self.voice >= MIN_VOICE

    def is_voice_of(self, track: int | None) -> bool:
        """Whether the voice is taken for this person's.

        It is the speaker's; or, of one who may speak, if all others certainly do not.

        Args:
            track: the person; None if nobody is visible.
        """
        if not self.has_voice:
            return False
        if track is None or self.speakers[track] == "yes":
            return True
        others = (answer for each, answer in self.speakers.items() if each != track)
        return self.speakers[track] == "unsure" and all(answer == "no" for answer in others)


class SpeakerFinder:
    """Hears voices, reads mouths, and compares them.

    Mouths are read in a thread of their own, while the caller searches the next picture for faces.

    Args:
        start_s: start of the wanted part of the input.
        step_s: time between two pictures in which faces are searched.
        measure: makes a context for a stage of the work, to measure its time: ``speaker`` while that thread reads
            mouths, None while the caller waits for it.

    Attributes:
        voice: measures the sound; pass it every block.
        pictures_per_step: pictures to pass for each one with a search, that one included; 1 if faces are searched too
            rarely to know where they are in between.

    Raises:
        WeightsError: a model file is missing or damaged.
    """

    def __init__(
        self,
        start_s: float,
        step_s: float,
        measure: Callable[[str | None], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self.voice = VoiceMeter(start_s)
        pictures = max(1, int(np.ceil(step_s / MAX_STEP_S - 1e-6)))
        self.pictures_per_step = pictures if pictures <= _MAX_PICTURES_PER_STEP else 1
        self._mouths = MouthReader()
        self._measure = measure
        self._thread = ThreadPoolExecutor(1, "mouths")
        self._reading: Future[list[MouthReading]] | None = None
        self._held: list[Frame] = []
        self._readings: dict[int, deque[MouthReading]] = {}
        self._judge = SpeakerJudge()

    def add_picture(self, frame: Frame) -> None:
        """Add a picture in which no faces were searched."""
        self._held.append(frame)

    def add_faces(self, frame: Frame, linked: Sequence[tuple[int, Face]]) -> None:
        """Add a picture with its faces and their tracks; the sound must have been heard until `REACH_S` later."""
        # The thread holds the pictures of one search, the caller those of the next: more would fill the memory.
        self.wait()
        held, self._held = self._held, []
        if self.voice.measure_share(frame.time_s - REACH_S, frame.time_s + REACH_S) > 0:
            nearest = sorted(linked, key=lambda pair: -pair[1].size_px)[:MAX_MOUTHS]
            self._reading = self._thread.submit(self._read_mouths, held, frame, nearest)
        else:
            self._mouths.skip(linked)

    def close(self) -> None:
        """Stop reading mouths."""
        self._thread.shutdown(cancel_futures=True)

    def _read_mouths(
        self, between: Sequence[Frame], frame: Frame, linked: Sequence[tuple[int, Face]]
    ) -> list[MouthReading]:
        with self._measure("speaker"):
            return self._mouths.read(between, frame, linked)

    def wait(self) -> None:
        """Wait for the mouths that are being read; `judge` and `add_faces` do so, too."""
        if self._reading is not None:
            reading, self._reading = self._reading, None
            with self._measure(None):
                found = reading.result()
            self.add_readings(found)

    def add_readings(self, readings: Iterable[MouthReading]) -> None:
        """Add readings of mouths, in order of time; `add_faces` calls it."""
        for reading in readings:
            self._readings.setdefault(reading.track, deque()).append(reading)

    def judge(self, start_s: float, end_s: float, tracks: Sequence[int]) -> Hearing:
        """Decide who speaks in a window; call it for each window, in order of time.

        Args:
            start_s: start of the window. Pictures and sound must have been added until `CONTEXT_S` after its end.
            end_s: end of the window.
            tracks: the people in it.
        """
        self.wait()
        since_s = max(0.0, start_s - CONTEXT_S)
        self._drop_before(since_s)
        voice = self.voice.measure_share(start_s, end_s)
        if voice < MIN_VOICE:
            return Hearing(voice, self._judge.hear_nothing(tracks))
        first, last = round(since_s / FRAME_S), round((end_s + CONTEXT_S) / FRAME_S)
        levels_db = self.voice.cut_levels(first, last)
        times_s = (np.arange(first, last) + 0.5) * FRAME_S
        syncs = {track: _compare(self._readings.get(track, ()), times_s, levels_db) for track in tracks}
        return Hearing(voice, self._judge.judge(syncs))

    def _drop_before(self, time_s: float) -> None:
        self.voice.drop_before(time_s)
        for track in list(self._readings):
            readings = self._readings[track]
            while readings and readings[0].time_s < time_s:
                readings.popleft()
            if not readings:
                del self._readings[track]


def _compare(
    readings: Iterable[MouthReading], times_s: NDArray[np.floating], levels_db: NDArray[np.float32]
) -> float | None:
    """Measure how well a mouth fits the sound; None if it could not be followed."""
    readings = [reading for reading in readings if reading.time_s <= times_s[-1] + _MAX_GAP_S]
    if len(readings) < 2:
        return None
    known_s = np.array([reading.time_s for reading in readings])
    openings = np.interp(times_s, known_s, [reading.opening for reading in readings])
    after = np.searchsorted(known_s, times_s).clip(1, len(known_s) - 1)
    is_between = (known_s[0] <= times_s) & (times_s <= known_s[-1])
    is_known = is_between & (known_s[after] - known_s[after - 1] <= _MAX_GAP_S)
    sync = measure_sync(np.where(is_known, openings, np.nan).astype(np.float32), levels_db)
    num_pictures = len({reading.picture for reading in readings})
    if sync is not None and sync < START_SYNC and num_pictures < MIN_PICTURES_PER_S * is_known.sum() * FRAME_S:
        return None
    return sync
