"""What a study finds: tables, claims and charts, as plain values that a report writes."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hicmae_cli.report.grid import Grid

SCHEMA: Final = "hicmae.study/1"


@dataclass(frozen=True)
class Record:
    """A finished run, as an analysis reads it.

    Attributes:
        levels: factor -> name of the level.
        seed: of the run.
        measures: name -> number.
        jobs: name of a measure -> key of the job that gave it; empty where it does not matter.
    """

    levels: Mapping[str, str]
    seed: int
    measures: Mapping[str, float]
    jobs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Runs:
    """All finished runs of a study.

    Attributes:
        records: the runs.
        factors: factor -> names of its levels, in order.
        baselines: factor -> name of the level that others are compared with.
        metrics: measures to compare; the first one decides.
        x: factor -> its levels as numbers; empty if they are not numbers.
        within: whether the first factor is also compared within each level of the second one.
    """

    records: Sequence[Record]
    factors: Mapping[str, Sequence[str]]
    baselines: Mapping[str, str]
    metrics: Sequence[str]
    x: Mapping[str, Sequence[float]] = field(default_factory=dict)
    within: bool = False

    @property
    def seeds(self) -> list[int]:
        """All seeds, in order."""
        return sorted({record.seed for record in self.records})

    def select(self, metric: str, levels: Mapping[str, str]) -> dict[int, float]:
        """Return the mean of a measure over the runs with some levels: seed -> value.

        A seed is left out if one of its runs lacks the measure.
        """
        found: dict[int, list[float | None]] = {}
        for record in self.records:
            if all(record.levels.get(factor) == level for factor, level in levels.items()):
                found.setdefault(record.seed, []).append(record.measures.get(metric))
        return {
            seed: statistics.mean(known)
            for seed, values in found.items()
            if len(known := [value for value in values if value is not None]) == len(values)
        }

    def are_same(self, metric: str, first: Mapping[str, str], second: Mapping[str, str]) -> bool:
        """Whether a measure of two selections comes from the same jobs, so that a comparison would say nothing."""
        found = [
            {
                (record.seed, record.jobs.get(metric, ""))
                for record in self.records
                if all(record.levels.get(factor) == level for factor, level in levels.items())
            }
            for levels in (first, second)
        ]
        return found[0] == found[1] and all(key for _, key in found[0])

    def cells(self) -> list[dict[str, str]]:
        """List the combinations of levels that were run, in order."""
        return [dict(pairs) for pairs in dict.fromkeys(tuple(record.levels.items()) for record in self.records)]

    def measures(self, start: str) -> list[str]:
        """List the measures whose names begin so, in the order of the runs."""
        names = dict.fromkeys(name for record in self.records for name in record.measures)
        return [name for name in names if name.startswith(start)]


@dataclass(frozen=True)
class Claim:
    """A sentence of a report, and the numbers behind it.

    Attributes:
        text: the sentence.
        numbers: every number in it, by name; JSON values.
    """

    text: str
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """Points of a chart with the same name; ``low`` and ``high`` are ends of intervals, or empty."""

    name: str
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


def summarise(name: str, values: Sequence[Mapping[int, float]]) -> Series:
    """Make points of values by seed: the mean, and the lowest and highest seed; NaN without any."""
    return Series(
        name,
        tuple(statistics.mean(each.values()) if each else math.nan for each in values),
        tuple(min(each.values(), default=math.nan) for each in values),
        tuple(max(each.values(), default=math.nan) for each in values),
    )


def slugify(text: str) -> str:
    """Turn a name into that of a file: letters and digits, and - for the rest."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "chart"


def number_equal(names: Sequence[str]) -> list[str]:
    """Number names of files that are equal: ``a, b, a`` -> ``a, b, a-2``."""
    return [
        f"{name}-{count}" if (count := 1 + list(names[:index]).count(name)) > 1 else name
        for index, name in enumerate(names)
    ]


@dataclass(frozen=True)
class Chart:
    """A chart, which is drawn as a PNG and as an interactive SVG.

    Attributes:
        name: of its file.
        title: above it.
        x_title: below the x axis.
        y_title: beside the y axis.
        x: places of the points: names, or numbers.
        series: lines or groups of points.
        zero: draw a line at 0, as for differences.
        reference: a value to compare the points with, and its name, such as that of chance; the axis reaches to it.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    x: tuple[str, ...] | tuple[float, ...]
    series: tuple[Series, ...]
    zero: bool = False
    reference: tuple[float, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; None for NaN."""

        def plain(values: tuple[float, ...]) -> list[float | None]:
            return [value if math.isfinite(value) else None for value in values]

        return {
            "name": self.name,
            "title": self.title,
            "x_title": self.x_title,
            "y_title": self.y_title,
            "x": list(self.x),
            "series": [
                {"name": each.name, "y": plain(each.y), "low": plain(each.low), "high": plain(each.high)}
                for each in self.series
            ],
            "zero": self.zero,
            "reference": None if self.reference is None else {"y": self.reference[0], "name": self.reference[1]},
        }


@dataclass(frozen=True)
class Picture:
    """A picture that is no chart, in the folder of figures: the name of its PNG, without the suffix, and its title."""

    name: str
    title: str


@dataclass(frozen=True)
class Findings:
    """What an analysis finds.

    Attributes:
        tables: of the report.
        claims: of the report, the main ones first.
        charts: of the report.
        answer: to the question, in a few sentences; None to say which differences are significant.
        check: how far the runs are from a model that has learned nothing.
    """

    tables: tuple[Grid, ...]
    claims: tuple[Claim, ...]
    charts: tuple[Chart, ...] = ()
    answer: Claim | None = None
    check: Claim | None = None
