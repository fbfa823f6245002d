"""Read the published facts about splits: counts, hashes and the paper's results (``protocols.json``).

Counts, hashes and results per fold come from the lists in the authors' repository (sunlicai/HiCMAE, cdd28d4), for DFEW
from the same authors' visual-only lists, for IEMOCAP from its annotation files, for MER2023 from the challenge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from hicmae_cli.corpora.dataset import Dataset, SplitFacts


def read_published(title: str) -> dict[str, SplitFacts]:
    """Return the published facts of a dataset by fold; ``""`` is the fixed split.

    Raises:
        KeyError: no dataset has this title.
    """
    return {fold: _make_facts(values) for fold, values in _read_protocols()[title].items()}


def equals_published(dataset: Dataset, clips: Iterable[tuple[str, str]], sha256: str) -> bool:
    """Return whether clips are those of a published list; ids are also tried as the authors name their folders.

    Args:
        dataset: the dataset of the clips.
        clips: id and label of each clip; the values of a regression as Python writes them.
        sha256: the published hash; see ``hash_split``.
    """
    # The catalogue imports this module, and must start fast: `splits` imports numpy.
    from hicmae_cli.corpora.splits import hash_split

    codes = {label: str(index) for index, label in enumerate(dataset.labels)} if dataset.task != "regression" else {}
    pairs = [(id_, codes.get(label, label)) for id_, label in clips]
    return any(
        hash_split((f"{id_}{suffix}", label) for id_, label in pairs) == sha256
        for suffix in {"", dataset.frames_suffix}
    )


@cache
def _read_protocols() -> dict[str, dict[str, dict[str, Any]]]:
    text = (resources.files("hicmae_cli.corpora") / "protocols.json").read_text("utf-8")
    loaded: dict[str, dict[str, dict[str, Any]]] = json.loads(text)
    return loaded


def _make_facts(values: dict[str, Any]) -> SplitFacts:
    return SplitFacts(
        train=values["train"],
        test=values["test"],
        train_sha256=values.get("train_sha256", ""),
        test_sha256=values.get("test_sha256", ""),
        scores=values.get("scores", {}),
        train_counts=tuple(values.get("train_counts", ())),
        test_counts=tuple(values.get("test_counts", ())),
    )
