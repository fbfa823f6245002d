"""Where the time of a prediction goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        stages: seconds by stage.
        total_s: all seconds, those outside the stages included.
    """

    stages: Mapping[str, float]
    total_s: float

    @property
    def rest_s(self) -> float:
        """Seconds outside the stages."""
        return max(0.0, self.total_s - sum(self.stages.values()))

    @property
    def rest_share(self) -> float:
        """Share of the seconds that is outside the stages, 0 to 1."""
        return self.rest_s / self.total_s if self.total_s else 0.0

    @classmethod
    def sum(cls, parts: Sequence[Timings]) -> Timings:
        """Add up the timings of several inputs."""
        names = dict.fromkeys((*STAGES, *(name for part in parts for name in part.stages)))
        stages = {name: sum(part.stages.get(name, 0.0) for part in parts) for name in names}
        return cls(stages, sum(part.total_s for part in parts))

    def to_dict(self) -> dict[str, float]:
        """Return the seconds as in the JSON document: ``decode_s`` … ``rest_s``, ``total_s``."""
        numbers = {**self.stages, "rest": self.rest_s, "total": self.total_s}
        return {f"{name}_s": round(seconds, 4) for name, seconds in numbers.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Timings:
        """Read what `to_dict` wrote."""
        seconds = {name.removesuffix("_s"): float(number) for name, number in fields.items()}
        total_s = seconds.pop("total")
        return cls({name: number for name, number in seconds.items() if name != "rest"}, total_s)


@dataclass
class StageClock:
    """Adds up the seconds of each stage. Of stages inside each other, the inner one counts.

    It takes a microsecond per stage, so it always runs.
    """

    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _running: list[str] = field(default_factory=list)
    _began_s: float = field(default_factory=time.perf_counter)
    _since_s: float = 0.0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the seconds of a block for a stage."""
        self._turn()
        self._running.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

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
        return Timings(dict(self._seconds), time.perf_counter() - self._began_s)

    def _turn(self) -> None:
        """Count the seconds since the last turn for the stage that runs."""
        now_s = time.perf_counter()
        if self._running:
            stage = self._running[-1]
            self._seconds[stage] = self._seconds.get(stage, 0.0) + now_s - self._since_s
        self._since_s = now_s


def sum_timings(files: Iterable[FileResult], call: Timings, jobs: int = 1) -> Timings:
    """Add up the timings of a whole call.

    Args:
        files: its results.
        call: what was measured around them.
        jobs: number of processes; each of them had the seconds of the call.
    """
    parts = [file.timings for file in files if file.timings is not None]
    stages = Timings.sum([*parts, call]).stages
    return Timings(stages, call.total_s * jobs)
