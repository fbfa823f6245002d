"""Texts for messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.errors import first_line, one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n  indented\nrest"), "indented"),
        (KeyError(), "KeyError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_the_first_line_of_an_error(error: Exception, line: str) -> None:
    assert first_line(error) == line


@given(text=st.text())
def test_one_line_is_printable(text: str) -> None:
    assert one_line(text).isprintable()
    if text.isprintable():
        assert one_line(text) == text


def test_control_characters_are_escaped() -> None:
    assert one_line("a\n\x1b[31mb\u202ec") == r"a\n\x1b[31mb\u202ec"
