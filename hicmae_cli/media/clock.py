"""The clock that all readers share: it starts at 0, only moves forward, and repairs damaged timestamps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Final, Generic, TypeVar

MAX_JUMP_S: Final = 3600.0
"""A longer jump forward is damage, not a pause."""
MAX_PAUSES_S: Final = 7200.0
"""Limit on the sum of all pauses longer than a minute; later ones are skipped. A few bytes can state any pause."""
BACKWARD_JUMP_S: Final = 1.0
"""A smaller step back is a frame out of order or an overlap; a larger one is a clock that started again."""
MAX_FPS: Final = 1000
"""A higher frame rate counts as damage."""
# A longer step forward may come from a damaged timestamp.
_SUSPECT_S: Final = 1.0
_PAUSE_S: Final = 60.0

Ticks = int | Fraction
"""Time in a stream's own unit."""
ItemT = TypeVar("ItemT")


class Clock:
    """Turns the timestamps of a stream into times, one after the other.

    Args:
        unit_s: length of one tick in seconds.
    """

    def __init__(self, unit_s: Fraction = Fraction(1)) -> None:
        self._max_jump, self._back = Fraction(MAX_JUMP_S) / unit_s, Fraction(BACKWARD_JUMP_S) / unit_s
        self._suspect, self._pause = Fraction(_SUSPECT_S) / unit_s, Fraction(_PAUSE_S) / unit_s
        self._pauses_left = Fraction(MAX_PAUSES_S) / unit_s
        self.shift: Ticks = 0
        """Time minus timestamp."""
        self.skipped: Ticks = 0
        """The sum of all steps forward that the clock did not take."""

    def assign_time(
        self, stamp: Ticks | None, last: Ticks, due: Ticks, peek_stamp: Callable[[], Ticks | None]
    ) -> Ticks:
        """Return the time of an item, and shift the clock if the timestamps start again or jump.

        Args:
            stamp: the item's timestamp; None if it has none.
            last: the time up to which the stream has been read.
            due: the item's time if its timestamp is missing, damaged or too far away.
            peek_stamp: returns the timestamp of the next item; called only if this one is suspect.
        """
        if stamp is None:
            return due
        time = stamp + self.shift
        if not self._needs_confirmation(time - last):
            return time
        following = peek_stamp()
        if following is not None and self._is_damaged(time - last, following + self.shift - last):
            return due
        if self._take_step(time - last):
            return time
        self.shift += due - time
        return due

    def cap_step(self, duration: Ticks) -> Ticks:
        """Return the time from an item to the next one, if that has no usable timestamp.

        Args:
            duration: duration of the first item.
        """
        return min(duration, self._pause)

    def cap_last_duration(self, duration: Ticks) -> Ticks:
        """Return the duration of an item if it is the stream's last one."""
        return min(duration, max(self._pause, self._pauses_left))

    def _needs_confirmation(self, step: Ticks) -> bool:
        """Whether the next timestamp must confirm this one."""
        return step > self._suspect or step <= -self._back

    def _is_damaged(self, step: Ticks, next_step: Ticks) -> bool:
        """Whether the next timestamp refutes a suspect one: it continues the time before it.

        Args:
            step: from the last time to the suspect timestamp.
            next_step: from the last time to the next timestamp.
        """
        return 0 < next_step < (step if step > 0 else self._max_jump)

    def _take_step(self, step: Ticks) -> bool:
        """Count a step against the limit on pauses. Return False if the step is too long."""
        if not -self._back < step <= self._max_jump or (step > self._pause and step > self._pauses_left):
            self.skipped += max(step, 0)
            return False
        if step > self._pause:
            self._pauses_left -= step
        return True


class Stamped(Generic[ItemT]):
    """An iterator that can look ahead at the timestamp of the next item.

    Args:
        items: the items. An item is taken early only for `peek_stamp`.
        read_stamp: returns an item's timestamp, None if it has none.
    """

    def __init__(self, items: Iterable[ItemT], read_stamp: Callable[[ItemT], Ticks | None]) -> None:
        self._items, self._stamp_of = iter(items), read_stamp
        self._ahead: list[ItemT] = []

    def __iter__(self) -> Iterator[ItemT]:
        return self

    def __next__(self) -> ItemT:
        return self._ahead.pop() if self._ahead else next(self._items)

    def peek_stamp(self) -> Ticks | None:
        """Return the next item's timestamp; None if it has none, or if there are no more items."""
        if not self._ahead:
            self._ahead.extend(islice(self._items, 1))
        return self._stamp_of(self._ahead[0]) if self._ahead else None


def keep_time(
    stamped: Iterable[tuple[ItemT, Ticks | None, Ticks]], clock: Clock
) -> Iterator[tuple[ItemT, Ticks, Ticks]]:
    """Put items on a clock that starts at 0 and rises strictly.

    An item without a usable timestamp follows its predecessor after the predecessor's duration, at most a minute. If
    the timestamps start again (recordings joined byte by byte) or jump ahead, the clock continues without a gap. An
    item at the same time as its predecessor, or a little before it, is dropped.

    Args:
        stamped: items in order of presentation, their timestamp if they have one, and their positive duration.
        clock: a new clock in the timestamps' unit.

    Yields:
        Items with their time and duration.
    """
    items = Stamped(stamped, lambda entry: entry[1])
    last: Ticks | None = None
    shown_for: Ticks = 0
    for item, stamp, duration in items:
        if last is None:
            clock.shift = -(stamp or 0)
            time: Ticks = 0
        else:
            time = clock.assign_time(stamp, last, last + clock.cap_step(shown_for), items.peek_stamp)
            if time <= last:
                continue
        last, shown_for = time, duration
        yield item, time, clock.cap_last_duration(duration)
        # Free it before the next one is made.
        del item
