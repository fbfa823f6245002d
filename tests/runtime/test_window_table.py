from __future__ import annotations

import copy
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.explanation import Explanation
from hicmae_cli.runtime.outputs import SPEAKERS, FaceBox, Scores, Window
from hicmae_cli.runtime.window_table import WindowTable
from hicmae_cli.tasks import Kind
from tests.runtime.stubs import LABELS, valued, window

numbers = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)
boxes = st.lists(st.builds(FaceBox, numbers, numbers, numbers, numbers, numbers), min_size=1, max_size=5)
explanations = st.builds(
    Explanation, st.sampled_from(LABELS), st.none() | shares, st.none() | shares, st.just(((0.5, 0.25),)), st.none()
)


@st.composite
def window_lists(draw: st.DrawFn) -> list[Window]:
    """Windows of one track: the same outputs, and as many features; the rest is their own."""
    task: Kind = draw(st.sampled_from(["classification", "multilabel", "regression"]))
    seen, size = draw(boxes), draw(st.sampled_from([0, 4]))

    def draw_window() -> Window:
        outputs = np.array([draw(shares) for _ in LABELS])
        if task == "classification":
            outputs = (outputs + 0.1) / (outputs + 0.1).sum()
        return Window(
            draw(numbers),
            draw(numbers),
            Scores.of(LABELS, outputs, task),
            draw(shares),
            draw(st.sampled_from(MODALITIES)),
            tuple(seen[draw(st.integers(0, len(seen))) :]),
            draw(st.none() | shares),
            draw(st.sampled_from((None, *SPEAKERS))),
            draw(st.none() | explanations),
            tuple(draw(numbers) for _ in range(size)),
        )

    return [draw_window() for _ in range(draw(st.integers(0, 4)))]


@given(windows=window_lists())
@settings(max_examples=60, deadline=None)
def test_windows_come_back_equal_to_the_last_bit(windows: list[Window]) -> None:
    table = WindowTable(windows)
    assert list(table) == windows and table == tuple(windows) == table[:]
    assert table[-2:] == tuple(windows[-2:])
    assert pickle.loads(pickle.dumps(table)) == table == WindowTable(windows)
    assert repr(list(table)) == repr(windows)  # a NumPy number equals a float, and is none in a document
    assert [window.to_dict() for window in table] == [window.to_dict() for window in windows]


def test_a_table_is_a_sequence() -> None:
    windows = (window(0, 2.56), window(1, 3.5), window(2, 4.5))
    table = WindowTable(windows)
    assert len(table) == 3 and table[0] == windows[0] and table[-1] == windows[-1] and windows[1] in table
    assert [*reversed(table)] == [*reversed(windows)] and table.index(windows[2]) == 2
    assert table == [*windows] and table != windows[:2] and table != 7 and not WindowTable()
    with pytest.raises(IndexError):
        table[3]


def test_labels_in_another_order_are_the_same_outputs() -> None:
    first, other = window(0, 2.56), window(1, 3.5)
    turned = replace(other, scores=Scores(dict(reversed(other.scores.by_name.items()))))
    assert list(WindowTable([first, turned])) == [first, other]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (valued(0.5, 0.5, start_s=1.0), "window at 1.0 s: a regression, before it a classification"),
        (replace(window(1.0), scores=Scores({"joy": 1.0})), "window at 1.0 s: labels joy, before it anger, happiness"),
        (replace(window(1.0), features=(0.5,)), "window at 1.0 s: 1 features, before it 0"),
    ],
)
def test_another_kind_of_window_is_refused(other: Window, message: str) -> None:
    table = WindowTable([window()])
    with pytest.raises(ValueError, match=message):
        table.append(other)
    assert table == (window(),)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts bytes of CPython objects")
def test_a_table_takes_a_quarter_of_the_memory_of_objects_and_a_third_to_be_sent() -> None:
    import tracemalloc

    def make_windows() -> Iterator[Window]:
        seen: deque[FaceBox] = deque(maxlen=16)
        for at in range(2000):
            seen.extend(FaceBox(4 * at + i, at + 0.5, at + 0.25, at + 0.125, 40.0) for i in range(4))
            yield replace(window(at * 0.64, at * 0.64 + 2.56, (0.5, at / 4000, 0.5 - at / 4000)), boxes=tuple(seen))

    def measure(make: Callable[[Iterator[Window]], object]) -> tuple[int, int]:
        """Bytes of what was made, and most bytes while it is sent."""
        tracemalloc.start()
        try:
            made = make(make_windows())
            held = tracemalloc.get_traced_memory()[0]
            pickle.dumps(made)
            return held, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (held, sent), (objects, objects_sent) = measure(WindowTable), measure(tuple)
    assert held < objects / 4 and sent < objects_sent / 3


def test_columns_are_those_of_the_windows() -> None:
    windows = window(0, 2.56, (0.5, 0.25, 0.25), "video"), replace(window(1, 3.5), speaker="yes")
    table = WindowTable(windows)
    np.testing.assert_array_equal(table.spans_s, [(0, 2.56), (1, 3.5)])
    np.testing.assert_array_equal(table.outputs, [[*each.scores.by_name.values()] for each in windows])
    assert (table.names, table.task) == (LABELS, "classification")
    assert (table.modalities, table.speakers) == (["video", "av"], [None, "yes"])
    table.outputs[:] = 0
    assert table == windows, "a column is a copy"
    nothing = WindowTable()
    assert nothing.spans_s.shape == (0, 2) and nothing.outputs.shape == (0, 0) and not nothing.modalities


def test_a_copy_is_another_table() -> None:
    for original in (WindowTable([window(0, 2.56)]), WindowTable()):
        before = tuple(original)
        copy.copy(original).append(window(1, 3.5))
        copy.deepcopy(original).append(window(1, 3.5))
        assert original == before
