"""Names of measures in tables, and differences in words that claim no more than the seeds show."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hicmae_cli.evaluation.comparison.words import format_p
from hicmae_cli.metric_names import SMALLER_IS_BETTER, TITLES
from hicmae_cli.report.grid import Grid
from hicmae_cli.studies.result import Claim, Findings, Runs
from hicmae_cli.studies.statistics import PairedDifference

_NAMES: Final = {
    "video_error": "reconstruction error of faces, own masks",
    "audio_error": "reconstruction error of sound, own masks",
    "video_error common mask": "reconstruction error of faces",
    "audio_error common mask": "reconstruction error of sound",
    "recall_at_1": "recall@1, mean over layers",
    "modality_gap": "modality gap, mean over layers",
    "uar own corpus": "UAR on its own corpus",
    "uar other corpus": "UAR on the other corpus",
    "uar lost": "UAR lost on the other corpus",
}
_ERROR: Final = "relative to guessing the mean of each patch (1), {}; lower is better"
_DEFINITIONS: Final = {
    "uar": "mean recall over the classes; higher is better",
    "war": "share of the clips that are right; higher is better",
    "video_error": _ERROR.format("with the masks of the training"),
    "audio_error": _ERROR.format("with the masks of the training"),
    "video_error common mask": _ERROR.format("on the same random masks for all models"),
    "audio_error common mask": _ERROR.format("on the same random masks for all models"),
    "recall_at_1": "share of the test clips whose face is nearest to its own voice among all voices, and back; higher "
    "is better",
    "modality_gap": "distance between the mean of the faces and the mean of the voices, each scaled to length 1; "
    "smaller is not better by itself",
    "uar lost": "what is lost on the other corpus; lower is better",
}
"""Measures in words; the longest start of a name decides."""
_CHANCES: Final = {
    "recall_at_1": "recall_at_1 chance",
    "uar own corpus": "uar other corpus chance",
    "uar other corpus": "uar other corpus chance",
}
"""Start of a measure's name -> the measure that is its chance."""
_BY_LAYER: Final = {"recall_at_1": "recall@1", "modality_gap": "modality gap"}
_LESS: Final = ("video_error", "audio_error", "uar lost")
FEW_SEEDS: Final = 5
_LISTED: Final = 6  # differences in an answer


def name_measure(measure: str) -> str:
    """Name a measure in words: ``uar`` -> ``UAR``, ``recall_at_1 layer 2`` -> ``recall@1, layer 2``."""
    if measure in _NAMES:
        return _NAMES[measure]
    first, _, rest = measure.partition(" ")
    if first in _BY_LAYER:
        return f"{_BY_LAYER[first]}, {rest}"
    return f"{TITLES[first]} {rest}".strip() if first in TITLES else measure


def is_less_better(measure: str) -> bool:
    """Whether smaller values of a measure are better."""
    return measure.startswith(_LESS) or measure.partition("_")[0] in SMALLER_IS_BETTER


def describe_values(values: Mapping[int, float]) -> str:
    """Describe the values of all seeds: mean and standard deviation."""
    known = list(values.values())
    if not known:
        return "none"
    if len(known) == 1:
        return f"{known[0]:.3f}"
    sd = statistics.stdev(known)
    digits = count_decimals(sd)
    return f"{statistics.mean(known):.{digits}f} ({sd:.{digits}f})"


def count_decimals(size: float) -> int:
    """Count the decimals that show two digits of a size; at least 3, and at most 6."""
    return 3 if size <= 0 else min(6, max(3, 1 - math.floor(math.log10(size))))


def claim_difference(found: PairedDifference, together: int) -> Claim:
    """Say in one sentence how two levels differ.

    Args:
        found: the difference, corrected.
        together: how many differences were corrected together.
    """
    numbers = found.to_dict() | {"together": together}
    start = f"{found.first} minus {found.second}"
    if not any(found.each):
        text = (
            f"{start}: the same {name_measure(found.metric)} in all {len(found.each)} seeds; no interval can be given."
        )
        return Claim(text, numbers)
    mean, low, high, _ = _write_numbers(found)
    verdict = "significant" if found.is_significant else "not significant"
    corrected = f", {format_p(found.p_holm)} after Holm's correction for {together}" if together > 1 else ""
    better = "; less is better" if is_less_better(found.metric) else ""
    text = (
        f"{start}: {mean} {name_measure(found.metric)} (95 % interval over {len(found.each)} seeds {low} to {high}; p "
        f"{format_p(found.p)}{corrected}{better}): {verdict}."
    )
    return Claim(text, numbers)


def is_comparison(numbers: Mapping[str, Any]) -> bool:
    """Whether a claim with these numbers is about one difference, which is a row of the table of differences."""
    return {"first", "second", "significant"} <= numbers.keys()


def start_sentence(text: str) -> str:
    """Write the first letter as a capital, and leave the rest: ``UAR``, ``Modality gap``."""
    return f"{text[:1].upper()}{text[1:]}"


def complete(findings: Findings, runs: Runs) -> Findings:
    """Add the answer and the check, unless the analysis has its own."""
    return replace(
        findings, answer=findings.answer or answer(findings.claims), check=findings.check or check(findings, runs)
    )


def answer(claims: Sequence[Claim]) -> Claim | None:
    """Say which differences are significant, measure by measure, and how large the others may be."""
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    for numbers in (claim.numbers for claim in claims):
        if is_comparison(numbers):
            by_metric.setdefault(numbers["metric"], []).append(numbers)
    if not by_metric:
        return None
    counts = {
        metric: {"differences": len(all_), "significant": sum(one["significant"] for one in all_)}
        for metric, all_ in by_metric.items()
    }
    return Claim(" ".join(_answer_metric(metric, all_) for metric, all_ in by_metric.items()), {"by_measure": counts})


def _answer_metric(metric: str, found: Sequence[Mapping[str, Any]]) -> str:
    name = start_sentence(name_measure(metric))
    clear = [one for one in found if one["significant"]]
    count = f"{len(clear) or 'none'} of {len(found)} differences {'are' if len(clear) > 1 else 'is'} significant"
    if clear:
        listed = "; ".join(map(_say_difference, clear[:_LISTED]))
        more = f"; and {len(clear) - _LISTED} more" if len(clear) > _LISTED else ""
        return f"{name}: {count}: {listed}{more}."
    digits = count_decimals(max(one["sd"] for one in found))
    means, ends = [one["mean"] for one in found], [end for one in found for end in one["interval"]]
    low, high, lowest, highest = (f"{value:+.{digits}f}" for value in (min(means), max(means), min(ends), max(ends)))
    return (
        f"{name}: {count} (estimates {low} to {high}, 95 % intervals from {lowest} to {highest}), so effects of that "
        "size are not excluded."
    )


def _say_difference(numbers: Mapping[str, Any]) -> str:
    digits = count_decimals(numbers["sd"])
    mean, low, high = (f"{value:+.{digits}f}" for value in (numbers["mean"], *numbers["interval"]))
    return f"{numbers['first']} minus {numbers['second']} {mean} ({low} to {high})"


def check(findings: Findings, runs: Runs) -> Claim | None:
    """Say how far the runs are from a model that has learned nothing; None without such a reference."""
    compared = [claim.numbers["metric"] for claim in findings.claims if is_comparison(claim.numbers)]
    said, numbers = [], {}
    for metric in dict.fromkeys([*runs.metrics, *compared]):
        reference = find_reference(runs, metric)
        values = [value for cell in runs.cells() for value in runs.select(metric, cell).values()]
        if reference is None or not values:
            continue
        digits = count_decimals(max(values) - min(values))
        low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
        spread = low if low == high else f"{low} to {high}"
        said.append(f"{name_measure(metric)} {spread} ({reference[1]} {reference[0]:.3g})")
        numbers[metric] = {"low": min(values), "high": max(values), "reference": reference[0]}
    if not said:
        return None
    return Claim(
        f"Single runs: {'; '.join(said)}. Where all runs are near such a reference, the models have learned little, "
        "and the study cannot rank them.",
        numbers,
    )


def find_reference(runs: Runs, metric: str) -> tuple[float, str] | None:
    """Find what a model that has learned nothing would get, and its name; None if that is unknown."""
    if metric.startswith(("video_error", "audio_error")):
        return 1.0, "guessing the mean"
    # Retrieval and transfer know their own chance.
    for start, measured in _CHANCES.items():
        if metric.startswith(start) and (chance := list(runs.select(measured, {}).values())):
            return statistics.mean(chance), "chance"
    if metric.split()[0] == "uar" and metric != "uar lost":
        classes = len(runs.measures("recall "))
        return (1 / classes, "chance") if classes else None
    return None


def title_means(name: str, runs: Runs) -> str:
    """Write the title of a chart of means."""
    return f"{start_sentence(name)}: mean of {len(runs.seeds)} seeds; bars from the lowest to the highest"


def define_measure(measure: str) -> str:
    """Define a measure in words; empty if there is nothing to say."""
    starts = sorted((start for start in _DEFINITIONS if measure.startswith(start)), key=len)
    return _DEFINITIONS[starts[-1]] if starts else ""


def tabulate_differences(found: Sequence[PairedDifference]) -> Grid:
    """Make the table of paired differences."""
    rows = tuple(_describe_difference(each) for each in found)
    header = ("difference", "measure", "mean", "sd", "95 % interval", "p", "p (Holm)", "significant")
    return Grid("paired differences over seeds", header, rows)


def _write_numbers(found: PairedDifference) -> tuple[str, str, str, str]:
    """Write mean, ends of the interval, and sd of a difference."""
    digits = count_decimals(found.sd)
    mean, low, high = (f"{value:+.{digits}f}" for value in (found.mean, *found.interval))
    return mean, low, high, f"{found.sd:.{digits}f}"


def _describe_difference(found: PairedDifference) -> tuple[str, ...]:
    names = f"{found.first} minus {found.second}", name_measure(found.metric)
    if not any(found.each):
        return (*names, "0", "0", "the same in all seeds", "-", "-", "no")
    mean, low, high, sd = _write_numbers(found)
    verdict = "yes" if found.is_significant else "no"
    return (*names, mean, sd, f"{low} to {high}", format_p(found.p), format_p(found.p_holm), verdict)
