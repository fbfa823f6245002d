"""Items that a thread makes ahead: the same ones, in order, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from hicmae_cli.runtime.ahead import read_ahead


def count_to(last: int, made: list[int], closed: list[str]) -> Generator[int]:
    try:
        for number in range(last):
            made.append(number)
            yield number
    finally:
        closed.append(threading.current_thread().name)


def others() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "read ahead"]


def test_the_items_come_in_order_from_another_thread() -> None:
    made, closed = list[int](), list[str]()
    assert list(read_ahead(count_to(20, made, closed))) == list(range(20)) == made
    assert closed == ["read ahead"] and not others()


def test_no_more_than_a_few_items_wait() -> None:
    made = list[int]()
    items = read_ahead(count_to(100, made, []))
    assert next(items) == 0
    time.sleep(0.1)
    assert 2 <= len(made) <= 5
    items.close()


def test_what_is_closed_early_ends_its_thread() -> None:
    made, closed = list[int](), list[str]()
    items = read_ahead(count_to(10**9, made, closed))
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    items.close()
    assert closed == ["read ahead"] and not others() and len(made) < 10


def test_an_error_comes_out_where_the_item_would_have() -> None:
    def fail() -> Generator[int]:
        yield 1
        raise KeyError("gone")

    items = read_ahead(fail())
    assert next(items) == 1
    with pytest.raises(KeyError, match="gone"):
        next(items)
    assert not others()
