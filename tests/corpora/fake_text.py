"""Text files of fake corpora."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
