from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hicmae_cli.timeline import join_spans


def test_equal_neighbours_are_joined_and_stretches_without_a_value_skipped() -> None:
    spans = join_spans([0, 1, 2, 4, 5, 7], ["a", "a", None, "a", "b"])
    assert list(spans) == [(0, 2, "a"), (4, 5, "a"), (5, 7, "b")]
    assert list(join_spans([0], [])) == []


def test_spans_say_the_same_as_the_stretches() -> None:
    rng = np.random.default_rng(0)
    edges = np.cumsum(rng.integers(1, 5, 51)).tolist()
    values = [None if value == 0 else int(value) for value in rng.integers(0, 3, 50)]
    spans = list(join_spans(edges, values))
    for start, end, value in zip(edges[:-1], edges[1:], values, strict=True):
        covering = [found for first, last, found in spans if first <= start and end <= last]
        assert covering == ([] if value is None else [value])
    assert all(first[1] < second[0] or first[2] != second[2] for first, second in pairwise(spans))


def test_a_wrong_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(join_spans([0, 1, 2], ["a"]))
