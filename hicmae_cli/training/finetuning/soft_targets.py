"""Targets that are probabilities before clips are mixed: smoothed labels, and a teacher's opinion of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hicmae_cli.augmentation.mixing import soft_targets
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import ManifestError
from hicmae_cli.labels import canonical_label
from hicmae_cli.recipes.settings import FinetuneSettings

TEACHER: Final = "teacher_"
"""How the columns with a teacher's probability of each label begin."""
_ROUNDING: Final = 0.01


def soften_targets(
    samples: Sequence[Sample], targets: Tensor, labels: Sequence[str], settings: FinetuneSettings
) -> Tensor:
    """Turn labels into the probabilities to learn (n, C): (1 - w) x smoothed label + w x teacher.

    A clip without a teacher's probabilities keeps its smoothed label.

    Args:
        samples: the clips.
        targets: their label indices (n,), or their sets of labels (n, C).
        labels: names of the outputs.
        settings: the recipe, for w (``teacher_weight``) and ``label_smoothing``.

    Raises:
        ManifestError: as ``read_teacher``; or no clip has a teacher, but the recipe asks for one.
    """
    soft = soft_targets(targets, len(labels), settings.label_smoothing)
    if not settings.teacher_weight:
        return soft
    teacher = torch.from_numpy(read_teacher(samples, labels))
    taught = ~teacher.isnan().any(dim=1)
    if len(samples) and not taught.any():
        raise ManifestError(
            f"teacher_weight={settings.teacher_weight:g}: no training clip has columns such as {TEACHER}{labels[0]}; "
            "add them, or use teacher_weight=0"
        )
    soft[taught] = torch.lerp(soft[taught], teacher[taught], settings.teacher_weight)
    return soft


def read_teacher(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.float32]:
    """Read a teacher's probabilities of the labels (n, C) from the columns ``teacher_LABEL``.

    Returns:
        Probabilities that sum to 1 in each row; a row of a clip whose columns are empty is NaN.

    Raises:
        ManifestError: a clip has probabilities of some labels only, of other labels, or ones that do not sum to 1.
    """
    rows = [_read_row(sample, labels) for sample in samples]
    return np.array(rows, np.float32).reshape(len(samples), len(labels))


def _read_row(sample: Sample, labels: Sequence[str]) -> list[float]:
    given = {
        canonical_label(column.removeprefix(TEACHER)): text.strip()
        for column, text in sample.extra.items()
        if column.startswith(TEACHER) and text.strip()
    }
    if not given:
        return [float("nan")] * len(labels)
    expected = f"clip {sample.id}: expected a probability in each of {', '.join(TEACHER + each for each in labels)}"
    if set(given) != set(labels):
        wrong = sorted(set(given) ^ set(labels))
        raise ManifestError(f"{expected}, or all empty; {wrong[0]} is {'missing' if wrong[0] in labels else 'unknown'}")
    try:
        row = [float(given[label]) for label in labels]
    except ValueError as error:
        raise ManifestError(f"{expected}, got text that is no number: {', '.join(given.values())}") from error
    total = sum(row)
    if not (min(row) >= 0 and abs(total - 1) <= _ROUNDING):
        raise ManifestError(f"{expected} of at least 0, which sum to 1; got {', '.join(given.values())}")
    return [value / total for value in row]
