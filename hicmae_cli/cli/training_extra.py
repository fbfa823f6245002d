"""One clear line where a command needs the packages of the ``train`` extra."""

from __future__ import annotations

import importlib.util

from hicmae_cli.errors import MissingDependencyError

_PACKAGES = ("torch", "torchvision", "accelerate", "sklearn", "onnx", "onnxscript")


def require_training(command: str) -> None:
    """Check the extra before anything heavy is imported.

    Raises:
        MissingDependencyError: names what is missing and how to get it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"hicmae {command} needs {', '.join(missing)}: install it with pip install 'hicmae[train]'"
        )
