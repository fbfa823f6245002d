"""What a picture of a timeline shows in each stretch of time: numbers, who speaks, how much of the face was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import Track
from hicmae_cli.runtime.speech import UNSURE, Speech
from hicmae_cli.timeline import Timeline, join_spans


@dataclass(frozen=True, eq=False)
class Stretches:
    """A track in the G stretches of its timeline, which are cut where a turn or a doubt starts or ends.

    Attributes:
        edges_s: bounds of the stretches (G + 1,), ascending.
        means: probabilities or values (G, C); NaN in a gap.
        windows: for each stretch, the window whose middle is nearest to its own; None in a gap.
        speakers: whether the person speaks: ``yes`` in the timeline's turns, else ``no`` or ``unsure`` as the nearest
            window says; ``unsure`` if that alone says ``yes``. It is ``no`` where speech is known and not unsure. None
            where it was not tested, and in a gap.
    """

    edges_s: NDArray[np.float64]
    means: NDArray[np.float64]
    windows: tuple[Window | None, ...]
    speakers: tuple[str | None, ...]

    @classmethod
    def of(cls, track: Track, timeline: Timeline, speech: Sequence[Speech] | None = None) -> Stretches:
        """Take them from a track, its timeline, and the speech of its file if that is known."""
        turns_s = [(turn.start_s, turn.end_s) for turn in timeline.turns or ()]
        doubts_s = [(each.start_s, each.end_s) for each in speech or () if each.speaker == UNSURE]
        times_s = [time_s for span_s in (*turns_s, *doubts_s) for time_s in span_s]
        edges_s = np.unique([*timeline.edges_s, *np.clip(times_s, timeline.start_s, timeline.end_s)])
        middles_s = (edges_s[1:] + edges_s[:-1]) / 2
        means = timeline.means[np.searchsorted(timeline.edges_s, middles_s) - 1]
        ordered = sorted(track.windows, key=lambda w: w.start_s + w.end_s)
        centres_s = np.array([(w.start_s + w.end_s) / 2 for w in ordered])
        after = np.clip(np.searchsorted(centres_s, middles_s), 1, max(1, len(ordered) - 1))
        before = after - 1
        after = np.minimum(after, len(ordered) - 1)
        nearest = np.where(middles_s - centres_s[before] <= centres_s[after] - middles_s, before, after)
        windows = [None if gap else ordered[at] for gap, at in zip(np.isnan(means[:, 0]), nearest, strict=True)]
        speaks = _mark(edges_s, turns_s)
        doubts = np.ones(len(windows), np.bool_) if speech is None else _mark(edges_s, doubts_s)
        speakers = [
            _answer(window, turn=turn, doubt=doubt)
            for window, turn, doubt in zip(windows, speaks.tolist(), doubts.tolist(), strict=True)
        ]
        return cls(edges_s, means, tuple(windows), tuple(speakers))

    @property
    def face_seen(self) -> NDArray[np.float64]:
        """Share of the sampled pictures with the face (G,), 0 in a gap."""
        return np.array([0.0 if window is None else window.face_coverage for window in self.windows])

    def effects_of(self, stream: str) -> NDArray[np.float64]:
        """Return by how much ``face`` or ``voice`` moved the answer (G,), without its sign; NaN where unknown."""
        found = [None if window is None else window.explanation for window in self.windows]
        effects = [None if each is None else each.face if stream == "face" else each.voice for each in found]
        return np.array([np.nan if effect is None else abs(effect) for effect in effects])

    def join_speakers(self) -> list[tuple[float, float, str]]:
        """List the spans of time with one answer: start (s), end (s), ``yes``, ``no`` or ``unsure``."""
        return list(join_spans(self.edges_s.tolist(), self.speakers))


def _mark(edges_s: NDArray[np.float64], spans_s: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which stretches (G,) are within one of some spans, whose bounds are edges."""
    marked = np.zeros(len(edges_s) - 1, np.bool_)
    for start_s, end_s in spans_s:
        first, last = np.searchsorted(edges_s, [start_s, end_s])
        marked[first:last] = True
    return marked


def _answer(window: Window | None, *, turn: bool, doubt: bool) -> str | None:
    """Return whether a person speaks in a stretch."""
    if turn:
        return "yes"
    if window is None or window.speaker is None:
        return None
    return "unsure" if doubt and window.speaker != "no" else "no"


def thin(
    edges_s: NDArray[np.float64], numbers: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average neighbouring stretches, so that about ``most`` remain -> their bounds and numbers.

    Args:
        edges_s: bounds (G + 1,).
        numbers: (G, C); a row is NaN in a gap, which is never averaged with numbers.
        most: number of stretches; each border of a gap may add one.
    """
    missing = np.isnan(numbers[:, 0])
    step = -(-len(numbers) // most)
    if step <= 1:
        return edges_s, numbers
    borders = np.flatnonzero(missing[1:] != missing[:-1]) + 1
    starts = np.union1d(np.arange(0, len(numbers), step), borders)
    lengths_s = np.diff(edges_s)[:, None]
    totals = np.add.reduceat(numbers * lengths_s, starts, axis=0)
    means: NDArray[np.float64] = totals / np.add.reduceat(lengths_s, starts, axis=0)
    return np.append(edges_s[starts], edges_s[-1]), means
