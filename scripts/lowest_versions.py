"""Print the lowest allowed version of each base dependency, as pins for this platform and this Python.

    python scripts/lowest_versions.py > lowest.txt
    python -m pip install --only-binary :all: --constraint lowest.txt .

``make lowest`` does this in a new virtual environment. It needs a Python for which the old versions have wheels: 3.10
to 3.12.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def read_dependencies(path: Path = PYPROJECT) -> list[str]:
    """Read the base dependencies of the project."""
    dependencies: list[str] = tomllib.loads(path.read_text("utf-8"))["project"]["dependencies"]
    return dependencies


def pin_lowest(dependencies: Iterable[str]) -> list[str]:
    """Pin each dependency that applies here to its lowest allowed version, e.g. ``numpy>=1.26`` to ``numpy==1.26``.

    Raises:
        ValueError: a dependency without exactly one lower bound.
    """
    pins = []
    for requirement in map(Requirement, dependencies):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        lowest = [bound.version for bound in requirement.specifier if bound.operator in (">=", "==", "~=")]
        if len(lowest) != 1:
            raise ValueError(f"{requirement}: expected one lower bound (>=), got {len(lowest)}")
        pins.append(f"{canonicalize_name(requirement.name)}=={lowest[0]}")
    return pins


if __name__ == "__main__":
    print("\n".join(pin_lowest(read_dependencies())))
