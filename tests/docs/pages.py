"""The pages of the docs, and the script that makes the reference."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("weights/*.md")])
}
"""Every Markdown file that a reader sees, by its path."""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [code for found, code in _BLOCK.findall(PAGES[page]) if found == language]


def commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words after ``hicmae``) of every command in code, in blocks and between backticks."""
    for page, text in PAGES.items():
        in_blocks = "\n".join(block.replace("\\\n", " ") for _, block in _BLOCK.findall(text))
        inline = (code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", _BLOCK.sub("", text)))
        for line in (*in_blocks.splitlines(), *inline):
            if found := re.match(r"(?:\$ |\S+/)?hicmae (.+)|.* -m hicmae_cli\.cli (.+)", line):
                yield page, (found[1] or found[2]).partition("#")[0].split()


@cache
def docs_reference() -> ModuleType:
    """The script, imported."""
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "scripts" / "docs_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
