"""Kinds of task: what the outputs of a model mean, and how sets of labels follow from probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

Kind = Literal["classification", "multilabel", "regression"]
"""One class of several, a set of labels, or a value for each target."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
JOINT: Final = "+"
"""Joins the labels of a set in text: ``anger+fear``."""
THRESHOLD: Final = 0.5
"""A label belongs to a predicted set if its probability is above this."""


def join_labels(labels: Iterable[str]) -> str:
    """Write a set of labels as text, in alphabetical order."""
    return JOINT.join(sorted(labels))


def pick_labels(labels: Sequence[str], probabilities: Sequence[float]) -> frozenset[str]:
    """Return the labels with a probability above ``THRESHOLD``; without any, the most probable one.

    Args:
        labels: names (C,).
        probabilities: of each label on its own (C,); they need not sum to one.
    """
    picked = frozenset(label for label, p in zip(labels, probabilities, strict=True) if p > THRESHOLD)
    return picked or frozenset({labels[max(range(len(labels)), key=probabilities.__getitem__)]})
