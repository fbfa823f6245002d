"""Scores by group of clips: by any column of the manifest, with intervals and the gap between best and worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.evaluation.intervals import DRAWS, draw_times, find_bounds, group_clips
from hicmae_cli.evaluation.metrics import score_sums, score_tables, value_sums
from hicmae_cli.evaluation.multilabel import MultilabelScorer
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.metric_names import SMALLER_IS_BETTER

FEW_CLIPS: Final = 20
FEW_PEOPLE: Final = 3
"""Groups with fewer are marked."""
UNKNOWN: Final = "unknown"
"""The group of the clips with an empty field."""
_AGE_BANDS: Final = ((0, "under 18"), (18, "18-29"), (30, "30-44"), (45, "45-59"), (60, "60 and over"))
_MOST_NUMBERS: Final = 10  # more different numbers are grouped by quarters


@dataclass(frozen=True)
class Group:
    """Scores of the clips that share a value of a column.

    Attributes:
        name: the value, or the band of values.
        result: the decisions.
        notes: why its scores are doubtful, in words; empty if they are not.
    """

    name: str
    result: Evaluation
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The entry in the document."""
        people = {sample.speaker for sample in self.result.samples} - {""}
        return {
            "group": self.name,
            "decisions": len(self.result.samples),
            "people": len(people) or None,
            "metrics": self.result.metrics,
            "intervals": self.result.intervals().to_dict(),
            "notes": list(self.notes),
        }


def describe_groups(result: Evaluation, column: str, values: Mapping[str, str], metric: str) -> dict[str, Any]:
    """Score the groups of a column.

    Args:
        result: all decisions.
        column: name of the column.
        values: id of a clip -> its field in the column; clips decided as one count by their first clip.
        metric: the metric of the gap, one of ``MAIN_METRIC``.

    Returns:
        ``column``, ``groups`` (a list), ``metric``, and ``gap``: the groups with the best and the worst score, their
        difference and its interval; null without two groups that have enough clips.
    """
    named = [values.get(sample.clips[0] if sample.clips else sample.id, "").strip() for sample in result.samples]
    names = band_values(column, named)
    groups = []
    for name in _sort_names(set(names)):
        samples = tuple(s for s, own in zip(result.samples, names, strict=True) if own == name)
        part = replace(result, samples=samples, failures=(), skipped=0)
        groups.append(Group(name, part, _find_doubts(part, column)))
    return {
        "column": column,
        "metric": metric,
        "groups": [group.to_dict() for group in groups],
        "gap": _measure_gap(groups, metric),
    }


def band_values(column: str, values: Sequence[str]) -> list[str]:
    """Name the group of each field: itself; for ages a band of years; for more than ten other numbers, its quarter."""
    numbers = [_read_number(value) for value in values if value]
    if not numbers or None in numbers:
        return [value or UNKNOWN for value in values]
    if column == "age":
        return [_name_age(float(value)) if value else UNKNOWN for value in values]
    if len(set(numbers)) <= _MOST_NUMBERS:
        return [value or UNKNOWN for value in values]
    edges = np.quantile(np.array(numbers, np.float64), (0, 0.25, 0.5, 0.75, 1))
    return [_name_quarter(float(value), edges) if value else UNKNOWN for value in values]


def _read_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _name_age(age: float) -> str:
    return next(name for start, name in reversed(_AGE_BANDS) if age >= start or not start)


def _name_quarter(value: float, edges: NDArray[np.float64]) -> str:
    number = min(int(np.searchsorted(edges[1:], value)), 3)
    return f"{edges[number]:.4g} to {edges[number + 1]:.4g}"


def _sort_names(names: set[str]) -> list[str]:
    """Sort numbers by size, other names by letters, and the unknown last."""

    def key(name: str) -> tuple[bool, float, str]:
        number = _read_number(name.split()[0].split("-")[0])
        return name == UNKNOWN, -1.0 if name.startswith("under") else np.inf if number is None else number, name

    return sorted(names, key=key)


def _find_doubts(part: Evaluation, column: str) -> tuple[str, ...]:
    people = {sample.speaker for sample in part.samples} - {""}
    notes = []
    if len(part.samples) < FEW_CLIPS:
        notes.append(f"fewer than {FEW_CLIPS} clips")
    if column != "speaker" and people and len(people) < FEW_PEOPLE:
        notes.append(f"{len(people)} {'person' if len(people) == 1 else 'people'}")
    if column != "label" and part.absent:
        present = [label for label in part.labels if label not in part.absent]
        few = len(present) < len(part.absent)
        notes.append(f"only {', '.join(present)}" if few else f"no {', '.join(part.absent)}")
    return tuple(notes)


def _measure_gap(groups: Sequence[Group], metric: str) -> dict[str, Any] | None:
    """Measure the difference between the best and the worst group with enough clips, with a bootstrap interval.

    If some people are in both groups, people are drawn once for both (paired). Otherwise people are drawn within each
    group. In a group of one person, clips are drawn.
    """
    judged = [group for group in groups if len(group.result.samples) >= FEW_CLIPS]
    if len(judged) < 2:
        return None
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    ordered = sorted(judged, key=lambda group: sign * group.result.metrics[metric])
    worst, best = ordered[0], ordered[-1]
    speakers = [{sample.speaker for sample in group.result.samples} - {""} for group in (best, worst)]
    is_paired = bool(speakers[0] & speakers[1])
    if is_paired:
        everybody = [sample.speaker for group in (best, worst) for sample in group.result.samples]
        units, resampled = group_clips(everybody, len(everybody))
        times = _draw(units, seed=0)
        cut = len(best.result.samples)
        weights = [times[:, :cut], times[:, cut:]]
    else:
        drawn = [
            group_clips([s.speaker for s in group.result.samples], len(group.result.samples)) for group in (best, worst)
        ]
        weights = [_draw(units, seed=seed) for seed, (units, _) in enumerate(drawn)]
        resampled = "speaker" if all(kind == "speaker" for _, kind in drawn) else "clip"
    above, below = (
        _score_weighted(group.result, each, metric) for group, each in zip((best, worst), weights, strict=True)
    )
    return {
        "best": best.name,
        "worst": worst.name,
        "difference": best.result.metrics[metric] - worst.result.metrics[metric],
        "bounds": list(find_bounds(above - below)),
        "resampled": resampled,
        "paired": is_paired,
    }


def _draw(units: NDArray[np.int64], *, seed: int) -> NDArray[np.float64]:
    """Draw units with replacement -> how often each clip was drawn (D, n)."""
    return np.concatenate([times[:, units] for times in draw_times(int(units.max()) + 1, DRAWS, seed)])


def _score_weighted(part: Evaluation, weights: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """Score weighted decisions: (D, n) -> (D,); NaN for a draw without any."""
    some = weights.sum(axis=1) > 0
    scores = np.full(len(weights), np.nan)
    if part.is_regression:
        truth = np.array([sample.target for sample in part.samples], np.float64)
        sums = value_sums(truth, part.outputs)
        table = np.tensordot(weights[some], sums, axes=1)
        scores[some] = score_sums(table)[metric].mean(axis=-1)
        return scores
    if not part.is_classification:
        scores[some] = MultilabelScorer(*part.tabulate_sets(), part.outputs).score(weights[some])[metric]
        return scores
    size = len(part.labels)
    index = {label: place for place, label in enumerate(part.labels)}
    cells = part.truth * size + np.array([index[str(sample.prediction)] for sample in part.samples])
    one_hot = np.zeros((len(cells), size * size))
    one_hot[np.arange(len(cells)), cells] = 1
    scores[some] = score_tables((weights[some] @ one_hot).reshape(-1, size, size))[metric]
    return scores
