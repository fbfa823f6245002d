"""What a clip is labelled with: the name of a class or, for a regression, one number per target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from hicmae_cli.errors import ManifestError

Target: TypeAlias = str | tuple[float, ...]
"""A class by its name, or the values of a regression in the order of its targets."""

_LARGEST: Final = 1e6  # losses square the values in float32


def parse_values(text: str) -> tuple[float, ...] | None:
    """Read numbers with spaces between them; None where one is no number, not finite or larger than 1e6."""
    try:
        values = tuple(float(word) for word in text.split())
    except ValueError:
        return None
    return values if values and all(abs(value) <= _LARGEST for value in values) else None


def parse_targets(text: str, targets: Sequence[str], where: str) -> tuple[float, ...]:
    """Read the value of each target from the label of a manifest line.

    Args:
        text: e.g. ``"0.5 -1.25 2"``.
        targets: names of the targets.
        where: how a message begins.

    Raises:
        ManifestError: not one number for each target.
    """
    values = parse_values(text)
    if values is None or len(values) != len(targets):
        raise _wrong_values(text, targets, where)
    return values


def check_values(target: Target, targets: Sequence[str], where: str) -> tuple[float, ...]:
    """Check that a clip has one value for each target of a regression, and return the values.

    Raises:
        ManifestError: a class, or another number of values.
    """
    if isinstance(target, str) or len(target) != len(targets):
        raise _wrong_values(target if isinstance(target, str) else format_target(target), targets, where)
    return target


def format_target(target: Target) -> str:
    """Write a target as a manifest has it: a name, or numbers with one space between them."""
    return target if isinstance(target, str) else " ".join(map(repr, target))


def _wrong_values(text: str, targets: Sequence[str], where: str) -> ManifestError:
    return ManifestError(
        f"{where}: expected {len(targets)} numbers ({', '.join(targets)}) with spaces between them as the label, "
        f"got {text!r}"
    )
