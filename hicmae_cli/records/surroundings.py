"""Where a run happens: versions, git commits, and the computer."""

from __future__ import annotations

import platform
import shutil
import subprocess
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path

from hicmae_cli import __version__
from hicmae_cli.records.facts import Commit

_PACKAGES = ("torch", "numpy", "accelerate", "onnxruntime", "onnxruntime-gpu", "safetensors", "av")
_GIT_TIMEOUT_S = 10


def list_versions() -> dict[str, str]:
    """List the versions of hicmae, of Python, and of the packages that decide a run's numbers, as far as installed."""
    found = {"hicmae": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def read_own_commit() -> Commit | None:
    """Read the commit of hicmae's checkout; None for an installed package."""
    # Of a package that is installed somewhere inside another project, git would name that project's commit.
    checkout = Path(__file__).parents[2]
    return _read_commit(checkout) if (checkout / ".git").exists() else None


def read_project_commit() -> Commit | None:
    """Read the commit of the working folder; None if it is in no repository, or in hicmae's own."""
    found = _read_commit(Path.cwd())
    return None if found == read_own_commit() else found


@cache
def _read_commit(folder: Path) -> Commit | None:
    if (git := shutil.which("git")) is None:
        return None
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603 (a fixed command)
                [git, "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT_S
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Commit(commit=commit, modified=bool(changes))


def describe_machine() -> dict[str, str]:
    """Describe operating system and processor; nothing here names the computer or its user."""
    return {"system": f"{platform.system()} {platform.machine()}", "cpu": read_cpu_model()}


def read_cpu_model() -> str:
    """Read the name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def name_host() -> str:
    """Return the computer's name."""
    return platform.node()


def now_utc() -> str:
    """Return the time, such as ``2026-03-01T12:00:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
