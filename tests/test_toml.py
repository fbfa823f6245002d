"""TOML on every supported Python."""

from __future__ import annotations

import pytest

from hicmae_cli.toml import parse_toml


def test_a_document_is_parsed_and_a_fault_has_its_line() -> None:
    assert parse_toml('a = [1, 2.5]\n[b]\nc = "d"\n') == {"a": [1, 2.5], "b": {"c": "d"}}
    with pytest.raises(ValueError, match="line 2"):
        parse_toml("a = 1\nb = \n")
