"""Whether the tested clips are those of the published protocol: only then its rule and numbers belong to a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.published import equals_published


@dataclass(frozen=True)
class Official:
    """The result of a comparison with a published protocol.

    Attributes:
        value: whether the tested clips are the published ones; None if that could not be verified.
        reason: why, in words.
    """

    value: bool | None
    reason: str

    @property
    def may_be_published(self) -> bool:
        """Whether nothing contradicts the published protocol."""
        return self.value is not False


NO_DATASET = Official(None, "the clips are of no known dataset")


def compare_with_published(dataset: Dataset, fold: str, clips: Sequence[tuple[str, str]]) -> Official:
    """Compare test clips with the published ones of a fold: by their hash or, where none is published, by counts.

    Args:
        dataset: the dataset that the clips are said to be of.
        fold: the tested fold; empty for a fixed split.
        clips: id and label of each clip; labels as the dataset names them, values as a manifest writes them.
    """
    where = f"fold {fold}" if fold else "the test split"
    if not fold and dataset.folds:
        return Official(False, f"the list names no folds, and {dataset.title} is tested by fold")
    if fold and fold not in dataset.folds:
        return Official(False, f"{dataset.title} has no published fold {fold}")
    facts = dataset.published.get(fold)
    if facts is None:
        return Official(None, f"{dataset.title}: nothing is published about the clips of {where}")
    if len(clips) != facts.test:
        return Official(False, f"{where} has {len(clips)} clips, the published one {facts.test}")
    if facts.test_sha256:
        same = equals_published(dataset, clips, facts.test_sha256)
        words = "are those" if same else "are not those"
        return Official(same, f"ids and labels of {where} {words} of the published list")
    counts = Counter(label for _, label in clips)
    if facts.test_counts and tuple(counts[label] for label in dataset.labels) != facts.test_counts:
        return Official(False, f"{where} has other numbers of clips per label than the published one")
    return Official(None, f"only the number of clips of {where} could be compared: no ids are published")


def join_folds(dataset: Dataset, folds: Mapping[str, Official]) -> Official:
    """Join the comparisons of single folds to that of all folds: the first doubt counts."""
    if missing := [fold for fold in dataset.folds if fold not in folds]:
        return Official(False, f"the scores lack the published fold {', '.join(missing)}")
    for value in (False, None):
        for found in folds.values():
            if found.value is value:
                return found
    return Official(True, "ids and labels of every fold are those of the published lists")
