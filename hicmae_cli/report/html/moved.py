"""What moved the answers of a person, in numbers: for each label, in single windows, and in the sound over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.report.html.person import Person
from hicmae_cli.runtime.explanation import Grid
from hicmae_cli.runtime.outputs import Window

_MOST_LABELS: Final = 3
"""Labels of a person that are shown, those of the most windows."""
_MOST_WINDOWS: Final = 8
"""Single windows of a person that are shown."""
_MOST_BINS: Final = 300
"""Columns of the map of the whole sound."""
_SHORTEST_BIN_S: Final = 0.08


@dataclass(frozen=True, eq=False)
class Moved:
    """What moved one label or target of a person, as means or in one window.

    Attributes:
        name: of the label or target.
        count: number of windows.
        effects: of ``face`` and ``voice`` over time, where the windows have both.
        face_map: (R, C); None without a face.
        voice_map: (R, C); None without sound.
        start_s: start of its first window.
        window_s: length of its windows.
    """

    name: str
    count: int
    effects: dict[str, float]
    face_map: NDArray[np.float64] | None
    voice_map: NDArray[np.float64] | None
    start_s: float
    window_s: float

    @property
    def strongest(self) -> float:
        """The largest absolute number of its maps."""
        return max(
            (float(np.abs(each).max()) for each in (self.face_map, self.voice_map) if each is not None), default=0
        )


@dataclass(frozen=True, eq=False)
class SoundMoved:
    """How much each part of the sound moved the label that the timeline shows, or the target of a regression.

    A part is a stretch of time and of pitch. Its number is the mean over the windows that explain this label, weighed
    by how much of the stretch they cover.

    Attributes:
        edges_s: bounds of equal stretches of time (B + 1,).
        numbers: (R, B), rows from the highest pitch; NaN where no such window has sound. One is known at least.
    """

    edges_s: NDArray[np.float64]
    numbers: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PersonMoved:
    """What moved the answers of one person.

    Attributes:
        person: the person.
        labels: means of each label or target, those of the most windows first.
        windows: some windows, evenly spaced, in order of time; none if there is only one.
        sound: the sound over time; None if no window has any.
    """

    person: Person
    labels: Sequence[Moved]
    windows: Sequence[Moved]
    sound: SoundMoved | None

    @property
    def strongest(self) -> float:
        """The largest absolute number of all maps."""
        heard = 0.0 if self.sound is None else float(np.nanmax(np.abs(self.sound.numbers)))
        return max(heard, *(each.strongest for each in (*self.labels, *self.windows)))


def measure_moved(people: Sequence[Person]) -> list[PersonMoved]:
    """Measure what moved the answers of each person whose prediction was explained."""
    found = []
    for person in people:
        explained = [window for window in person.track.windows if window.explanation is not None]
        if explained:
            places = np.linspace(0, len(explained) - 1, min(_MOST_WINDOWS, len(explained))).round().astype(int)
            shown = [_average([explained[at]], [1.0]) for at in places.tolist()] if len(explained) > 1 else []
            sound = _average_sound(person, explained)
            found.append(PersonMoved(person, _average_labels(person, explained), shown, sound))
    return found


def _average_labels(person: Person, explained: Sequence[Window]) -> list[Moved]:
    """Average the explanations of a person for each label."""
    seconds: dict[tuple[float, float], float] = defaultdict(float)  # for which the timeline shows a window
    for window, length_s in zip(person.stretches.windows, np.diff(person.stretches.edges_s).tolist(), strict=True):
        if window is not None:
            seconds[window.start_s, window.end_s] += length_s
    by_name: dict[str, list[Window]] = defaultdict(list)
    for window in explained:
        assert window.explanation is not None
        by_name[window.explanation.name].append(window)
    most = sorted(by_name.values(), key=lambda windows: -len(windows))[:_MOST_LABELS]
    return [_average(windows, [seconds[w.start_s, w.end_s] for w in windows]) for windows in most]


def _average(windows: Sequence[Window], weights: Sequence[float]) -> Moved:
    """Average windows that explain the same label; ``weights`` are for the effects of the streams."""
    each = [window.explanation for window in windows if window.explanation is not None]
    streams = {"face": [e.face for e in each], "voice": [e.voice for e in each]}
    means = {stream: _weigh(numbers, weights) for stream, numbers in streams.items()}
    effects = {stream: mean for stream, mean in means.items() if mean is not None}
    maps = _average_grids([e.face_map for e in each]), _average_grids([e.voice_map for e in each])
    first = windows[0]
    return Moved(each[0].name, len(windows), effects, *maps, first.start_s, first.end_s - first.start_s)


def _weigh(numbers: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Average the numbers that are known over time, as the timeline does; None without any."""
    known = [(n, weight) for n, weight in zip(numbers, weights, strict=True) if n is not None and weight > 0]
    total = sum(weight for _, weight in known)
    return sum(n * weight for n, weight in known) / total if known else None


def _average_grids(grids: Sequence[Grid | None]) -> NDArray[np.float64] | None:
    known = [np.array(grid) for grid in grids if grid is not None]
    # One method gives maps of one shape; a document from elsewhere may have others.
    return np.mean([grid for grid in known if grid.shape == known[0].shape], axis=0) if known else None


def _average_sound(person: Person, explained: Sequence[Window]) -> SoundMoved | None:
    """Average the maps of the sound over time; None without any that explains what the timeline shows."""
    maps = [
        (window.start_s, window.end_s, window.explanation.name, np.array(window.explanation.voice_map))
        for window in explained
        if window.explanation is not None and window.explanation.voice_map is not None
    ]
    maps = [each for each in maps if each[3].shape == maps[0][3].shape]
    if not maps:
        return None
    start_s, end_s = min(each[0] for each in maps), max(each[1] for each in maps)
    count = int(np.clip(round((end_s - start_s) / _SHORTEST_BIN_S), 1, _MOST_BINS))
    edges_s = np.linspace(start_s, end_s, count + 1)
    totals, weights = np.zeros((len(maps[0][3]), count)), np.zeros(count)  # weights are seconds
    for from_s, to_s, name, grid in maps:
        first, last = np.searchsorted(edges_s, from_s, "right") - 1, np.searchsorted(edges_s, to_s)
        bounds_s = np.linspace(from_s, to_s, grid.shape[1] + 1)
        ends_s = np.minimum(edges_s[first + 1 : last + 1, None], bounds_s[1:])
        overlaps_s = np.maximum(0, ends_s - np.maximum(edges_s[first:last, None], bounds_s[:-1]))  # (bins, columns)
        overlaps_s *= [_shows(person, name, time_s) for time_s in ((bounds_s[1:] + bounds_s[:-1]) / 2).tolist()]
        totals[:, first:last] += grid @ overlaps_s.T
        weights[first:last] += overlaps_s.sum(axis=1)
    if not weights.any():
        return None
    with np.errstate(invalid="ignore"):
        return SoundMoved(edges_s, totals / weights)


def _shows(person: Person, name: str, time_s: float) -> bool:
    """Whether the timeline shows a label at a moment. A regression has no labels, and shows its targets always."""
    if person.timeline.task == "regression":
        return True
    episode = person.timeline.episode_at(time_s)
    return episode is not None and name in episode.labels
