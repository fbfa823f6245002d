"""What a picture of a timeline shows in each of its stretches: numbers, who speaks, how much of the face was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.runtime.results import Track, Window
from hicmae_cli.timeline import Timeline, join_spans


@dataclass(frozen=True, eq=False)
class Stretches:
    """A track in the G stretches of its timeline.

    Attributes:
        edges_s: bounds of the stretches (G + 1,), ascending.
        means: probabilities or values (G, C); NaN in a gap.
        windows: for each stretch, the window whose middle is nearest to its own; None in a gap.
        speakers: whether the person speaks: ``yes`` in the timeline's turns, else ``no`` or ``unsure`` as the nearest
            window says; ``unsure`` if that alone says ``yes``. None where it was not tested, and in a gap.
    """

    edges_s: NDArray[np.float64]
    means: NDArray[np.float64]
    windows: tuple[Window | None, ...]
    speakers: tuple[str | None, ...]

    @classmethod
    def of(cls, track: Track, timeline: Timeline) -> Stretches:
        """Take them from a track and its timeline."""
        ordered = sorted(track.windows, key=lambda w: w.start_s + w.end_s)
        centres_s = np.array([(w.start_s + w.end_s) / 2 for w in ordered])
        middles_s = (timeline.edges_s[1:] + timeline.edges_s[:-1]) / 2
        after = np.clip(np.searchsorted(centres_s, middles_s), 1, max(1, len(ordered) - 1))
        before = after - 1
        after = np.minimum(after, len(ordered) - 1)
        nearest = np.where(middles_s - centres_s[before] <= centres_s[after] - middles_s, before, after)
        missing = np.isnan(timeline.means[:, 0])
        windows = [None if gap else ordered[at] for gap, at in zip(missing, nearest, strict=True)]
        speaks = np.zeros(len(windows), np.bool_)
        for turn in timeline.turns or ():
            first, last = np.searchsorted(timeline.edges_s, [turn.start_s, turn.end_s])
            speaks[first:last] = True
        speakers = [_answer(window, turn=bool(turn)) for window, turn in zip(windows, speaks, strict=True)]
        return cls(timeline.edges_s, timeline.means, tuple(windows), tuple(speakers))

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


def _answer(window: Window | None, *, turn: bool) -> str | None:
    """Return whether a person speaks in a stretch."""
    if window is None or (window.speaker is None and not turn):
        return None
    return "yes" if turn else "unsure" if window.speaker == "yes" else window.speaker


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
