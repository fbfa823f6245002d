"""A prediction as a Praat TextGrid: an interval tier per person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.report.annotations import Annotation, list_annotations, timelines_of, to_ms
from hicmae_cli.report.files import write_text
from hicmae_cli.report.prediction import Prediction


def write_textgrid(prediction: Prediction, path: Path) -> None:
    """Write the TextGrid of one input, in Praat's long text format.

    Raises:
        HicmaeError: the file cannot be written.
    """
    _, timelines = timelines_of(prediction)
    start_ms = min(0, *(to_ms(each.start_s) for each in timelines))
    end_ms = max(to_ms(each.end_s) for each in timelines)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += [*_bounds(start_ms, end_ms), "tiers? <exists>", f"size = {len(timelines)}", "item []:"]
    for number, timeline in enumerate(timelines, start=1):
        intervals = _fill_gaps(list_annotations(timeline), start_ms, end_ms)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quote(timeline.name)}"]
        lines += [f"        {line}" for line in _bounds(start_ms, end_ms)]
        lines += [f"        intervals: size = {len(intervals)}"]
        for at, each in enumerate(intervals, start=1):
            lines += [f"        intervals [{at}]:"]
            lines += [f"            {line}" for line in _bounds(each.start_ms, each.end_ms)]
            lines += [f"            text = {_quote(each.text)}"]
    write_text(path, "\n".join([*lines, ""]))


def _fill_gaps(annotations: Sequence[Annotation], start_ms: int, end_ms: int) -> list[Annotation]:
    """Add empty intervals between annotations: those of a tier leave no time out."""
    filled: list[Annotation] = []
    for each in (*annotations, Annotation(end_ms, end_ms, "")):
        before_ms = filled[-1].end_ms if filled else start_ms
        filled += [Annotation(before_ms, each.start_ms, "")] if each.start_ms > before_ms else []
        filled += [each] if each.end_ms > each.start_ms else []
    return filled


def _bounds(start_ms: int, end_ms: int) -> tuple[str, str]:
    return f"xmin = {start_ms / 1000:.3f}", f"xmax = {end_ms / 1000:.3f}"


def _quote(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
