"""Check the Python packages: versions, imports, and packages that overwrite each other."""

from __future__ import annotations

import ctypes
import importlib
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hicmae_cli.doctor.apart import run_all_apart
from hicmae_cli.doctor.libraries import advise_on_import
from hicmae_cli.doctor.results import Check
from hicmae_cli.errors import first_line, install_hint
from hicmae_cli.toml import parse_toml
from hicmae_cli.workers import Report, WorkerDiedError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_FOR_DEVELOPERS: Final = "dev"
"""The extra that adds no feature."""
_MODULES: Final = {
    "onnxruntime-gpu": "onnxruntime",
    "opencv-contrib-python": "cv2",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
}
"""Modules with another name than their package."""
_ONNX_BUILDS: Final = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
"""Builds of ONNX Runtime for several devices: any of them will do."""
_SAME_FILES: Final = (
    _ONNX_BUILDS,
    ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless"),
)
"""Packages that install the same files: the last one installed wins, and removing one breaks the other."""
_NEEDS: Final = {
    "cv2": ("libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0"),
    "mediapipe": ("libEGL.so.1", "libGLESv2.so.2", "libGL.so.1"),
}
"""A loader stops at the first library that is missing; these are tried, too, so that one command installs them all."""


def check_packages() -> Iterator[Check]:
    """Check the version and the import of every package of the base install."""
    yield from _check_each("packages", list_requirements(""))
    for names in _SAME_FILES:
        installed = [name for name in names if _find_version(name) is not None]
        if len(installed) > 1:
            yield Check(
                "packages",
                " + ".join(installed),
                "note",
                "install the same files: the one that was installed last is used",
                f"run `pip uninstall -y {' '.join(installed)}` and install hicmae again",
            )


def check_extras() -> Iterator[Check]:
    """Check the packages of each extra that are installed, and say which extras are not."""
    seen = {requirement.name for requirement in list_requirements("")}
    # An extra that includes another comes after it, and has only its own packages.
    for extra in sorted(list_extras(), key=lambda extra: len(list_requirements(extra))):
        wanted = [requirement for requirement in list_requirements(extra) if requirement.name not in seen]
        seen |= {requirement.name for requirement in wanted}
        missing = [requirement.name for requirement in wanted if _find_version(requirement.name) is None]
        yield from _check_each("extras", [requirement for requirement in wanted if requirement.name not in missing])
        if missing:
            found = f"not installed: {', '.join(missing)}"
            yield Check("extras", f"extra {extra}", "note", found, f"to use it, run {install_hint(extra)}")


def list_extras() -> list[str]:
    """List the extras that add a feature."""
    try:
        names: list[str] = metadata.metadata("hicmae").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        names = list(_read_project()["optional-dependencies"])
    return [name for name in names if name != _FOR_DEVELOPERS]


def list_requirements(extra: str) -> list[Requirement]:
    """List what hicmae requires on this system, for the base install or for one extra alone.

    Args:
        extra: name of an extra; empty for the base install.
    """
    from packaging.requirements import Requirement

    found = []
    for text in _read_requirements():
        requirement = Requirement(text)
        marker = requirement.marker
        is_base = marker is None or marker.evaluate({"extra": ""})
        is_wanted = is_base if not extra else not is_base and marker is not None and marker.evaluate({"extra": extra})
        if is_wanted and requirement.name != "hicmae":
            found.append(requirement)
    return found


def _read_requirements() -> list[str]:
    """Read the requirements of the installed package or, in a checkout that is not installed, of its project file."""
    try:
        return metadata.requires("hicmae") or []
    except metadata.PackageNotFoundError:
        project = _read_project()
    listed = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        listed += [_with_extra(text, extra) for text in requirements]
    return listed


def _read_project() -> dict[str, Any]:
    """Read the section ``project`` of the project file of a checkout."""
    project: dict[str, Any] = parse_toml((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def _with_extra(text: str, extra: str) -> str:
    requirement, _, marker = text.partition(";")
    also = f"({marker.strip()}) and " if marker else ""
    return f"{requirement.strip()} ; {also}extra == '{extra}'"


def _check_each(group: str, requirements: Sequence[Requirement]) -> Iterator[Check]:
    """Check packages: installed, of a version that fits, and importable."""
    fitting: dict[str, Requirement] = {}
    for requirement in requirements:
        problem = _check_version(group, requirement)
        if problem is None:
            fitting[_MODULES.get(requirement.name.lower(), requirement.name.replace("-", "_"))] = requirement
        else:
            yield problem
    for module, outcome in run_all_apart(try_import, list(fitting)):
        requirement = fitting[module]
        installed = _find_installed(requirement.name) or requirement.name
        version = _find_version(installed) or ""
        if outcome is None:
            stand_in = f" of {installed}, which stands in for it" if installed != requirement.name else ""
            yield Check(group, requirement.name, "ok", f"{version}{stand_in}")
            continue
        message, missing = (str(outcome), ()) if isinstance(outcome, WorkerDiedError) else outcome
        reinstall = f"run `pip install --force-reinstall '{requirement.name}{requirement.specifier}'`"
        yield Check(
            group,
            requirement.name,
            "broken",
            f"{version}, but it cannot be imported: {message}",
            advise_on_import(message, missing) or reinstall,
        )


def _check_version(group: str, requirement: Requirement) -> Check | None:
    """Return what is wrong with the version of a package; None if it fits."""
    name, is_base = requirement.name, group == "packages"
    installed = _find_installed(name)
    version = _find_version(installed) if installed else None
    if version is None:
        return Check(group, name, "broken", "not installed", "run `pip install .` in the checkout of hicmae")
    if requirement.specifier.contains(version, prereleases=True):
        return None
    found = f"{version}; hicmae needs {requirement.specifier}"
    return Check(
        group, name, "broken" if is_base else "note", found, f"run `pip install '{name}{requirement.specifier}'`"
    )


def try_import(module: str, report: Report) -> tuple[str, tuple[str, ...]] | None:
    """Import a module -> None, or the error and the further system libraries that it lacks.

    Call it in a process of its own: it changes how modules are imported there.
    """
    # urllib3, which others import, would open a socket to see whether there is IPv6; doctor opens none.
    socket.has_ipv6 = False
    try:
        if module == "onnxruntime":
            from hicmae_cli.onnx_runtime import import_onnxruntime

            import_onnxruntime()  # without telemetry
        else:
            importlib.import_module(module)
    except (Exception, SystemExit) as error:
        needs = _NEEDS.get(module, ()) if sys.platform == "linux" else ()
        return f"{type(error).__name__}: {first_line(Exception(*error.args))}", tuple(
            name for name in needs if not _can_load(name)
        )
    return None


def _find_installed(name: str) -> str | None:
    """Return a package, or another build of it that is installed in its place; None without any."""
    builds = (name, *_ONNX_BUILDS) if name in _ONNX_BUILDS else (name,)
    return next((build for build in builds if _find_version(build) is not None), None)


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _find_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
