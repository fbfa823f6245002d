"""TOML on every supported Python: 3.10 has no ``tomllib``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        ValueError: not valid TOML; the message has the line.
    """
    return tomllib.loads(text)


def format_toml(value: Any) -> str:
    """Write a number, a text, a truth value, a list or a table of them as the value of a TOML key."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(name, ensure_ascii=False)} = {format_toml(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value)
