"""Where the time of a prediction goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock, local
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from hicmae_cli.runtime.results import FileResult

ItemT = TypeVar("ItemT")

STAGES: Final = ("decode", "faces", "speaker", "model")
"""Reading and decoding; finding, linking and aligning faces; lips and voices; spectrograms and the model."""
_END: Final = object()


@dataclass(frozen=True)
class Timings:
    """Seconds of an input, or of several together.

    Attributes:
        stages: seconds by stage. Stages overlap: a video is read while the model runs.
        total_s: all seconds, those outside the stages included.
        busy_s: seconds in which at least one stage ran; None if stages did not overlap.
    """

    stages: Mapping[str, float]
    total_s: float
    busy_s: float | None = None

    @property
    def rest_s(self) -> float:
        """Seconds outside the stages."""
        busy_s = sum(self.stages.values()) if self.busy_s is None else self.busy_s
        return max(0.0, self.total_s - busy_s)

    @property
    def rest_share(self) -> float:
        """Share of the seconds that is outside the stages, 0 to 1."""
        return self.rest_s / self.total_s if self.total_s else 0.0

    @classmethod
    def sum(cls, parts: Sequence[Timings]) -> Timings:
        """Add up the timings of several inputs."""
        names = dict.fromkeys((*STAGES, *(name for part in parts for name in part.stages)))
        stages = {name: sum(part.stages.get(name, 0.0) for part in parts) for name in names}
        total_s = sum(part.total_s for part in parts)
        return cls(stages, total_s, sum(part.total_s - part.rest_s for part in parts))

    def to_dict(self) -> dict[str, float]:
        """Return the seconds as in the JSON document: ``decode_s`` … ``rest_s``, ``total_s``."""
        numbers = {**self.stages, "rest": self.rest_s, "total": self.total_s}
        return {f"{name}_s": round(seconds, 4) for name, seconds in numbers.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Timings:
        """Read what `to_dict` wrote."""
        seconds = {name.removesuffix("_s"): float(number) for name, number in fields.items()}
        total_s, rest_s = seconds.pop("total"), seconds.pop("rest", 0.0)
        return cls(seconds, total_s, total_s - rest_s)


class StageClock:
    """Adds up the seconds of each stage. Of stages inside each other, the inner one counts.

    Several threads may use it at once; their stages overlap. It takes some microseconds per stage, so it always runs.
    """

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._own = _OwnStages()
        self._lock = Lock()
        self._running = 0  # threads in a stage
        self._busy_s = 0.0
        self._began_s = self._since_s = time.perf_counter()

    @contextmanager
    def measure(self, stage: str | None) -> Iterator[None]:
        """Count the seconds of a block for a stage; for none, if it waits for another thread."""
        own = self._own
        self._turn(1 if not own.stages else 0)
        own.stages.append(stage)
        try:
            yield
        finally:
            self._turn(-1 if len(own.stages) == 1 else 0)
            own.stages.pop()

    def each(self, stage: str, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Yield items, and count the seconds in which they are made for a stage."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]

    def read(self) -> Timings:
        """Return the seconds so far."""
        self._turn(0)
        return Timings(dict(self._seconds), time.perf_counter() - self._began_s, self._busy_s)

    def _turn(self, entering: int) -> None:
        """Count the seconds since the last turn of this thread for its stage, and those since the last turn of any.

        Args:
            entering: 1 if this thread enters its first stage, -1 if it leaves its last one.
        """
        own = self._own
        with self._lock:
            now_s = time.perf_counter()
            if own.stages and (stage := own.stages[-1]) is not None:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + now_s - own.since_s
            own.since_s = now_s
            if self._running:
                self._busy_s += now_s - self._since_s
            self._since_s = now_s
            self._running += entering


class _OwnStages(local):
    """The stages of one thread that are inside each other, and when it last turned from one to another."""

    def __init__(self) -> None:
        self.stages: list[str | None] = []
        self.since_s = 0.0


def sum_timings(files: Iterable[FileResult], call: Timings, jobs: int = 1) -> Timings:
    """Add up the timings of a whole call.

    Args:
        files: its results.
        call: what was measured around them.
        jobs: number of processes; each of them had the seconds of the call.
    """
    parts = [file.timings for file in files if file.timings is not None]
    return replace(Timings.sum([*parts, call]), total_s=call.total_s * jobs)
