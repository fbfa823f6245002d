"""Measures of one person in one stretch of time, from the person's timeline.

All of them follow from the timeline's numbers p(t): at a moment t, the mean of the windows that cover it. They change
only where a window starts or ends, so every integral here is a finite sum and nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.runtime.results import Track
from hicmae_cli.timeline import Timeline

# Times are exact to the millisecond; less is the rounding of binary fractions.
_NOTHING_S: Final = 1e-6


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: which; see ``docs/summarize.md``.
        label: the label or target; empty for a measure of the person.
        value: its value; None where it is undefined, as the onset of a label that never is the most probable one.
    """

    name: str
    label: str
    value: float | None


@dataclass(frozen=True)
class Part:
    """The part of a timeline that is in a stretch of time; of its C labels and the H pieces with numbers.

    Attributes:
        timeline: the timeline.
        start_s: start of the stretch.
        end_s: its end.
        starts_s: start of each piece (H,), within the stretch.
        lengths_s: its length (H,).
        means: its numbers (H, C).
    """

    timeline: Timeline
    start_s: float
    end_s: float
    starts_s: NDArray[np.float64]
    lengths_s: NDArray[np.float64]
    means: NDArray[np.float64]

    @property
    def covered_s(self) -> float:
        """Time with numbers."""
        return float(self.lengths_s.sum())

    @property
    def coverage(self) -> float:
        """Share of the stretch with numbers, 0 to 1."""
        length_s = self.end_s - self.start_s
        return min(1.0, self.covered_s / length_s) if length_s > 0 else 0.0


def cut_part(timeline: Timeline, start_s: float, end_s: float) -> Part:
    """Cut the part of a timeline between two times."""
    edges_s = timeline.edges_s
    starts_s = np.maximum(edges_s[:-1], start_s)
    lengths_s = np.minimum(edges_s[1:], end_s) - starts_s
    kept = (lengths_s > _NOTHING_S) & ~np.isnan(timeline.means[:, 0])
    return Part(timeline, start_s, end_s, starts_s[kept], lengths_s[kept], timeline.means[kept])


def average(parts: Sequence[Part]) -> NDArray[np.float64] | None:
    """Average p(t) over the time with numbers of some parts -> (C,); None without any."""
    total_s = sum(part.covered_s for part in parts)
    if total_s == 0:
        return None
    means: NDArray[np.float64] = sum((part.lengths_s @ part.means for part in parts), np.zeros(1)) / total_s
    return means


def count_windows(track: Track, start_s: float, end_s: float) -> int:
    """Count the windows that are at least partly between two times."""
    return sum(_overlap_s(w.start_s, w.end_s, start_s, end_s) > _NOTHING_S for w in track.windows)


def measure(part: Part, track: Track) -> Iterator[Measure]:
    """Measure a part of the timeline of a track; without the change from a baseline."""
    yield Measure("coverage", "", part.coverage)
    if (speaking_s := _measure_speaking(part, track)) is not None:
        yield Measure("speaking_s", "", speaking_s)
    names, is_regression = part.timeline.names, part.timeline.task == "regression"
    means = average([part])
    for index, name in enumerate(names):
        yield Measure("mean", name, None if means is None else float(means[index]))
    for index, name in enumerate(names):
        yield from _measure_extreme(part, name, part.means[:, index], "peak")
        if is_regression:
            yield from _measure_extreme(part, name, -part.means[:, index], "trough")
    if not is_regression:
        yield from _measure_labels(part)


def measure_change(part: Part, baseline: Sequence[Part]) -> Iterator[Measure]:
    """Measure how much the means of a part differ from those of a baseline."""
    means, base = average([part]), average(baseline)
    for index, name in enumerate(part.timeline.names):
        yield Measure("change", name, None if means is None or base is None else float(means[index] - base[index]))


def _measure_extreme(part: Part, name: str, numbers: NDArray[np.float64], kind: str) -> Iterator[Measure]:
    """Measure the largest number, and when: in the middle of the first piece with it, since the stretch's start."""
    at = int(numbers.argmax()) if len(numbers) else None
    sign = -1 if kind == "trough" else 1
    value = None if at is None else sign * float(numbers[at])
    time_s = None if at is None else float(part.starts_s[at] + part.lengths_s[at] / 2 - part.start_s)
    yield Measure(kind, name, value)
    yield Measure(f"{kind}_s", name, time_s)


def _measure_labels(part: Part) -> Iterator[Measure]:
    """Measure for how much of the stretch each label is the predicted one, and when it first is."""
    length_s = part.end_s - part.start_s
    found = [
        (episode.labels, max(episode.start_s, part.start_s), overlap_s)
        for episode in part.timeline.episodes
        if (overlap_s := _overlap_s(episode.start_s, episode.end_s, part.start_s, part.end_s)) > _NOTHING_S
    ]
    for name in part.timeline.names:
        share = sum(overlap_s for labels, _, overlap_s in found if name in labels) / length_s if length_s else 0.0
        yield Measure("share", name, share if part.covered_s else None)
    for name in part.timeline.names:
        onsets_s = [start_s - part.start_s for labels, start_s, _ in found if name in labels]
        yield Measure("onset_s", name, min(onsets_s, default=None))


def _measure_speaking(part: Part, track: Track) -> float | None:
    """Measure the time that a person speaks; None where no window was tested for it."""
    tested = any(
        window.speaker is not None and _overlap_s(window.start_s, window.end_s, part.start_s, part.end_s) > _NOTHING_S
        for window in track.windows
    )
    if not tested:
        return None
    turns = part.timeline.turns or ()
    return sum(_overlap_s(turn.start_s, turn.end_s, part.start_s, part.end_s) for turn in turns)


def _overlap_s(start_s: float, end_s: float, from_s: float, to_s: float) -> float:
    return max(0.0, min(end_s, to_s) - max(start_s, from_s))
