"""Arrows between the rooms point one way (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hicmae_cli"

# What may be imported by whom; leaves are open to all.
LEAVES = {"errors", "labels", "files", "bundled", "metric_names", "onnx_runtime", "workers", "__version__"}
ROOMS: dict[str, set[str]] = {
    "media": set(),
    "faces": {"media"},
    "clips": {"media", "faces"},
    "models": set(),
    "weights": {"models"},
    "corpora": {"clips", "faces", "media"},
    "runtime": {"media", "faces", "clips", "weights", "models"},
    "evaluation": {"media", "clips", "corpora", "runtime", "weights", "models"},
    "training": {"media", "clips", "corpora", "evaluation", "models", "runtime", "weights"},
    "report": {"runtime", "weights"},
    "cli": {"media", "faces", "clips", "models", "weights", "corpora", "runtime", "evaluation", "training", "report"},
}  # fmt: skip
# Only these know torch: the rest runs, or at least starts, in an install without it.
TORCH_ROOMS = {"models", "training"}
TORCH_FILES = {
    "weights/checkpoint.py",
    "weights/authors.py",
    "weights/export.py",
    "weights/checkpoint_archive.py",
    "weights/checkpoint_pickle.py",
    "runtime/torch_engine.py",
}


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_room_is_known() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_one_way(room: str) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        others = {name.split(".")[1] for name in imported(path) if name.startswith("hicmae_cli.")}
        assert others <= {room} | ROOMS[room] | LEAVES, path


def test_torch_is_known_to_few() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.split("/")[0] not in TORCH_ROOMS and name not in TORCH_FILES:
            assert not {module for module in imported(path) if module.split(".")[0] == "torch"}, name
