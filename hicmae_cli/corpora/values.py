"""What a clip is labelled with: the name of a class, a set of labels, or one number per target of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from hicmae_cli.errors import ManifestError
from hicmae_cli.tasks import join_labels

Target: TypeAlias = str | tuple[float, ...] | frozenset[str]
"""A class by its name, the values of a regression in the order of its targets, or the labels of a multi-label clip."""

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
    if not isinstance(target, tuple) or len(target) != len(targets):
        raise _wrong_values(format_target(target), targets, where)
    return target


def format_target(target: Target) -> str:
    """Write a target as a manifest has it: a name, names joined by ``+``, or numbers with one space between them."""
    if isinstance(target, frozenset):
        return join_labels(target)
    return target if isinstance(target, str) else " ".join(map(repr, target))


def name_class(target: Target) -> str:
    """Name the class to balance splits over: each set of labels is one, and so are all values of a regression."""
    return "" if isinstance(target, tuple) else format_target(target)


def _wrong_values(text: str, targets: Sequence[str], where: str) -> ManifestError:
    return ManifestError(
        f"{where}: expected {len(targets)} numbers ({', '.join(targets)}) with spaces between them as the label, "
        f"got {text!r}"
    )
