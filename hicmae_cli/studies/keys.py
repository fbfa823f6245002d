"""Keys of runs: what decides the numbers of a run, hashed, so that no run is computed twice.

A key covers every resolved value of the recipe (without those of the machine), the clips with their labels and splits,
the known dataset (which orders labels and merges clips), the tested fold, the run that it starts from, the kind of
device, the versions of the packages that compute, and the code: the source of the rooms and modules that decide the
numbers of its phase. The seed is a value of the recipe. Names, folders and dates do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from hicmae_cli.files import hash_lines

_PACKAGE: Final = Path(__file__).parents[1]
_TRAINED_BY: Final = (
    *("media", "clips", "models", "augmentation", "recipes", "training", "model_input.py", "labels.py"),
    *("metric_names.py", "tasks.py", "modalities.py", "weights/info.py", "weights/checkpoint.py"),
    # Labels, their codes and order, and which clips are decided as one.
    *("corpora/manifest.py", "corpora/splits.py", "corpora/dealing.py", "corpora/values.py"),
    *("corpora/dataset.py", "corpora/known", "corpora/unlabelled.py"),
)
_MEASURED_BY: Final = (
    *("evaluation", "embedding", "runtime"),
    # Babble is made of their voices.
    *("puppets/voice.py", "puppets/manners.py", "puppets/world.py"),
    *("studies/jobs.py", "studies/measures.py", "studies/measuring.py"),
)
_PACKAGES: Final = ("torch", "torchvision", "accelerate", "numpy", "scipy", "opencv-contrib-python", "av", "pillow")
_MEASURING_PACKAGES: Final = ("scikit-learn",)


def hash_key(facts: Mapping[str, Any]) -> str:
    """Hash the facts of a run, 16 digits."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def hash_code(*, measuring: bool) -> str:
    """Hash the source of the rooms that decide the numbers of a training, or also of what is measured on it."""
    rooms = (*_TRAINED_BY, *_MEASURED_BY) if measuring else _TRAINED_BY
    found: list[Path] = []
    for room in rooms:
        path = _PACKAGE / room
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    lines = [f"{path.relative_to(_PACKAGE).as_posix()} {_hash_source(path)}" for path in found]
    return hash_lines(lines)[:16]


def _hash_source(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def list_packages(*, measuring: bool) -> dict[str, str]:
    """List the versions of the packages that compute, as far as installed, without importing them."""
    found = {}
    for package in (*_PACKAGES, *_MEASURING_PACKAGES) if measuring else _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
