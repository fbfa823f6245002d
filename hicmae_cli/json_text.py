"""JSON documents as text, piece by piece, so that a long one is never in memory as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

Collect: TypeAlias = Callable[[Iterator[dict[str, Any]]], Any]
"""What a document holds for several parts: `list` makes all of them now, `iter` leaves them to `stream_json`."""
# Safe on any document: inside a JSON string, a line break is written as an escape.
_BROKEN_LIST: Final = re.compile(r'\[\n\s+([-\d][^\[\]{}"]*?)\n\s*\]')
_CHUNK_CHARACTERS: Final = 1 << 16


def stream_json(document: Mapping[str, Any], *, indent: bool = True) -> Iterator[str]:
    """Yield the text of a document: full precision, no NaN, a line feed at its end.

    Args:
        document: may hold iterators as values; each becomes a list, whose items are made one at a time.
        indent: indent it, with lists of numbers on one line; otherwise it is one line.

    Raises:
        ValueError: a number is not finite.
    """
    held: list[str] = []
    length = 0
    for piece in _make_pieces(document, "\n" if indent else ""):
        held.append(piece)
        length += len(piece)
        if length >= _CHUNK_CHARACTERS:
            yield "".join(held)
            held, length = [], 0
    yield "".join([*held, "\n"])


def _make_pieces(value: Any, line: str) -> Iterator[str]:
    """Yield the text of a value whose lines start with ``line``: a line feed and blanks; empty for one line."""
    parts: Iterator[tuple[str, Any]]
    if isinstance(value, Iterator):
        opening, closing = "[", "]"
        parts = (("", each) for each in value)
    elif isinstance(value, Mapping) and _has_iterators(value):
        opening, closing = "{", "}"
        parts = ((f"{json.dumps(name)}: ", each) for name, each in value.items())
    elif line:
        text = json.dumps(value, indent=2, allow_nan=False)
        text = _BROKEN_LIST.sub(lambda numbers: f"[{' '.join(numbers[1].split())}]", text)
        yield text.replace("\n", line)
        return
    else:
        yield json.dumps(value, allow_nan=False)
        return
    inner = f"{line}  " if line else ""
    between, last = opening + inner, opening
    for name, each in parts:
        yield between + name
        yield from _make_pieces(each, inner)
        between, last = f",{inner or ' '}", line
    yield last + closing


def _has_iterators(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_iterators, value.values()))
    return isinstance(value, Iterator)
