"""Check an installation from the Python version to a prediction; no check can stop the others."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import hicmae_cli
from hicmae_cli.doctor.devices import check_onnx_runtime, check_torch
from hicmae_cli.doctor.files import check_folders, check_models
from hicmae_cli.doctor.packages import check_extras, check_packages
from hicmae_cli.doctor.results import Check, Checkup
from hicmae_cli.doctor.trial import check_drawing, check_media, check_prediction
from hicmae_cli.errors import first_line
from hicmae_cli.records.surroundings import read_cpu_model, read_own_commit
from hicmae_cli.workers import count_cores

_PYTHONS: Final = (3, 10), (3, 13)


def check_system() -> Iterator[Check]:
    """Check the version of Python, and describe hicmae and the machine."""
    commit = read_own_commit()
    checkout = f", commit {commit}" if commit is not None else ""
    yield Check("system", "hicmae", "ok", f"{hicmae_cli.__version__} in {Path(hicmae_cli.__file__).parent}{checkout}")
    lowest, highest = (".".join(map(str, version)) for version in _PYTHONS)
    fits = _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]
    found = f"{platform.python_version()} ({sys.executable})"
    advice = "" if fits else f"install hicmae with Python {lowest} to {highest}"
    yield Check("system", "Python", "ok" if fits else "broken", found, advice)
    yield Check("system", "platform", "ok", platform.platform())
    cores = f"{count_cores()} of {os.cpu_count()} cores"
    yield Check("system", "processor", "ok", f"{read_cpu_model()}, {cores}")


CHECKS: Final[dict[str, Callable[[], Iterator[Check]]]] = {
    "system": check_system,
    "packages": check_packages,
    "extras": check_extras,
    "ONNX Runtime": check_onnx_runtime,
    "torch": check_torch,
    "models": check_models,
    "folders": check_folders,
    "media": check_media,
    "puppets": check_drawing,
    "trial": check_prediction,
}
"""By group. To add a check, add it to a function here."""


def check_installation(on_group: Callable[[str], None] = lambda _: None) -> Checkup:
    """Check that hicmae works on this machine: packages, devices, models, folders, codecs, and a trial prediction.

    Libraries are loaded in processes of their own, so one that crashes or hangs is a line of the result. Nothing opens
    a network connection.

    Args:
        on_group: called with the name of each group of checks before it starts.
    """
    started_s = time.perf_counter()
    checks: list[Check] = []
    for group, check in CHECKS.items():
        on_group(group)
        try:
            for found in check():
                checks.append(found)  # noqa: PERF402 (those before an error are kept)
        except Exception as error:
            checks.append(_describe_fault(group, error))
    return Checkup(tuple(checks), time.perf_counter() - started_s)


def _describe_fault(group: str, error: Exception) -> Check:
    """Return the line for a group of checks that could not be made."""
    found = f"could not be checked: {type(error).__name__}: {first_line(error)}"
    return Check(group, f"checks of {group}", "broken", found, "see the broken lines above")
