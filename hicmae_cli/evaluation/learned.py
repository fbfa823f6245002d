"""Warn of test clips, or test people, that a weight has learned from."""

from __future__ import annotations

from collections.abc import Sequence

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.evaluation.results import SampleResult
from hicmae_cli.records.seen import ScoredClips, find_overlap
from hicmae_cli.weights.info import WeightInfo


def warn_of_learned(info: WeightInfo, dataset: str, fold: str, samples: Sequence[SampleResult]) -> list[str]:
    """List warnings about trainings of a weight, and of the weights that it started from, that had the test people.

    Args:
        info: metadata of the weight. Without a list of its trainings, there is nothing to compare.
        dataset: name of the tested dataset.
        fold: the tested fold; empty without folds.
        samples: the decisions.
    """
    # `describe_leak` names another fold of the weight's own training.
    trainings = info.seen[:-1] if info.fold and fold not in ("", info.fold) else info.seen
    tested = ScoredClips(dataset, fold, [(sample.speaker, sample.id) for sample in samples])
    found = (find_overlap(entry, tested, same_clips(entry.dataset, dataset)) for entry in trainings)
    return [f"the weight {overlap}" for overlap in found if overlap is not None]


def describe_leak(info: WeightInfo, fold: str) -> str | None:
    """Describe the leak if a weight is tested on a fold that it was trained on; None without one."""
    if not info.fold or fold in ("", info.fold):
        return None
    return f"fold {fold} is tested, but the weight excluded fold {info.fold}: it was trained on these clips"
