"""Labels that are numbers: the targets of a regression, as a manifest writes them, with spaces between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hicmae_cli.errors import ManifestError

_LARGEST: Final = 1e6  # losses square them in float32


def numbers_of(label: str) -> list[float] | None:
    """The numbers that a label is, or None; what is infinite, or larger than anybody rates, is none."""
    try:
        values = [float(word) for word in label.split()]
    except ValueError:
        return None
    return values if values and all(abs(value) <= _LARGEST for value in values) else None


def values_of(label: str, targets: Sequence[str], where: str) -> list[float]:
    """The value of each target.

    Args:
        label: e.g. ``"0.5 -1.25 2"``.
        targets: their names.
        where: what to begin a message with.

    Raises:
        ManifestError: not as many numbers as targets.
    """
    values = numbers_of(label)
    if values is None or len(values) != len(targets):
        raise ManifestError(
            f"{where}: expected {len(targets)} numbers ({', '.join(targets)}) with spaces between them as the label, "
            f"got {label!r}"
        )
    return values
