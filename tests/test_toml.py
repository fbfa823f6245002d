"""TOML on every supported Python."""

from __future__ import annotations

import pytest

from hicmae_cli.toml import format_toml, parse_toml


def test_a_document_is_parsed_and_a_fault_has_its_line() -> None:
    assert parse_toml('a = [1, 2.5]\n[b]\nc = "d"\n') == {"a": [1, 2.5], "b": {"c": "d"}}
    with pytest.raises(ValueError, match="line 2"):
        parse_toml("a = 1\nb = \n")


@pytest.mark.parametrize("value", [1, 2.5, True, 'a "b"', [1.0, 0.5], [], {}, {"Élise": 0.3, "two words": 0.7}])
def test_a_value_is_read_back(value: object) -> None:
    assert parse_toml(f"key = {format_toml(value)}") == {"key": value}
