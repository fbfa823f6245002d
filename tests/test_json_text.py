"""Documents as text, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.json_text import stream_json

TEXTS = st.sampled_from(["a", "[\n 1,\n 2\n]", '"', "\\", "[1, 2]", "\n"])
PLAIN = st.recursive(
    st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS, st.none()),
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(TEXTS, parts, max_size=3)),
    max_leaves=10,
)
RECORDS = st.recursive(
    st.dictionaries(TEXTS, PLAIN, max_size=3),
    lambda parts: st.dictionaries(TEXTS, st.one_of(PLAIN, st.lists(parts, max_size=3)), max_size=3),
    max_leaves=12,
)


def lazily(value: Any) -> Any:
    """Make an iterator of each list of dictionaries of a document, however deep below others."""
    if isinstance(value, dict):
        return {name: lazily(each) for name, each in value.items()}
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return map(lazily, value)
    return value


@pytest.mark.parametrize("indent", [True, False])
@given(document=RECORDS)
def test_an_iterator_gives_the_same_text_as_a_list(document: dict[str, Any], indent: bool) -> None:
    whole = "".join(stream_json(document, indent=indent))
    assert json.loads(whole) == document and whole.endswith("\n")
    assert "".join(stream_json({"top": lazily(document)}, indent=indent)) == "".join(
        stream_json({"top": document}, indent=indent)
    )
    if not indent:
        assert whole == json.dumps(document) + "\n"


def test_a_part_is_made_when_it_is_written() -> None:
    made = []

    def parts() -> Iterator[dict[str, Any]]:
        for number in range(100):
            made.append(number)
            yield {"text": "x" * 10_000}

    pieces = stream_json({"parts": parts()})
    assert next(pieces).startswith('{\n  "parts": [\n')
    assert len(made) < 10


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        list(stream_json({"parts": iter([{"uar": float("nan")}])}))
