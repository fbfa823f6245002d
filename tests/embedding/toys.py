"""Tables of random embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hicmae_cli.embedding.table import Embeddings


def make_table(
    rows: int,
    widths: Mapping[str, int],
    *,
    labels: Sequence[str] = ("anger", "fear", "joy"),
    people: int = 3,
    folds: int = 0,
    about: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Embeddings:
    """Clips of some people, whose labels take turns; people are dealt to folds."""
    rng = np.random.default_rng(seed)
    speakers = [index // len(labels) % people for index in range(rows)]
    texts = {
        "id": [f"clip {index}" for index in range(rows)],
        "person": [""] * rows,
        "modality": ["av"] * rows,
        "label": [labels[index % len(labels)] for index in range(rows)],
        "fold": [str(speaker % folds + 1) if folds else "" for speaker in speakers],
        "split": [""] * rows,
        "speaker": [f"person {speaker}" for speaker in speakers],
    }
    times = np.full(rows, np.nan)
    columns = {**{name: np.array(values, np.str_) for name, values in texts.items()}, "start_s": times, "end_s": times}
    layers = {name: rng.standard_normal((rows, width)).astype(np.float32) for name, width in widths.items()}
    return Embeddings(columns, layers, about or {})
