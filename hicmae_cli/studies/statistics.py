"""Statistics over seeds: paired differences and power laws, with t-intervals.

A paired difference takes two runs of each seed, which share clips, folds and the order of training. Its interval is
Student's: it assumes that the differences of different seeds are independent and roughly normal. Seeds are all that it
covers: another corpus, or other test people, may show another difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hicmae_cli.evaluation.comparison.significance import correct_holm
from hicmae_cli.evaluation.comparison.words import ALPHA
from hicmae_cli.evaluation.intervals import LEVEL

POWER: Final = 0.8
_SAME: Final = 1e-9  # differences that vary by less, relative to their size, are equal but for rounding


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two levels over seeds.

    Attributes:
        first: name of the level.
        second: name of the level that is subtracted.
        metric: name of the measure.
        each: difference of each seed, in the order of the seeds.
        mean: of them.
        sd: of them (unbiased).
        interval: of the mean, 95 %.
        p: two-sided, of a t-test. Of equal differences, whose t is infinite, that of a sign test: a measure in steps,
            such as a recall over few clips, gives them by chance, too.
        p_holm: corrected for the number of differences of the study; see ``correct``.
    """

    first: str
    second: str
    metric: str
    each: tuple[float, ...]
    mean: float
    sd: float
    interval: tuple[float, float]
    p: float
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant, after the correction."""
        return self.p_holm <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "first": self.first,
            "second": self.second,
            "metric": self.metric,
            "each": list(self.each),
            "mean": self.mean,
            "sd": self.sd,
            "level": LEVEL,
            "interval": list(self.interval),
            "p": self.p,
            "p_holm": self.p_holm,
            "significant": self.is_significant,
        }


def compare_paired(
    first: str, second: str, metric: str, values: Mapping[int, float], others: Mapping[int, float]
) -> PairedDifference:
    """Compare two levels by the seeds that both have.

    Args:
        first: name of the level.
        second: name of the other level.
        metric: name of the measure.
        values: seed -> value of the first level.
        others: seed -> value of the second level.

    Raises:
        ValueError: fewer than two common seeds.
    """
    seeds = sorted(values.keys() & others.keys())
    if len(seeds) < 2:
        raise ValueError(f"{metric}: {first} and {second}: expected at least two common seeds, got {len(seeds)}")
    each = np.array([values[seed] - others[seed] for seed in seeds])
    mean, sd = float(each.mean()), float(each.std(ddof=1))
    reach = _find_reach(sd, len(each))
    if sd > _SAME * float(np.abs(each).max()):
        p = float(2 * stats.t.sf(abs(mean) / (sd / math.sqrt(len(each))), len(each) - 1))
    else:
        p = 2 * 0.5 ** len(each) if mean else 1.0
    return PairedDifference(first, second, metric, tuple(each.tolist()), mean, sd, (mean - reach, mean + reach), p, p)


def correct(found: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Correct the p-values of differences that are read together (Holm 1979)."""
    return [replace(each, p_holm=p) for each, p in zip(found, correct_holm([each.p for each in found]), strict=True)]


def count_seeds_needed(sd: float, difference: float, *, most: int = 10_000) -> int | None:
    """Count the seeds that a paired t-test needs to show a difference with a power of 0.8.

    Args:
        sd: of the paired differences.
        difference: that is to be shown.
        most: None is returned if more are needed.
    """
    if difference == 0:
        return None
    if sd == 0:
        return 2
    if _find_power(most, sd, difference) < POWER:
        return None
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _find_power(middle, sd, difference) >= POWER else (middle, high)
    return high


def _find_power(seeds: int, sd: float, difference: float) -> float:
    """Find the power of a two-sided paired t-test; the small chance of the wrong sign does not count."""
    t = float(stats.t.ppf(1 - ALPHA / 2, seeds - 1))
    return float(stats.nct.sf(t, seeds - 1, abs(difference) / sd * math.sqrt(seeds)))


@dataclass(frozen=True)
class PowerLaw:
    """Fit of ``y = scale * x ** exponent``.

    Attributes:
        exponent: of x.
        scale: y at x = 1.
        interval: of the exponent, 95 %, Student's, over the slopes of the seeds. Percentiles of a bootstrap of three
            seeds would hold the exponent in 74 of 100 studies, not in 95.
    """

    exponent: float
    scale: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"exponent": self.exponent, "scale": self.scale, "level": LEVEL, "interval": list(self.interval)}


def fit_power_law(x: Sequence[float], values: NDArray[np.float64]) -> PowerLaw | None:
    """Fit a power law by least squares of the logarithms; None if a value is not above 0.

    Args:
        x: sizes (P,).
        values: errors (S, P), one row for each seed. Each row has its own slope: the points of a seed go together.

    Raises:
        ValueError: fewer than two different sizes or two seeds, or tables that do not fit.
    """
    sizes = np.asarray(x, np.float64)
    if values.ndim != 2 or values.shape[1] != len(sizes) or len(set(x)) < 2 or len(values) < 2:
        raise ValueError(f"expected at least two sizes and a value of two seeds for each, got {values.shape}")
    if (values <= 0).any() or (sizes <= 0).any():
        return None
    logs, at = np.log(values), np.log(sizes)
    centred = at - at.mean()
    slopes = logs @ centred / (centred @ centred)  # (S,)
    exponent = float(slopes.mean())
    reach = _find_reach(float(slopes.std(ddof=1)), len(slopes))
    scale = float(np.exp(logs.mean() - exponent * at.mean()))
    return PowerLaw(exponent, scale, (exponent - reach, exponent + reach))


def _find_reach(sd: float, count: int) -> float:
    """Find how far Student's interval of a mean reaches to each side."""
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * sd / math.sqrt(count)


def find_diminishing(x: Sequence[float], values: NDArray[np.float64], metric: str) -> PairedDifference | None:
    """Find the first size from which the next one brings no more, or None if none does: "not reached".

    A step counts as a gain if its paired difference over seeds is above 0, with a p that is not corrected.

    Args:
        x: sizes (P,), rising.
        values: scores (S, P), more is better.
        metric: their name.
    """
    for place in range(len(x) - 1):
        now, after = ({seed: float(row[place + step]) for seed, row in enumerate(values)} for step in (0, 1))
        step = compare_paired(f"{x[place + 1]:g}", f"{x[place]:g}", metric, after, now)
        if step.mean <= 0 or step.p > ALPHA:
            return step
    return None
