"""The shape of the house (docs/architecture.md): arrows point one way, and rooms, modules and functions stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hicmae_cli"

# Ground files: every room may import them.
GROUND = {
    "errors",
    "json_text",
    "labels",
    "markdown",
    "memory",
    "files",
    "fonts",
    "bundled",
    "metric_names",
    "modalities",
    "model_input",
    "onnx_runtime",
    "tasks",
    "toml",
    "workers",
    "ray_workers",
    "outputs",
    "__version__",
}
# Each room with the rooms it may import; it stands below all of them.
ROOMS: dict[str, set[str]] = {
    "media": set(),
    "faces": {"media"},
    "clips": {"media", "faces"},
    "speaking": {"media", "faces"},
    "models": set(),
    "records": set(),
    "weights": {"models", "records"},
    "runtime": {"media", "faces", "clips", "speaking", "weights", "models"},
    "pulling": {"weights"},
    "tiers": set(),
    "corpora": {"media", "clips", "recipes", "runtime", "tiers", "timeline"},
    "preparing": {"media", "faces", "clips", "corpora"},
    "puppets": {"media", "faces", "corpora", "preparing"},
    "timeline": {"runtime"},
    "report": {"media", "runtime", "timeline", "weights"},
    "report.html": {"clips", "faces", "media", "report", "runtime", "timeline", "weights"},
    "evaluation": {"clips", "corpora", "puppets", "runtime", "records", "weights", "report"},
    "evaluation.comparison": {"corpora", "evaluation", "report", "weights"},
    "evaluation.real_check": {"clips", "evaluation", "media", "report", "runtime", "weights"},
    "recipes": {"models", "weights"},
    "augmentation": {"clips", "recipes"},
    "training": {"models", "records", "weights", "recipes"},
    "training.pretraining": {
        "media",
        "faces",
        "clips",
        "models",
        "records",
        "weights",
        "runtime",
        "corpora",
        "preparing",
        "report",
        "recipes",
        "augmentation",
        "training",
    },
    "training.finetuning": {
        "clips",
        "models",
        "records",
        "weights",
        "runtime",
        "corpora",
        "evaluation",
        "report",
        "augmentation",
        "recipes",
        "training",
    },
}
ROOMS["serving"] = {"report", "runtime"}
ROOMS["cards"] = {"corpora", "evaluation", "pulling", "report", "weights"}
ROOMS["training.finetuning"] |= {"cards"}
ROOMS["web"] = {"exporting", "faces", "pulling", "report", "report.html", "runtime", "speaking", "weights"}
ROOMS["summaries"] = {"corpora", "report", "runtime", "timeline"}
ROOMS["reruns"] = {"corpora", "records", "weights", "training", "training.pretraining", "training.finetuning"}
ROOMS["doctor"] = {"faces", "media", "puppets", "records", "runtime", "speaking", "weights"}
ROOMS["embedding"] = {"clips", "models", "weights", "runtime", "corpora", "evaluation"}
ROOMS["exporting"] = {"clips", "corpora", "evaluation", "report", "runtime", "weights"}
ROOMS["bench"] = set(ROOMS)
ROOMS["studies"] = {
    "bench",
    "clips",
    "corpora",
    "embedding",
    "evaluation",
    "evaluation.comparison",
    "models",
    "puppets",
    "recipes",
    "records",
    "report",
    "report.html",
    "runtime",
    "training",
    "training.finetuning",
    "training.pretraining",
    "weights",
}
ROOMS["cli"] = set(ROOMS)
# Only these know torch: the rest runs, or at least starts, in an install without it.
TORCH_ROOMS = {"models", "augmentation", "training", "training.pretraining", "training.finetuning"}
TORCH_FILES = {
    "weights/authors_file.py",
    "weights/checkpoint.py",
    "weights/export.py",
    "weights/checkpoint_archive.py",
    "weights/checkpoint_pickle.py",
    "runtime/torch_engine.py",
    "bench/device.py",
    "doctor/devices.py",
    "bench/evaluation.py",
    "bench/pretraining.py",
    "bench/finetuning.py",
    "bench/step.py",
    "bench/validation.py",
    "embedding/extractor.py",
    "exporting/export.py",
    "exporting/report.py",
    "studies/estimate.py",
    "studies/jobs.py",
    "studies/measuring.py",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """(path in the package, syntax tree) of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Full names of what a module imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(name: str) -> str:
    """The room of a dotted name below ``hicmae_cli``, or the ground file."""
    first, *rest = name.split(".")
    wing = f"{first}.{rest[0]}" if rest else ""
    return wing if wing in ROOMS else first


def test_every_room_is_known() -> None:
    folders = {path.parent.relative_to(PACKAGE).as_posix().replace("/", ".") for path in PACKAGE.rglob("__init__.py")}
    assert folders - {".", "corpora.known"} == set(ROOMS)


def test_the_rooms_have_an_order() -> None:
    """No room can import one that imports it, over any number of others."""
    placed: set[str] = set()
    while len(placed) < len(ROOMS):
        ready = {room for room, below in ROOMS.items() if room not in placed and below <= placed}
        assert ready, f"a circle among {set(ROOMS) - placed}"
        placed |= ready


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_one_way(room: str) -> None:
    for path, tree in sources():
        dotted = path.removesuffix(".py").replace("/", ".")
        if "." in dotted and room_of(dotted) == room:
            names = {name.removeprefix("hicmae_cli.") for name in imported(tree) if name.startswith("hicmae_cli.")}
            assert {room_of(name) for name in names} <= {room} | ROOMS[room] | GROUND, (
                f"{path} imports a room that ROOMS does not allow for {room}"
            )


def test_no_arrow_is_allowed_in_vain() -> None:
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path, tree in sources():
        dotted = path.removesuffix(".py").replace("/", ".")
        if room_of(dotted) in ROOMS:
            names = {name.removeprefix("hicmae_cli.") for name in imported(tree) if name.startswith("hicmae_cli.")}
            used[room_of(dotted)] |= {room_of(name) for name in names}
    assert {
        room: below - used[room] for room, below in ROOMS.items() if room not in ("bench", "cli") and below - used[room]
    } == {}


def test_torch_is_known_to_few() -> None:
    for path, tree in sources():
        if room_of(path.removesuffix(".py").replace("/", ".")) not in TORCH_ROOMS and path not in TORCH_FILES:
            assert not {name for name in imported(tree) if name.split(".")[0] == "torch"}, (
                f"{path} imports torch; only TORCH_ROOMS and TORCH_FILES may"
            )


def test_no_room_holds_more_than_a_sixth_of_the_lines() -> None:
    lines: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        lines[room] = lines.get(room, 0) + path.read_text("utf-8").count("\n")
    assert {room: count for room, count in lines.items() if count > sum(lines.values()) / 6} == {}


def test_modules_and_functions_stay_readable() -> None:
    """At most 400 lines a module, and 80 a function below its signature and docstring."""
    long_modules, long_functions = set(), set()
    for path, tree in sources():
        if (PACKAGE / path).read_text("utf-8").count("\n") > 400:
            long_modules.add(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
                if (node.end_lineno or 0) - first.lineno >= 80:
                    long_functions.add(f"{path}: {node.name}")
    assert (long_modules, long_functions) == (set(), set())
