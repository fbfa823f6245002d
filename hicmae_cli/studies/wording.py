"""Names of measures in tables, and differences in words that claim no more than the seeds show."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

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
    "recall_at_1": "recall@1 of the best layer",
    "modality_gap": "modality gap",
    "uar own corpus": "UAR on its own corpus",
    "uar other corpus": "UAR on the other corpus",
    "uar lost": "UAR lost on the other corpus",
}
_LESS: Final = ("video_error", "audio_error", "uar lost")
FEW_SEEDS: Final = 5


def name_measure(measure: str) -> str:
    """Name a measure in words: ``uar`` -> ``UAR``, ``recall_at_1 layer 2`` -> ``recall@1, layer 2``."""
    if measure in _NAMES:
        return _NAMES[measure]
    first, _, rest = measure.partition(" ")
    if first in ("recall_at_1", "modality_gap"):
        return f"{'recall@1' if first == 'recall_at_1' else _NAMES[first]}, {rest}"
    return f"{TITLES[first]} {rest}".strip() if first in TITLES else measure


def is_less_better(measure: str) -> bool:
    """Whether smaller values of a measure are better."""
    return measure.startswith(_LESS) or measure.partition("_")[0] in SMALLER_IS_BETTER


def describe_values(values: Mapping[int, float]) -> str:
    """Describe the values of all seeds: mean and standard deviation."""
    known = list(values.values())
    if not known:
        return "none"
    return f"{statistics.mean(known):.3f} ({statistics.stdev(known):.3f})" if len(known) > 1 else f"{known[0]:.3f}"


def claim_difference(found: PairedDifference, together: int) -> Claim:
    """Say in one sentence how two levels differ.

    Args:
        found: the difference, corrected.
        together: how many differences were corrected together.
    """
    low, high = found.interval
    verdict = "a difference is shown" if found.is_shown else "no difference is shown"
    corrected = f", {format_p(found.p_holm)} after Holm's correction for {together}" if together > 1 else ""
    better = "; less is better" if is_less_better(found.metric) else ""
    text = (
        f"{found.first} minus {found.second}: {found.mean:+.3f} {name_measure(found.metric)} (95 % interval over "
        f"{len(found.each)} seeds {low:+.3f} to {high:+.3f}; p {format_p(found.p)}{corrected}{better}): {verdict}."
    )
    return Claim(text, found.to_dict())


def tabulate_differences(found: Sequence[PairedDifference]) -> Grid:
    """Make the table of paired differences."""
    rows = tuple(
        (
            f"{each.first} minus {each.second}",
            name_measure(each.metric),
            f"{each.mean:+.3f}",
            f"{each.sd:.3f}",
            f"{each.interval[0]:+.3f} to {each.interval[1]:+.3f}",
            format_p(each.p_holm),
            "yes" if each.is_shown else "no",
        )
        for each in found
    )
    header = ("difference", "measure", "mean", "sd", "95 % interval", "p (Holm)", "shown")
    return Grid("paired differences over seeds", header, rows)
