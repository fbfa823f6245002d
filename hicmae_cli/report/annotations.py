"""Stretches of a timeline as texts, for the formats of subtitles and annotation tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.timeline import Timeline, clean_name, join_spans, make_timelines

_LONG_NUMBER = 1e4


@dataclass(frozen=True)
class Annotation:
    """A text from one time to another.

    Attributes:
        start_ms: start on the input's clock.
        end_ms: its end.
        text: the label or, of a regression, the values by target.
        detail: the probability in percent; empty for a regression.
    """

    start_ms: int
    end_ms: int
    text: str
    detail: str = ""


def timelines_of(prediction: Prediction) -> tuple[FileResult, tuple[Timeline, ...]]:
    """Return the only file of a prediction, and the timeline of each of its tracks."""
    (file,) = prediction.files
    return file, make_timelines(file, prediction.settings)


def list_annotations(timeline: Timeline) -> list[Annotation]:
    """Return the episodes that have a label or, of a regression, the stretches with other values than before."""
    if timeline.task == "regression":
        return list(_list_values(timeline))
    return [
        Annotation(to_ms(each.start_s), to_ms(each.end_s), clean_name(each.label), f"{each.probability:.0%}")
        for each in timeline.episodes
        if each.label is not None
    ]


def to_ms(time_s: float) -> int:
    """Return a time of a timeline in milliseconds, which it is exact to."""
    return round(time_s * 1000)


def _list_values(timeline: Timeline) -> Iterator[Annotation]:
    texts = [
        None
        if np.isnan(row[0])
        else ", ".join(
            f"{clean_name(name)} {_format_value(number)}" for name, number in zip(timeline.names, row, strict=True)
        )
        for row in timeline.means.tolist()
    ]
    for start_s, end_s, text in join_spans(timeline.edges_s.tolist(), texts):
        yield Annotation(to_ms(start_s), to_ms(end_s), text)


def _format_value(number: float) -> str:
    """Two decimals, or three digits of a large number; never ``-0.00``."""
    return f"{round(number, 2) + 0.0:.2f}" if abs(number) < _LONG_NUMBER else f"{number:.3g}"
