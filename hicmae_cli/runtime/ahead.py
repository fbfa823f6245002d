"""Make the next items while the last one is in work."""

from __future__ import annotations

from collections.abc import Generator
from queue import Full, Queue
from threading import Event, Thread
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

_AHEAD: Final = 2
"""Items that wait at most: enough that neither side waits for the other's slowest item."""
_LOOK_S: Final = 0.1


def read_ahead(items: Generator[ItemT]) -> Generator[ItemT]:
    """Yield the items of a generator, which runs in a thread of its own, a few items ahead.

    Decoding and nets leave Python's lock, so both sides run at once. The thread has ended when this generator has, also
    when it is closed early.

    Raises:
        BaseException: whatever the generator raises.
    """
    made: Queue[tuple[bool, ItemT | BaseException | None]] = Queue(_AHEAD)
    stopped = Event()

    def put(is_item: bool, value: ItemT | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                made.put((is_item, value), timeout=_LOOK_S)
            except Full:
                continue
            return

    def make() -> None:
        try:
            for item in items:
                put(True, item)
                if stopped.is_set():
                    break
            items.close()
            put(False, None)
        except BaseException as error:  # it belongs to who iterates
            put(False, error)

    thread = Thread(target=make, name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = made.get()
            if is_item:
                yield value  # type: ignore[misc]
            elif isinstance(value, BaseException):
                raise value
            else:
                return
    finally:
        stopped.set()
        thread.join()
