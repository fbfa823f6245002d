"""The lowest allowed versions: one lower bound for each base dependency."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[1] / "scripts" / "lowest_versions.py"
_spec = importlib.util.spec_from_file_location("lowest_versions", SCRIPT)
assert _spec is not None and _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


def test_every_base_dependency_is_pinned_once() -> None:
    pins = script.pin_lowest(script.read_dependencies())
    names = [pin.partition("==")[0] for pin in pins]
    assert len(set(names)) == len(names) >= 10
    assert "numpy==1.26" in pins
    # Of the two builds of ONNX Runtime, the one for this platform.
    assert sum(name.startswith("onnxruntime") for name in names) == 1
    assert ("tomli" in names) == (sys.version_info < (3, 11))


def test_this_install_is_within_the_bounds() -> None:
    from importlib.metadata import version

    for requirement in map(Requirement, script.read_dependencies()):
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) in requirement.specifier, requirement


def test_bounds_become_pins() -> None:
    bounds = ["A_b>=1.2,<2", "c~=3.1", 'd>=1; python_version < "3"', "e[x]>=0.4.5"]
    assert script.pin_lowest(bounds) == ["a-b==1.2", "c==3.1", "e==0.4.5"]


@pytest.mark.parametrize("bound", ["a", "a<2", "a>1"])
def test_a_dependency_needs_a_lower_bound(bound: str) -> None:
    with pytest.raises(ValueError, match="expected one lower bound"):
        script.pin_lowest([bound])
