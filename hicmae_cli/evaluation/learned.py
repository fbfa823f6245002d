"""Refuse, or warn of, test clips and test people that a weight has learned from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.evaluation.results import SampleResult
from hicmae_cli.records.seen import Person, ScoredClips, SeenData, find_overlap
from hicmae_cli.weights.info import WeightInfo


def warn_of_learned(info: WeightInfo, dataset: str, fold: str, samples: Sequence[SampleResult]) -> list[str]:
    """List warnings about trainings of a weight, and of the weights that it started from, that had the test people.

    Args:
        info: metadata of the weight. Without a list of its trainings, there is nothing to compare.
        dataset: name of the tested dataset.
        fold: the tested fold; empty without folds.
        samples: the decisions.
    """
    if reason := _find_several_folds(info, dataset):
        return [f"the weight was trained on clips that test it: {reason}"]
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


def find_trained_clips(
    info: WeightInfo, dataset: str, fold: str, clips: Collection[Person], *, cross: bool = False
) -> str | None:
    """Find out whether a weight was trained, with labels, on the clips that test it, by the folds in its metadata.

    Args:
        info: metadata of the weight, or of an ensemble.
        dataset: name of the tested dataset.
        fold: the tested fold; empty without folds.
        clips: speaker and id of each test clip.
        cross: whether the weight is of another corpus.

    Returns:
        How that is known; None if it is not known.
    """
    if reason := _find_several_folds(info, dataset):
        return f"{reason}; test each weight alone, on the fold that it left out"
    if not cross and same_clips(info.dataset, dataset) is not False and (leak := describe_leak(info, fold)):
        return f"{leak}; test fold={info.fold!r}, or give cross=True if it was trained on another corpus"
    tested = ScoredClips(dataset, fold, clips)
    found = [find_overlap(entry, tested, same_clips(entry.dataset, dataset)) for entry in _list_by_fold(info)]
    return next((overlap.reason for overlap in found if overlap is not None and overlap.refused), None)


def _list_by_fold(info: WeightInfo) -> list[SeenData]:
    """List the trainings with labels that left out a fold."""
    return [entry for entry in info.history if entry.phase == "fine-tuning" and entry.fold]


def _find_several_folds(info: WeightInfo, dataset: str) -> str | None:
    """Find out whether the trainings on a dataset left out different folds, so that each clip was in one of them."""
    same = [each for each in _list_by_fold(info) if same_clips(each.dataset, dataset) or each.dataset == dataset]
    folds = list(dict.fromkeys(entry.fold for entry in same))
    if len(folds) < 2:
        return None
    return (
        f"its trainings on {same[0].dataset} left out the folds {', '.join(folds)}, one each, so every clip was in one "
        "of them"
    )
