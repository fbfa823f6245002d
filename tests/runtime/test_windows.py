from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.windows import MIN_COVERAGE, Moments, SampledFace, WindowAssembler


def face(moment: int, picture: int | None = None) -> SampledFace:
    """A face whose grey level, and whose box, tell the moment."""
    crop = np.full((160, 160, 3), moment % 256, np.uint8)
    return SampledFace(crop, FaceBox(float(moment), 1.0, 2.0, 50.0, 40.0), moment if picture is None else picture)


def assemble(presence: list[bool], hop: int) -> tuple[list[Moments], WindowAssembler]:
    assembler = WindowAssembler(hop)
    windows = [
        window for moment, there in enumerate(presence) for window in assembler.add({1: face(moment)} if there else {})
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
            assert window.people == ()
            continue
        (person,) = window.people
        assert person.coverage == coverage
        assert [box.time_s for box in person.boxes] == [
            window.start + i for i, is_there in enumerate(inside) if is_there
        ]
        for i, frame in enumerate(person.faces):
            moment = min(window.start + i, len(presence) - 1)
            assert (frame == (moment % 256 if presence[moment] else 0)).all()
    assert sum(presence) == (assembler.tallies[1].frames if any(presence) else 0)


def test_only_a_window_of_faces_is_held() -> None:
    assembler = WindowAssembler(8)
    for moment in range(1000):
        list(assembler.add({1: face(moment), 2 + moment // 50: face(moment)}))
        held = sum(len(faces) for faces in assembler._held.values())
        assert held <= 2 * 17
    assert len(assembler._held) <= 3


def test_windows_of_the_same_pictures_are_the_same() -> None:
    assembler = WindowAssembler(1)
    windows = [window for moment in range(18) for window in assembler.add({1: face(moment, max(0, moment - 16))})]
    first, second, third = (window.people[0] for window in windows)
    assert first.pictures == second.pictures != third.pictures
    assert first.boxes != second.boxes  # which have times of their own
