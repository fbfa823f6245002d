"""A catalogue, a store and a pull for the tests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hicmae_cli.pulling.fetch import Limits
from hicmae_cli.pulling.pull import Pulled, pull_weight
from hicmae_cli.toml import format_toml
from hicmae_cli.weights.catalogue import locate_store

FAST = Limits(connect_s=5.0, silent_s=2.0, pause_s=0.001)


LABELS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


def add(*sources: str, name: str = "toy", **fields: object) -> None:
    """Add a weight to the user's catalogue."""
    entry = {"summary": "a toy", "licence": "MIT", "dataset": "toys", "labels": LABELS, "sources": sources, **fields}
    path = locate_store().parent / "catalogue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["[[published]]", f"name = {format_toml(name)}"]
    lines += [f"{key} = {format_toml(value)}" for key, value in entry.items()]
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files() -> list[str]:
    """Files of the store, without locks."""
    return sorted(
        str(path.relative_to(locate_store()))
        for path in locate_store().rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    )


def pull(name: str = "toy", **more: Any) -> Pulled:
    return pull_weight(name, limits=FAST, **more)
