"""One clock for all readers of a file: times that rise from 0, told from time stamps some of which may be damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final, TypeVar

MAX_JUMP_S: Final = 3600.0
"""A forward jump of the clock beyond this is damage, not a pause."""
MAX_PAUSES_S: Final = 7200.0
"""Pauses of more than a minute last this long in all; further ones are left out. A few bytes can claim any pause."""
BACKWARD_JUMP_S: Final = 1.0
"""A smaller step back is a frame out of order or an overlap; a larger one is a clock that started again."""
MAX_FPS: Final = 1000
"""No more pictures a second are believed of a file."""
_SUSPECT_S: Final = 1.0  # a step ahead beyond this may be a damaged time stamp
_PAUSE_S: Final = 60.0

Ticks = int | Fraction
"""Time in a stream's own unit."""
Item = TypeVar("Item")


class Steps:
    """Decides from one time stamp to the next how far the clock goes on.

    Args:
        unit_s: Length of one tick in seconds.
    """

    def __init__(self, unit_s: Fraction = Fraction(1)) -> None:
        self._max_jump, self._back = Fraction(MAX_JUMP_S) / unit_s, Fraction(BACKWARD_JUMP_S) / unit_s
        self._suspect, self._pause = Fraction(_SUSPECT_S) / unit_s, Fraction(_PAUSE_S) / unit_s
        self._pauses_left = Fraction(MAX_PAUSES_S) / unit_s
        self.left_out: Ticks = 0
        """Steps ahead that were not accepted."""

    def follow(self, duration: Ticks) -> Ticks:
        """The step to what has no time stamp to go by, or none that is believed."""
        return min(duration, self._pause)

    def last(self, duration: Ticks) -> Ticks:
        """How long the last thing goes on."""
        return min(duration, max(self._pause, self._pauses_left))

    def is_suspect(self, step: Ticks) -> bool:
        """Whether to look at the time stamp after this one before this one is believed."""
        return step > self._suspect or step <= -self._back

    def is_damaged(self, step: Ticks, next_step: Ticks | None) -> bool:
        """Whether a suspect time stamp is out of order: the next one goes on where the one before it was.

        Args:
            step: From the last time to this one.
            next_step: From the last time to the next one; None where there is none.
        """
        return next_step is not None and 0 < next_step < (step if step > 0 else self._max_jump)

    def accepts(self, step: Ticks) -> bool:
        """Whether the clock goes on by a step; where it does not, it started again or jumped."""
        if not -self._back < step <= self._max_jump or (step > self._pause and step > self._pauses_left):
            self.left_out += max(step, 0)
            return False
        if step > self._pause:
            self._pauses_left -= step
        return True


def keep_time(
    stamped: Iterable[tuple[Item, Ticks | None, Ticks]], steps: Steps
) -> Iterator[tuple[Item, Ticks, Ticks]]:
    """Put things on a clock that starts at 0 and rises strictly.

    What has no time stamp, or a damaged one, follows its predecessor by that one's duration, a minute at most. A
    clock that starts again (recordings joined byte by byte) or jumps ahead goes on without a gap. What would be shown
    at the same time as, or a little before, its predecessor is left out. The next thing is taken early only to check
    a suspect stamp.

    Args:
        stamped: Things in the order in which they are shown, their time stamp if they have one, and their
            duration above 0.
        steps: Judges the time stamps, in the same unit.

    Yields:
        Things with their time and duration.
    """
    things = iter(stamped)
    ahead: tuple[Item, Ticks | None, Ticks] | None = None
    shift: Ticks | None = None
    last: Ticks = 0
    shown_for: Ticks = 0
    while True:
        thing, ahead = ahead if ahead is not None else next(things, None), None
        if thing is None:
            return
        item, stamp, duration = thing
        step = follow = steps.follow(shown_for)
        if shift is None:
            shift = stamp or 0
        elif stamp is not None:
            step = stamp - shift - last
            if steps.is_suspect(step):
                ahead = next(things, None)
                next_stamp = None if ahead is None else ahead[1]
                if steps.is_damaged(step, None if next_stamp is None else next_stamp - shift - last):
                    step = follow
                elif not steps.accepts(step):
                    shift, step = stamp - last - follow, follow
            if step <= 0:
                continue
        last, shown_for = last + step, duration
        yield item, last, steps.last(duration)
        del item, thing  # not kept while the next one is made
