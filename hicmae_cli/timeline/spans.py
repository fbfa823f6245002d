"""Neighbouring stretches of time with one value, as spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TypeVar

ValueT = TypeVar("ValueT")


def join_spans(edges: Sequence[float], values: Iterable[ValueT | None]) -> Iterator[tuple[float, float, ValueT]]:
    """Join neighbouring stretches with the same value.

    Args:
        edges: times at which a stretch ends and the next begins (G + 1), in any unit.
        values: of each stretch (G); None for a stretch without one, which is skipped.

    Yields:
        Start, end and value of each span.
    """
    for value, group in groupby(zip(pairwise(edges), values, strict=True), key=lambda each: each[1]):
        bounds = [bounds for bounds, _ in group]
        if value is not None:
            yield bounds[0][0], bounds[-1][1], value
