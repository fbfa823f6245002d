from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.runtime.windows import MIN_COVERAGE, Moments, WindowAssembler

Crop = tuple[np.ndarray, float]


def crop(value: int) -> Crop:
    return np.full((160, 160, 3), value % 256, np.uint8), 50.0


def assemble(presence: list[bool], hop: int) -> tuple[list[Moments], WindowAssembler]:
    assembler = WindowAssembler(hop)
    windows = [
        window for moment, there in enumerate(presence) for window in assembler.add({1: crop(moment)} if there else {})
    ]
    return [*windows, *assembler.finish()], assembler


@given(st.integers(1, 90), st.integers(1, 16))
def test_windows_cover_every_moment_once_per_hop(count: int, hop: int) -> None:
    windows, _ = assemble([True] * count, hop)
    starts = [w.start for w in windows]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert starts[-1] == max(0, count - 16)
    covered = {m for w in windows for m in range(w.start, w.start + w.num_moments)}
    assert covered == set(range(count))
    assert all(start % hop == 0 for start in starts[:-1])


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 16))
def test_faces_are_in_their_place_and_black_elsewhere(presence: list[bool], hop: int) -> None:
    windows, assembler = assemble(presence, hop)
    for window in windows:
        inside = presence[window.start : window.start + window.num_moments]
        coverage = sum(inside) / len(inside)
        if coverage < MIN_COVERAGE:
            assert window.seen == ()
            continue
        (seen,) = window.seen
        assert seen.coverage == coverage
        for i, frame in enumerate(seen.faces):
            moment = min(window.start + i, len(presence) - 1)
            assert (frame == (moment % 256 if presence[moment] else 0)).all()
    assert sum(presence) == (assembler.tallies[1].frames if any(presence) else 0)


def test_only_a_window_of_crops_is_held() -> None:
    assembler = WindowAssembler(8)
    for moment in range(1000):
        list(assembler.add({1: crop(moment), 2 + moment // 50: crop(moment)}))
        held = sum(len(crops) for crops in assembler._crops.values())
        assert held <= 2 * 17
    assert len(assembler._crops) <= 3
