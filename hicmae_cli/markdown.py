"""Texts from files in Markdown, so that a page shows them literally."""

from __future__ import annotations

import re
from typing import Final

from hicmae_cli.errors import one_line

# An underscore inside a word is literal in Markdown, and so is a bracket that no link follows.
_SPECIAL: Final = re.compile(r"[\\`*|]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[]")
_PLAIN_CODE: Final = re.compile(r"[^`|\\]+")


def escape_markdown(text: str) -> str:
    """Escape a text for the middle of a line or a cell of a table: no emphasis, link, code, HTML or new line.

    It does not escape what is special at the start of a line only, such as ``#``.
    """
    literal = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", literal)


def quote_code(text: str) -> str:
    """Write a text as code; one that would end the code, or a cell of a table, is escaped instead."""
    line = one_line(text)
    return f"`{line}`" if _PLAIN_CODE.fullmatch(line) and line == line.strip() else escape_markdown(text)
