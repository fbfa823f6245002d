"""TOML on every supported Python: 3.10 has no ``tomllib``."""

from __future__ import annotations

import sys
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
