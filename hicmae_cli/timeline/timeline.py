"""Types of a timeline: episodes, gaps, turns to speak, and the model's outputs at every moment."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.tasks import Kind


@dataclass(frozen=True)
class Episode:
    """A stretch of time with one label.

    Attributes:
        start_s: start on the input's clock, to the millisecond.
        end_s: its end; it is the start of the next episode if there is no gap between them.
        label: the label; of a multi-label model, ``labels`` joined by ``+``; None if no label is probable enough.
        probability: mean probability of the label over the episode; without a label, of the most probable one at each
            moment. Of a set of labels it is that of the least probable one.
        peak: largest probability of the label in the episode.
        peak_s: when: the middle of the first stretch with it.
        labels: the label or the set of labels; empty without a label.
    """

    start_s: float
    end_s: float
    label: str | None
    probability: float
    peak: float
    peak_s: float
    labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the episode as in the JSON document."""
        return {
            "start_s": self.start_s,
            "end_s": self.end_s,
            "label": self.label,
            "probability": round(self.probability, 6),
            "peak": round(self.peak, 6),
            "peak_s": self.peak_s,
        }


@dataclass(frozen=True)
class Gap:
    """A stretch of time without an output of the model.

    Attributes:
        start_s: start on the input's clock, to the millisecond.
        end_s: its end.
        reason: why, in words.
    """

    start_s: float
    end_s: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the gap as in the JSON document."""
        return {"start_s": self.start_s, "end_s": self.end_s, "reason": self.reason}


@dataclass(frozen=True)
class Turn:
    """A stretch of time in which a person speaks.

    Attributes:
        start_s: start on the input's clock, to the millisecond.
        end_s: its end.
    """

    start_s: float
    end_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return the turn as in the JSON document."""
        return {"start_s": self.start_s, "end_s": self.end_s}


@dataclass(frozen=True, eq=False)
class Timeline:
    """One track of one file over time.

    Letters: W windows, C labels or targets, G stretches between neighbouring starts and ends of windows.

    Attributes:
        name: of the track, to show.
        names: labels or targets (C,).
        task: what the numbers are.
        start_s: start of the part of the file that was asked for.
        end_s: its end.
        times_s: centres of the windows (W,), ascending.
        numbers: probabilities or values of the windows (W, C), smoothed if smoothing was asked for.
        edges_s: bounds of the stretches (G + 1,), ascending.
        means: numbers in each stretch (G, C): the mean of the windows that cover it; NaN without any.
        episodes: in order of time; none for a regression, which has no labels.
        gaps: in order of time. Episodes and gaps do not overlap; those of a track with labels leave no time out.
        turns: when this person speaks, in order of time; None if it was not tested.
    """

    name: str
    names: tuple[str, ...]
    task: Kind
    start_s: float
    end_s: float
    times_s: NDArray[np.float64] = field(repr=False)
    numbers: NDArray[np.float64] = field(repr=False)
    edges_s: NDArray[np.float64] = field(repr=False)
    means: NDArray[np.float64] = field(repr=False)
    episodes: tuple[Episode, ...]
    gaps: tuple[Gap, ...]
    turns: tuple[Turn, ...] | None = None

    @property
    def coverage(self) -> float:
        """Share of the time from ``start_s`` to ``end_s`` that has windows, 0 to 1."""
        length_s = self.end_s - self.start_s
        missing_s = sum(gap.end_s - gap.start_s for gap in self.gaps)
        return min(1.0, max(0.0, 1 - missing_s / length_s)) if length_s > 0 else 0.0

    def numbers_at(self, time_s: float) -> NDArray[np.float64] | None:
        """Return the probabilities or values (C,) at a moment; None in a gap and outside the timeline."""
        at = int(np.searchsorted(self.edges_s, time_s, side="right")) - 1
        if not 0 <= at < len(self.means) or np.isnan(self.means[at, 0]):
            return None
        row: NDArray[np.float64] = self.means[at]
        return row

    def episode_at(self, time_s: float) -> Episode | None:
        """Return the episode at a moment; None in a gap and outside the timeline."""
        at = bisect_right(self.episodes, time_s, key=lambda episode: episode.start_s) - 1
        return self.episodes[at] if at >= 0 and time_s < self.episodes[at].end_s else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of a track in the JSON document; a regression has no ``episodes``."""
        gaps = [gap.to_dict() for gap in self.gaps]
        episodes = {"episodes": [episode.to_dict() for episode in self.episodes]} if self.task != "regression" else {}
        turns = None if self.turns is None else [turn.to_dict() for turn in self.turns]
        return {"coverage": round(self.coverage, 4), **episodes, "gaps": gaps, "turns": turns}
