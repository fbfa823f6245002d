"""Names of measures in tables, and differences in words that claim no more than the seeds show."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hicmae_cli.evaluation.comparison.words import format_p
from hicmae_cli.metric_names import SMALLER_IS_BETTER, TITLES
from hicmae_cli.report.grid import Grid
from hicmae_cli.studies.result import Claim
from hicmae_cli.studies.statistics import PairedDifference

_NAMES: Final = {
    "video_error": "error of rebuilt faces, own masks",
    "audio_error": "error of rebuilt sound, own masks",
    "video_error common mask": "error of rebuilt faces, common mask",
    "audio_error common mask": "error of rebuilt sound, common mask",
    "recall_at_1": "recall@1, mean over layers",
    "modality_gap": "modality gap, mean over layers",
    "uar own corpus": "UAR on its own corpus",
    "uar other corpus": "UAR on the other corpus",
    "uar lost": "UAR lost on the other corpus",
}
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
    mean, low, high, _ = _write_numbers(found)
    verdict = "a difference is shown" if found.is_shown else "no difference is shown"
    corrected = f", {format_p(found.p_holm)} after Holm's correction for {together}" if together > 1 else ""
    better = "; less is better" if is_less_better(found.metric) else ""
    text = (
        f"{found.first} minus {found.second}: {mean} {name_measure(found.metric)} (95 % interval over "
        f"{len(found.each)} seeds {low} to {high}; p {format_p(found.p)}{corrected}{better}): {verdict}."
    )
    return Claim(text, found.to_dict())


def answer(claims: Sequence[Claim]) -> Claim | None:
    """Say how many of the differences are shown, and which; None if an analysis compares no levels."""
    compared = [claim.numbers for claim in claims if {"first", "second", "shown"} <= claim.numbers.keys()]
    if not compared:
        return None
    shown = [numbers for numbers in compared if numbers["shown"]]
    counts = {"shown": len(shown), "differences": len(compared)}
    if not shown:
        none = f"None of {len(compared)} differences" if len(compared) > 1 else "No difference"
        return Claim(f"{none} is shown. That is no evidence that there is none.", counts)
    listed = "; ".join(map(_say_difference, shown[:_LISTED]))
    more = f"; and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    verb = "is" if len(shown) == 1 else "are"
    return Claim(f"{len(shown)} of {len(compared)} differences {verb} shown: {listed}{more}.", counts)


def _say_difference(numbers: Mapping[str, Any]) -> str:
    more = "more" if numbers["mean"] > 0 else "less"
    return f"{numbers['first']} has {more} {name_measure(numbers['metric'])} than {numbers['second']}"


def tabulate_differences(found: Sequence[PairedDifference]) -> Grid:
    """Make the table of paired differences."""
    rows = tuple(_describe_difference(each) for each in found)
    header = ("difference", "measure", "mean", "sd", "95 % interval", "p (Holm)", "shown")
    return Grid("paired differences over seeds", header, rows)


def _write_numbers(found: PairedDifference) -> tuple[str, str, str, str]:
    """Write mean, ends of the interval, and sd of a difference."""
    digits = count_decimals(found.sd)
    mean, low, high = (f"{value:+.{digits}f}" for value in (found.mean, *found.interval))
    return mean, low, high, f"{found.sd:.{digits}f}"


def _describe_difference(found: PairedDifference) -> tuple[str, ...]:
    mean, low, high, sd = _write_numbers(found)
    return (
        f"{found.first} minus {found.second}",
        name_measure(found.metric),
        mean,
        sd,
        f"{low} to {high}",
        format_p(found.p_holm),
        "yes" if found.is_shown else "no",
    )
