"""The parameters of the library call that trains, recorded whatever they are.

A function that is decorated with `recorded` needs no code for a new parameter: its signature says which there are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_CURRENT: ContextVar[Call | None] = ContextVar("current training call", default=None)
_HOOKS: Final = ("Callable", "Progress")


@dataclass(frozen=True)
class Call:
    """A call of a library function.

    Attributes:
        parameters: every parameter but hooks, as JSON values; paths that exist are absolute.
        paths: names of the parameters that are paths.
    """

    parameters: Mapping[str, Any]
    paths: frozenset[str]

    def without_folders(self) -> dict[str, Any]:
        """Return the parameters with the names of files and folders only, as they may be published."""
        return {
            name: Path(value).name if name in self.paths and isinstance(value, str) else value
            for name, value in self.parameters.items()
        }


def recorded(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function remember its parameters for `current_call` while it runs."""
    signature = inspect.signature(function)

    @wraps(function)
    def call(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        token = _CURRENT.set(_read_call(signature, bound.arguments))
        try:
            return function(*given, **named)
        finally:
            _CURRENT.reset(token)

    return call


def current_call() -> Call | None:
    """Return the recorded call that this code runs in; None outside of one."""
    return _CURRENT.get()


def _read_call(signature: inspect.Signature, arguments: Mapping[str, Any]) -> Call:
    annotations = {name: str(parameter.annotation) for name, parameter in signature.parameters.items()}
    paths = frozenset(name for name, text in annotations.items() if "Path" in text)
    return Call(
        {
            name: _write_path(value) if name in paths and value is not None else _to_plain(value)
            for name, value in arguments.items()
            if not any(word in annotations[name] for word in _HOOKS)
        },
        paths,
    )


def _write_path(value: str | Path) -> str:
    """Make a path absolute if it exists; other texts, such as the name of a weight, stay."""
    return str(Path(value).absolute()) if Path(value).exists() else str(value)


def _to_plain(value: Any) -> Any:
    """Turn a value into one that JSON has; anything unknown becomes its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _to_plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_to_plain(inner) for inner in value]
    return str(value)
