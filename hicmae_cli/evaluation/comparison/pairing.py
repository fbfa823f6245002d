"""Pair the decisions of several systems clip by clip; refuse systems that did not decide the same clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.values import Target
from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.comparison.reading import System, SystemRun
from hicmae_cli.evaluation.results import SampleResult

_EXAMPLES = 3


@dataclass(frozen=True)
class PairedDecisions:
    """The decisions of several systems on the same n clips.

    Attributes:
        labels: C classes, or T targets.
        regression: whether the decisions are values.
        truth: true classes (n,), or true values (n, T).
        predictions: one array per system: (S, n) classes or (S, n, T) values, S the runs of that system.
        speakers: the speaker of each clip, n names; empty where no system knows it.
        folds: the fold of each clip, n names; empty if there is a single one or the systems differ.
    """

    labels: tuple[str, ...]
    regression: bool
    truth: NDArray[Any]
    predictions: tuple[NDArray[Any], ...]
    speakers: tuple[str, ...]
    folds: tuple[str, ...] = ()


def pair_decisions(systems: Sequence[System]) -> PairedDecisions:
    """Pair the decisions of systems clip by clip, in the order of the first system's clips.

    Raises:
        ManifestError: the systems differ in their labels, clips, true labels or speakers, or a clip is listed twice.
    """
    first, *others = systems
    labels, regression = first.first.labels, first.first.regression
    for system in others:
        if system.first.regression != regression or sorted(system.first.labels) != sorted(labels):
            raise ManifestError(
                f"{first.name} and {system.name} have different labels: {_describe_task(first)}; "
                f"{_describe_task(system)}"
            )
    tables = [
        {(name := _name_run(system, key)): _index_clips(name, run, labels) for key, run in system.runs.items()}
        for system in systems
    ]
    name, reference = next(iter(tables[0].items()))
    for runs in tables:
        for other_name, other in runs.items():
            _check_same_clips(name, reference, other_name, other)
    everything = [clips for runs in tables for clips in runs.values()]
    return PairedDecisions(
        labels,
        regression,
        _encode([sample.target for sample in reference.values()], labels),
        tuple(
            np.stack([_encode([clips[clip].prediction for clip in reference], labels) for clips in runs.values()])
            for runs in tables
        ),
        _merge_speakers(list(reference), everything),
        _merge_folds(list(reference), everything),
    )


def _describe_task(system: System) -> str:
    return ("values of " if system.first.regression else "") + ", ".join(sorted(system.first.labels))


def _name_run(system: System, run: str) -> str:
    return f"{system.name} ({run})" if len(system.runs) > 1 else system.name


def _index_clips(name: str, run: SystemRun, labels: Sequence[str]) -> dict[str, SampleResult]:
    """Index the decisions of a run by clip, values in the order of the given labels."""
    found: dict[str, SampleResult] = {}
    for sample in run.samples:
        if sample.id in found:
            raise ManifestError(f"{name}: the clip {sample.id} has two decisions; expected one per clip")
        target, prediction = (_order(value, run.labels, labels) for value in (sample.target, sample.prediction))
        found[sample.id] = replace(sample, target=target, prediction=prediction)
    return found


def _order(value: Target, labels: Sequence[str], wanted: Sequence[str]) -> Target:
    """Put the values of a regression in the order of another system's targets; a class stays."""
    if not isinstance(value, tuple) or tuple(labels) == tuple(wanted):
        return value
    return tuple(value[labels.index(label)] for label in wanted)


def _encode(values: Sequence[Target], labels: Sequence[str]) -> NDArray[Any]:
    if not values or not isinstance(values[0], str):
        return np.array(values, np.float64).reshape(len(values), len(labels))
    index: dict[Target, int] = {label: i for i, label in enumerate(labels)}
    return np.array([index[value] for value in values], np.int64)


def _check_same_clips(
    name: str, reference: Mapping[str, SampleResult], other_name: str, other: Mapping[str, SampleResult]
) -> None:
    only = [[clip for clip in reference if clip not in other], [clip for clip in other if clip not in reference]]
    if any(only):
        parts = [
            f"{len(clips)} only in {owner} ({_list_examples(clips)})"
            for owner, clips in zip((name, other_name), only, strict=True)
            if clips
        ]
        raise ManifestError(
            f"{name} and {other_name} have different test clips: {', '.join(parts)}; score both on the same clips"
        )
    if relabelled := [clip for clip in reference if reference[clip].target != other[clip].target]:
        raise ManifestError(
            f"{name} and {other_name} have different true labels of {len(relabelled)} clips "
            f"({_list_examples(relabelled)}); score both on the same list"
        )


def _list_examples(clips: Sequence[str]) -> str:
    return ", ".join(clips[:_EXAMPLES]) + (", …" if len(clips) > _EXAMPLES else "")


def _merge_speakers(clips: Sequence[str], runs: Sequence[Mapping[str, SampleResult]]) -> tuple[str, ...]:
    """Take the speaker of each clip from any system that knows it."""
    known = [{run[clip].speaker for run in runs} - {""} for clip in clips]
    if doubtful := [clip for clip, names in zip(clips, known, strict=True) if len(names) > 1]:
        raise ManifestError(
            f"the systems name different speakers of {len(doubtful)} clips ({_list_examples(doubtful)}); score all on "
            "the same list"
        )
    return tuple(next(iter(names), "") for names in known)


def _merge_folds(clips: Sequence[str], runs: Sequence[Mapping[str, SampleResult]]) -> tuple[str, ...]:
    """Take the folds if all systems have the same and there are several."""
    folds = [{run[clip].fold for run in runs} for clip in clips]
    if any(len(names) > 1 for names in folds):
        return ()
    same = tuple(next(iter(names)) for names in folds)
    return same if all(same) and len(set(same)) > 1 else ()
