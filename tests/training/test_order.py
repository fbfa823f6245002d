"""Every clip comes once an epoch, in every process and after every resume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.order import check_batch, deal_batches, epoch_order, first_batches, step_seed
from tests.training.toys import SETTINGS


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 4),
    processes=st.integers(1, 4),
    rounds=st.integers(1, 3),
    first=st.integers(0, 3),
)
def test_every_clip_comes_once(count: int, size: int, processes: int, rounds: int, first: int) -> None:
    batch_size = size * processes * rounds
    settings = SETTINGS.model_copy(update={"batch_size": batch_size, "accumulation": rounds})
    order = epoch_order(count, 3, 1)
    assert sorted(order) == list(range(count))
    dealt = [deal_batches(order, settings, processes, process, first) for process in range(processes)]
    steps = max(0, count // batch_size - first)
    for mine in dealt:
        assert len(mine) == steps * rounds
        assert all(len(batch) == size for batch in mine)
    together = [index for mine in dealt for batch in mine for index in batch]
    assert sorted(together) == sorted(order[first * batch_size : (count // batch_size) * batch_size])
    for step in range(steps):
        clips = {i for mine in dealt for batch in mine[step * rounds : (step + 1) * rounds] for i in batch}
        at = (first + step) * batch_size
        assert clips == set(order[at : at + batch_size])


def test_the_order_follows_from_seed_and_epoch() -> None:
    assert epoch_order(50, 1, 2) == epoch_order(50, 1, 2)
    assert epoch_order(50, 1, 2) != epoch_order(50, 1, 3)
    assert epoch_order(50, 1, 2) != epoch_order(50, 2, 2)


def test_the_first_batches_are_the_first_clips_of_the_first_epoch() -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 4})
    batches = first_batches(epoch_order(30, 3, 0), settings, clips=10)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [clip for batch in batches for clip in batch] == epoch_order(30, 3, 0)[:10]
    assert first_batches(epoch_order(3, 3, 0), settings, clips=10) == [epoch_order(3, 3, 0)]


def test_every_step_and_process_has_its_own_seed() -> None:
    seeds = {step_seed(seed, step, process) for seed in (0, 1) for step in range(50) for process in range(4)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_batches_that_do_not_fit_are_refused() -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 6, "accumulation": 2})
    check_batch(settings, 3, 6)
    with pytest.raises(
        SettingsError, match="batch_size 6 cannot be split evenly among 2 processes with 2 accumulation rounds"
    ):
        check_batch(settings, 2, 100)
    with pytest.raises(ManifestError, match="got 5 training clips, expected at least batch_size 6"):
        check_batch(settings, 1, 5)
