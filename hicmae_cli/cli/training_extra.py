"""What the training commands share: one clear line where packages are missing, and which process this is."""

from __future__ import annotations

import importlib
import importlib.util
import os

from hicmae_cli.errors import MissingDependencyError, install_hint


def require_training(command: str, *packages: str) -> None:
    """Import heavy packages under a spinner, once it is clear that all of them are there.

    Raises:
        MissingDependencyError: names what is missing and how to get it.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"hicmae {command} needs {', '.join(missing)}: install it with {install_hint('train')}"
        )

    from rich.console import Console

    with Console(stderr=True).status(f"loading {packages[0]}"):
        for name in packages:
            importlib.import_module(name)


def process_number() -> int:
    """Number of this process among those that a launcher started; 0 without one."""
    return int(os.environ.get("RANK", "0"))
