"""Published counts and hashes against a list of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.splits import hash_split


def assert_published(dataset: Dataset, items: Sequence[Item]) -> None:
    """Counts, counts per label and hashes of every fold."""
    assert tuple(dataset.published) == dataset.folds
    for fold, facts in dataset.published.items():
        parts = {
            "test": ([i for i in items if i.fold == fold], facts.test, facts.test_counts, facts.test_sha256),
            "train": ([i for i in items if i.fold != fold], facts.train, facts.train_counts, facts.train_sha256),
        }
        for part, (found, count, counts, sha256) in parts.items():
            assert len(found) == count, (fold, part)
            labels = Counter(item.label for item in found)
            assert not counts or tuple(labels[label] for label in dataset.labels) == counts
            pairs = [(item.id, str(dataset.labels.index(item.label))) for item in found]
            assert not sha256 or hash_split(pairs) == sha256, (fold, part)
