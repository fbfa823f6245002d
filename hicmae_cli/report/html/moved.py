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
    """What each part of the sound moved, as the mean over the windows at each time.

    Attributes:
        edges_s: bounds of equal stretches of time (B + 1,).
        numbers: (R, B), rows from the highest pitch; NaN where no window has sound.
    """

    edges_s: NDArray[np.float64]
    numbers: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PersonMoved:
    """What moved the answers of one person.

    Attributes:
        person: the person.
        labels: means of each label or target, those of the most windows first.
        windows: some windows, in order of time.
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
            chosen = np.unique(
                np.linspace(0, len(explained) - 1, min(_MOST_WINDOWS, len(explained))).round().astype(int)
            )
            shown = [_average([explained[at]], [1.0]) for at in chosen.tolist()]
            found.append(PersonMoved(person, _average_labels(person, explained), shown, _average_sound(explained)))
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


def _average_sound(explained: Sequence[Window]) -> SoundMoved | None:
    """Average the maps of the sound at each time over the windows that cover it."""
    maps = [
        (window, np.array(window.explanation.voice_map))
        for window in explained
        if window.explanation is not None and window.explanation.voice_map is not None
    ]
    maps = [(window, grid) for window, grid in maps if grid.shape == maps[0][1].shape]
    if not maps:
        return None
    start_s, end_s = min(window.start_s for window, _ in maps), max(window.end_s for window, _ in maps)
    count = int(np.clip(round((end_s - start_s) / _SHORTEST_BIN_S), 1, _MOST_BINS))
    edges_s = np.linspace(start_s, end_s, count + 1)
    middles_s = (edges_s[1:] + edges_s[:-1]) / 2
    rows, columns = maps[0][1].shape
    totals, counts = np.zeros((rows, count)), np.zeros(count)
    for window, grid in maps:
        first, last = np.searchsorted(middles_s, [window.start_s, window.end_s])
        at = (middles_s[first:last] - window.start_s) / (window.end_s - window.start_s) * columns
        totals[:, first:last] += grid[:, np.minimum(at.astype(int), columns - 1)]
        counts[first:last] += 1
    with np.errstate(invalid="ignore"):
        return SoundMoved(edges_s, totals / counts)
