"""Who speaks at each moment with a voice, from what the windows over it have decided."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from hicmae_cli.speaking import Hearing

NOBODY: Final = "nobody"
"""Nobody in view speaks: the voice is off-screen."""
UNSURE: Final = "unsure"
"""Who speaks is not known."""

HeardWindow: TypeAlias = "tuple[int, int, Hearing]"
"""Start and end of a window in milliseconds, and what was heard in it."""


@dataclass(frozen=True)
class Speech:
    """A stretch of voice with one speaker.

    Attributes:
        start_s: start on the input's clock, to the millisecond.
        end_s: its end.
        speaker: id of a track, `NOBODY` or `UNSURE`.
    """

    start_s: float
    end_s: float
    speaker: int | str

    def to_dict(self) -> dict[str, Any]:
        """Return the stretch as in the JSON document."""
        return {"start_s": self.start_s, "end_s": self.end_s, "speaker": self.speaker}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Speech:
        """Read what `to_dict` wrote."""
        start_s, end_s = (float(fields[name]) for name in ("start_s", "end_s"))
        if not (math.isfinite(start_s) and math.isfinite(end_s)):
            raise ValueError(f"expected finite times of speech, got {start_s} to {end_s}")
        return cls(in_ms(start_s) / 1000, in_ms(end_s) / 1000, fields["speaker"])


def in_ms(time_s: float) -> int:
    """Round a time as the JSON document does, so that what is made from a document is the same."""
    return round(round(time_s, 3) * 1000)


def find_speech(
    voices_ms: Sequence[tuple[int, int]], windows: Sequence[HeardWindow], tracks: Collection[int]
) -> tuple[Speech, ...]:
    """Decide who speaks in each stretch of voice, and cut it where that changes.

    A person speaks at a moment if at least half of the windows over it that show the person say ``yes``; of two such
    people, the one with the larger share, and of equal ones who spoke just before. Else nobody does if at least half
    of the windows over it with a voice say ``no`` of everybody. Else it is unsure.

    Args:
        voices_ms: start and end of each stretch of voice, in order of time, disjoint.
        windows: in order of time, their starts and their ends.
        tracks: ids of the people of the result. Somebody else who speaks makes a stretch unsure: it is nobody's of
            the result, and not off-screen.

    Returns:
        Stretches in order of time, which cover the voice and nothing else.
    """
    starts, ends = [start for start, _, _ in windows], [end for _, end, _ in windows]
    edges = sorted({*starts, *ends})
    known = {NOBODY, UNSURE, *tracks}
    found: list[tuple[int, int, int | str]] = []
    speaker: int | str = UNSURE
    for start_ms, end_ms in voices_ms:
        within = edges[bisect_right(edges, start_ms) : bisect_left(edges, end_ms)]
        for from_ms, to_ms in pairwise([start_ms, *within, end_ms]):
            over = windows[bisect_right(ends, from_ms) : bisect_right(starts, from_ms)]
            speaker = _decide([hearing for _, _, hearing in over], speaker)
            who = speaker if speaker in known else UNSURE
            goes_on = bool(found) and found[-1][1:] == (from_ms, who)
            found.append((found.pop()[0] if goes_on else from_ms, to_ms, who))
    return tuple(Speech(from_ms / 1000, to_ms / 1000, who) for from_ms, to_ms, who in found)


def _decide(hearings: Sequence[Hearing], last: int | str) -> int | str:
    """Decide who speaks at a moment from the windows over it, and from who spoke just before."""
    shares: dict[int, float] = {}
    for track in sorted({track for hearing in hearings for track in hearing.speakers}):
        answers = [hearing.speakers[track] for hearing in hearings if track in hearing.speakers]
        shares[track] = answers.count("yes") / len(answers)
    best = max(shares, key=lambda track: (shares[track], track == last), default=None)
    if best is not None and shares[best] >= 0.5:
        return best
    voiced = [hearing for hearing in hearings if hearing.has_voice]
    off_screen = sum(all(answer == "no" for answer in hearing.speakers.values()) for hearing in voiced)
    return NOBODY if voiced and off_screen >= len(voiced) / 2 else UNSURE
