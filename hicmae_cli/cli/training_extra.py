"""What the training commands share: one clear line where packages are missing, and which process this is."""

from __future__ import annotations

import importlib.util
import os

from hicmae_cli.errors import MissingDependencyError, install_hint


def require_training(command: str, *packages: str) -> None:
    """Check for packages before anything heavy is imported.

    Raises:
        MissingDependencyError: names what is missing and how to get it.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"hicmae {command} needs {', '.join(missing)}: install it with {install_hint('train')}"
        )


def process_number() -> int:
    """Number of this process among those that a launcher started; 0 without one."""
    return int(os.environ.get("RANK", "0"))
