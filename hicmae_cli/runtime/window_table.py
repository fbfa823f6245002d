"""The windows of a track in arrays, which take a quarter of the memory of as many objects."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.outputs import SPEAKERS, FaceBox, Scores, Window
from hicmae_cli.tasks import Kind

_SPEAKERS: Final = (None, *SPEAKERS)
_BOX_NUMBERS: Final = 5
_COLUMNS: Final = 4  # of a window, before its outputs: start, end, coverage and voice


class WindowTable(Sequence[Window]):
    """Windows that are kept as numbers, and made anew, equal to the last bit, each time that they are read.

    An hour of two people has 11,000 windows and 45,000 boxes: 20 MB as objects, 4 MB here (without explanations, which
    stay objects). They are pickled as arrays, too; pickle takes as much again for its notes on objects. Whoever needs
    one number of each window reads a column, which makes no window.

    Args:
        windows: to start with.

    Attributes:
        names: labels or targets of all windows, in the order of the first one; none of an empty table.
        task: what the outputs are.

    Raises:
        ValueError: a window has other outputs, or another number of features, than those before it.
    """

    def __init__(self, windows: Iterable[Window] = ()) -> None:
        self.names: tuple[str, ...] = ()
        self.task: Kind = "classification"
        self._num_features = 0
        self._numbers = array("d")  # of each window: start, end, coverage, voice (NaN for None), outputs, features
        self._codes = array("B")  # of each window: places of its modality and its speaker
        self._boxes = array("d")  # each once, though neighbouring windows share theirs
        self._box_places = array("i")  # of the boxes of all windows, one window after the other
        self._box_ends = array("i", [0])  # of the boxes of each window, in the places
        self._explanations: dict[int, Explanation] = {}
        self._latest: dict[FaceBox, int] = {}  # places of the last window's boxes
        for window in windows:
            self.append(window)

    def append(self, window: Window) -> None:
        """Add a window at the end."""
        scores = window.scores
        if not self:
            self.names, self.task, self._num_features = tuple(scores.by_name), scores.task, len(window.features)
        if scores.task != self.task:
            raise ValueError(f"window at {window.start_s} s: a {scores.task}, before it a {self.task}")
        if scores.by_name.keys() != set(self.names):
            names = ", ".join(self.names)
            raise ValueError(f"window at {window.start_s} s: labels {', '.join(scores.by_name)}, before it {names}")
        if len(window.features) != self._num_features:
            number = len(window.features)
            raise ValueError(f"window at {window.start_s} s: {number} features, before it {self._num_features}")
        if window.explanation is not None:
            self._explanations[len(self)] = window.explanation
        voice = math.nan if window.voice is None else window.voice
        places = {box: self._latest[box] if box in self._latest else self._add_box(box) for box in window.boxes}
        self._box_places.extend(map(places.__getitem__, window.boxes))
        self._box_ends.append(len(self._box_places))
        self._latest = places
        self._numbers.extend((window.start_s, window.end_s, window.face_coverage, voice))
        self._numbers.extend(map(scores.by_name.__getitem__, self.names))
        self._numbers.extend(window.features)
        self._codes.extend((MODALITIES.index(window.modality), _SPEAKERS.index(window.speaker)))

    def _add_box(self, box: FaceBox) -> int:
        self._boxes.extend((box.time_s, box.x_px, box.y_px, box.width_px, box.height_px))
        return len(self._boxes) // _BOX_NUMBERS - 1

    @property
    def spans_s(self) -> NDArray[np.float64]:
        """Start and end of each window (W, 2)."""
        return self._columns[:, :2].copy()

    @property
    def outputs(self) -> NDArray[np.float64]:
        """The scores (W, C), in the order of ``names``."""
        return self._columns[:, _COLUMNS : _COLUMNS + len(self.names)].copy()

    @property
    def modalities(self) -> list[str]:
        """The streams that each window got."""
        return [MODALITIES[code] for code in self._codes[::2]]

    @property
    def speakers(self) -> list[str | None]:
        """Whether the person speaks in each window; None if it was not tested."""
        return [_SPEAKERS[code] for code in self._codes[1::2]]

    @property
    def _columns(self) -> NDArray[np.float64]:
        """A view on the numbers (W, columns). No window can be added as long as it is alive."""
        flat = np.frombuffer(self._numbers) if self else np.zeros(0)  # there is no view on nothing
        return flat.reshape(len(self), self._width)

    @property
    def _width(self) -> int:
        """Numbers of one window."""
        return _COLUMNS + len(self.names) + self._num_features

    def __len__(self) -> int:
        return len(self._box_ends) - 1

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Window, ...]: ...

    def __getitem__(self, index: int | slice) -> Window | tuple[Window, ...]:
        at = range(len(self))[index]
        return self._make(at) if isinstance(at, int) else tuple(map(self._make, at))

    def __iter__(self) -> Iterator[Window]:
        return map(self._make, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == each for mine, each in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> WindowTable:
        return WindowTable(self)

    def __repr__(self) -> str:
        return f"<WindowTable of {len(self)}>"

    def _make(self, at: int) -> Window:
        start_s, end_s, coverage, voice, *numbers = self._numbers[at * self._width : (at + 1) * self._width]
        modality, speaker = self._codes[2 * at : 2 * at + 2]
        places = self._box_places[self._box_ends[at] : self._box_ends[at + 1]]
        return Window(
            start_s,
            end_s,
            Scores(dict(zip(self.names, numbers, strict=False)), self.task),
            coverage,
            MODALITIES[modality],
            tuple(FaceBox(*self._boxes[_BOX_NUMBERS * at : _BOX_NUMBERS * (at + 1)]) for at in places),
            None if math.isnan(voice) else voice,
            _SPEAKERS[speaker],
            self._explanations.get(at),
            tuple(numbers[len(self.names) :]),
        )
