"""What the training commands share: the check for missing packages, and the number of this process."""

from __future__ import annotations

import importlib
import importlib.util
import os

from hicmae_cli.errors import MissingDependencyError, install_hint


def require_training(command: str, *packages: str) -> None:
    """Import heavy packages under a spinner, after a check that all of them are installed.

    Args:
        command: the command that needs them, for the message.
        packages: their names.

    Raises:
        MissingDependencyError: names the missing packages and how to install them.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"hicmae {command} needs {', '.join(missing)}: install it with {install_hint('train')}"
        )
    from hicmae_cli.cli.screen import Screen

    with Screen().wait(f"loading {packages[0]}"):
        for name in packages:
            importlib.import_module(name)


def process_number() -> int:
    """Number of this process among those of a launcher such as torchrun; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))
