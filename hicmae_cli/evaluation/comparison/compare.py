"""Compare systems that were tested on the same clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import SettingsError
from hicmae_cli.evaluation.comparison.pairing import PairedDecisions, pair_decisions
from hicmae_cli.evaluation.comparison.reading import RESULT, System, read_streams, read_system
from hicmae_cli.evaluation.comparison.result import Comparison, PairDifference, SystemScore
from hicmae_cli.evaluation.comparison.significance import (
    DRAWS,
    DrawnScores,
    McNemar,
    SignedRank,
    correct_holm,
    draw_scores,
    find_interval,
    find_p,
    list_metrics,
    run_mcnemar,
    run_wilcoxon,
    score_decisions,
)
from hicmae_cli.evaluation.comparison.words import describe_pair, list_warnings

MIN_DRAWS = 1000


def compare(
    *systems: str | Path | System,
    metric: str | None = None,
    modality: str | None = None,
    streams: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two or more systems on the same test clips, pair by pair.

    The difference of a pair comes with an interval and a p-value from a paired bootstrap over speakers, McNemar's exact
    test, and Wilcoxon's test over folds and over runs where there are several. Three or more systems get Holm's
    correction. ``docs/compare.md`` explains the tests and what they do not cover.

    Args:
        systems: each a document of ``evaluate``, the folder of a fine-tuning run, or decisions in memory.
        metric: name of the metric; by default ``uar``, or ``ccc`` for a regression.
        modality: the streams to take from documents with several: ``av``, ``video`` or ``audio``.
        streams: compare the streams of a single system, such as ``av`` and ``audio``, instead of several systems.
        draws: resamples of the bootstrap.
        seed: seed of the resamples.

    Raises:
        SettingsError: fewer than two systems, an unknown metric or too few draws.
        ManifestError: no scores, or the systems differ in their clips, labels or speakers.
    """
    if draws < MIN_DRAWS:
        raise SettingsError(f"draws={draws}: expected at least {MIN_DRAWS}; p-values of fewer are too coarse")
    found = _read_systems(systems, modality, streams=streams)
    if repeated := [name for name, count in Counter(system.name for system in found).items() if count > 1]:
        raise SettingsError(f"{repeated[0]} is given twice; expected different systems")
    paired = pair_decisions(found)
    metric = metric or ("ccc" if paired.regression else "uar")
    if metric not in (known := list_metrics(paired)):
        raise SettingsError(f"metric={metric!r}: expected one of {', '.join(known)}")
    scores = draw_scores(paired, metric, draws=draws, seed=seed)
    pairs = [_compare_pair(found, paired, scores, metric, i, j) for i, j in combinations(range(len(found)), 2)]
    pairs = _correct_pairs(pairs) if len(pairs) > 1 else pairs
    runs = [len(system.runs) for system in found]
    return Comparison(
        metric,
        paired.labels,
        len(paired.truth),
        len(set(paired.speakers) - {""}),
        scores.resampled,
        draws,
        seed,
        tuple(_score_system(system, scores, index) for index, system in enumerate(found)),
        tuple(
            replace(pair, words=describe_pair(pair, metric, runs=sizes, pairs=len(pairs)))
            for pair, sizes in zip(pairs, combinations(runs, 2), strict=True)
        ),
        tuple(list_warnings(found, paired, pairs)),
    )


def _read_systems(systems: Sequence[str | Path | System], modality: str | None, *, streams: bool) -> list[System]:
    if streams:
        if len(systems) != 1 or isinstance(systems[0], System) or modality is not None:
            raise SettingsError("streams=True compares the streams of one file or run; give one, without `modality`")
        return read_streams(systems[0])
    if len(systems) < 2:
        raise SettingsError(
            f"expected two or more systems to compare, got {len(systems)}; `streams` compares the streams of one"
        )
    names = iter(shorten_names([system for system in systems if not isinstance(system, System)]))
    return [
        system if isinstance(system, System) else read_system(system, modality=modality, name=next(names))
        for system in systems
    ]


def shorten_names(paths: Sequence[str | Path]) -> list[str]:
    """Shorten paths to what tells them apart: ``runs/a/result.json`` and ``runs/b/result.json`` become a and b."""
    parts = [
        PurePath(path).with_suffix("").parts if str(path).endswith(".json") else PurePath(path).parts for path in paths
    ]
    stem = PurePath(RESULT).stem
    if len(parts) < 2:
        return ["/".join(part) for part in parts]
    if all(len(part) > 1 and part[-1] == stem for part in parts):
        parts = [part[:-1] for part in parts]
    while all(len(part) > 1 for part in parts) and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    while all(len(part) > 1 for part in parts) and len({part[-1] for part in parts}) == 1:
        parts = [part[:-1] for part in parts]
    return ["/".join(part) for part in parts] if len(set(parts)) == len(parts) else [str(path) for path in paths]


def _score_system(system: System, scores: DrawnScores, index: int) -> SystemScore:
    runs = scores.runs[index]
    return SystemScore(
        system.name,
        system.source,
        system.first.modality,
        dict(zip(system.runs, map(float, runs), strict=True)),
        float(runs.mean()),
        float(runs.std(ddof=1)) if len(runs) > 1 else None,
        find_interval(scores.drawn[index], scores.groups),
    )


def _compare_pair(
    systems: Sequence[System], paired: PairedDecisions, scores: DrawnScores, metric: str, first: int, second: int
) -> PairDifference:
    drawn = scores.drawn[first] - scores.drawn[second]
    decided = (paired.predictions[first], paired.predictions[second])
    runs = [list(systems[index].runs) for index in (first, second)]
    # Two single runs are a pair, whatever their seeds.
    same_runs = runs[0] == runs[1] or len(runs[0]) == len(runs[1]) == 1
    identical = decided[0].shape == decided[1].shape and bool((decided[0] == decided[1]).all())
    return PairDifference(
        systems[first].name,
        systems[second].name,
        float(scores.runs[first].mean() - scores.runs[second].mean()),
        find_interval(drawn, scores.groups),
        find_p(drawn, scores.groups),
        identical=identical,
        mcnemar=_run_mcnemars(paired, runs[0], *decided) if same_runs else (),
        wilcoxon=_run_wilcoxons(paired, scores, metric, first, second, same_runs=same_runs),
    )


def _run_mcnemars(
    paired: PairedDecisions, runs: Sequence[str], first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[McNemar, ...]:
    if paired.regression:
        return ()
    return tuple(
        run_mcnemar(left == paired.truth, right == paired.truth, run if len(runs) > 1 else "")
        for run, left, right in zip(runs, first, second, strict=True)
    )


def _run_wilcoxons(
    paired: PairedDecisions, scores: DrawnScores, metric: str, first: int, second: int, *, same_runs: bool
) -> tuple[SignedRank, ...]:
    """Test over folds, on the mean over the runs, and over runs, on all folds together.

    Folds times runs would not be as many independent differences: all runs of a fold have the same test people.
    """
    tests = []
    if paired.folds:
        fold_of = np.array(paired.folds)
        means = [
            [float(runs.mean()) for runs in score_decisions(paired, metric, fold_of == fold)]
            for fold in dict.fromkeys(paired.folds)
        ]
        tests.append(run_wilcoxon([row[first] - row[second] for row in means], "folds"))
    if same_runs and len(scores.runs[first]) > 1:
        tests.append(run_wilcoxon((scores.runs[first] - scores.runs[second]).tolist(), "runs"))
    return tuple(tests)


def _correct_pairs(pairs: Sequence[PairDifference]) -> list[PairDifference]:
    """Correct the p-values of each kind of test over all pairs that have it."""
    corrected = [
        replace(pair, p_holm=p) for pair, p in zip(pairs, correct_holm([pair.p for pair in pairs]), strict=True)
    ]
    # McNemar's test of each run, and Wilcoxon's over each of folds and seeds, is a family of its own.
    for run in {test.run for pair in pairs for test in pair.mcnemar}:
        tests = [test for pair in pairs for test in pair.mcnemar if test.run == run]
        values = iter(correct_holm([test.p for test in tests]))
        corrected = [
            replace(
                pair,
                mcnemar=tuple(replace(test, p_holm=next(values)) if test.run == run else test for test in pair.mcnemar),
            )
            for pair in corrected
        ]
    for over in {test.over for pair in pairs for test in pair.wilcoxon}:
        values = iter(correct_holm([test.p for pair in pairs for test in pair.wilcoxon if test.over == over]))
        corrected = [
            replace(
                pair,
                wilcoxon=tuple(
                    replace(test, p_holm=next(values)) if test.over == over else test for test in pair.wilcoxon
                ),
            )
            for pair in corrected
        ]
    return corrected
