"""What is published of the datasets' splits: counts, hashes and the paper's results (``protocols.json``).

Counts, hashes and results per fold are those of the lists in the authors' repository (sunlicai/HiCMAE, cdd28d4). DFEW's
are of the same authors' visual-only lists; IEMOCAP's of its annotation files; MER2023's of the challenge.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from hicmae_cli.corpora.dataset import SplitFacts


def facts_of(title: str) -> dict[str, SplitFacts]:
    """Published facts of a dataset by fold; ``""`` stands for a fixed split.

    Raises:
        KeyError: nothing is known of a dataset of this title.
    """
    return {fold: _facts(values) for fold, values in _protocols()[title].items()}


@cache
def _protocols() -> dict[str, dict[str, dict[str, Any]]]:
    text = (resources.files("hicmae_cli.corpora") / "protocols.json").read_text("utf-8")
    loaded: dict[str, dict[str, dict[str, Any]]] = json.loads(text)
    return loaded


def _facts(values: dict[str, Any]) -> SplitFacts:
    return SplitFacts(
        train=values["train"],
        test=values["test"],
        train_sha256=values.get("train_sha256", ""),
        test_sha256=values.get("test_sha256", ""),
        scores=values.get("scores", {}),
        train_counts=tuple(values.get("train_counts", ())),
        test_counts=tuple(values.get("test_counts", ())),
    )
