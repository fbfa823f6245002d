"""The queue: in order, bounded, and never stuck."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hicmae_cli.runtime.results import FileResult
from hicmae_cli.serving.desk import Desk, QueueFullError
from tests.serving.fakes import SLOW, FakePool


def make_file(folder: Path, name: str, content: bytes = b"film") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_files_are_predicted_in_order_and_others_can_be_given_up(tmp_path: Path) -> None:
    pool = FakePool()

    async def use() -> list[FileResult]:
        desk = Desk(pool, 5)
        slow = desk.submit(make_file(tmp_path, "slow", SLOW))
        later = [desk.submit(make_file(tmp_path, name)) for name in "abc"]
        await asyncio.to_thread(pool.began.wait, 5)
        assert [desk.count_before(job) for job in (slow, *later)] == [0, 1, 2, 3]
        assert slow.seconds == (1.0, 2.0) and later[0].seconds is None
        later[1].give_up()
        slow.give_up()
        found = [await asyncio.wrap_future(later[number].future) for number in (0, 2)]
        assert later[1].future.cancelled()
        assert desk.lost == 1
        await asyncio.to_thread(desk.close)
        return found

    assert [result.path.name for result in asyncio.run(use())] == ["a", "c"]
    assert [path.name for path in pool.paths] == ["slow", "a", "c"]
    assert pool.is_closed


def test_places_are_bounded_and_come_back() -> None:
    desk = Desk(FakePool(), 1)
    with desk.take_place(), desk.take_place():
        assert desk.waiting == 1
        with pytest.raises(QueueFullError) as refused, desk.take_place():
            pass
        assert 1 <= refused.value.retry_s <= 120
    with desk.take_place():
        assert desk.waiting == 0
    desk.close()
