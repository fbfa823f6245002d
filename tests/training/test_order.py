"""Every clip has its turn once, whoever asks and however often the run is resumed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.training.order import batches_of, check_batch, epoch_order, step_seed
from tests.training.toys import SETTINGS


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 4),
    processes=st.integers(1, 4),
    rounds=st.integers(1, 3),
    first=st.integers(0, 3),
)
def test_every_clip_has_its_turn_once(count: int, size: int, processes: int, rounds: int, first: int) -> None:
    batch_size = size * processes * rounds
    settings = SETTINGS.model_copy(update={"batch_size": batch_size, "accumulation": rounds})
    order = epoch_order(count, 3, 1)
    assert sorted(order) == list(range(count))
    dealt = [batches_of(order, settings, processes, process, first) for process in range(processes)]
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


def test_every_step_and_process_has_its_own_seed() -> None:
    seeds = {step_seed(seed, step, process) for seed in (0, 1) for step in range(50) for process in range(4)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_batches_that_do_not_fit_are_refused() -> None:
    settings = SETTINGS.model_copy(update={"batch_size": 6, "accumulation": 2})
    check_batch(settings, 3, 6)
    with pytest.raises(SettingsError, match="batch_size 6 cannot be dealt to 2 processes in 2 rounds"):
        check_batch(settings, 2, 100)
    with pytest.raises(ManifestError, match="5 training clips are fewer than the 6 of a step"):
        check_batch(settings, 1, 5)
