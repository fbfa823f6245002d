"""A prediction as events for BORIS, to paste into an observation.

BORIS takes rows of time, subject, behaviour, modifiers, comment and, for an observation of media, frame number. A state
event is two rows, its start and its stop. An empty last line would be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hicmae_cli.report.annotations import timelines_of, to_ms
from hicmae_cli.report.files import write_text
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.timeline import Episode, Timeline, clean_name

_NO_FRAME: Final = "NA"


def write_boris(prediction: Prediction, path: Path) -> None:
    """Write the events of one input. Each label is a behaviour, also where several make a set.

    Raises:
        HicmaeError: the file cannot be written.
    """
    _, timelines = timelines_of(prediction)
    stops: list[tuple[int, str, str, str]] = []
    starts: list[tuple[int, str, str, str]] = []
    for timeline in timelines:
        for label in timeline.names:
            for run in _list_runs(timeline, label):
                shares = [(each.end_s - each.start_s, each.probability) for each in run]
                mean = sum(length * number for length, number in shares) / sum(length for length, _ in shares)
                behaviour = clean_name(label)
                starts.append((to_ms(run[0].start_s), timeline.name, behaviour, f"probability {mean:.2f}"))
                stops.append((to_ms(run[-1].end_s), timeline.name, behaviour, ""))
    lines = [
        "\t".join([f"{time_ms / 1000:.3f}", subject, behaviour, "", comment, _NO_FRAME])
        for time_ms, subject, behaviour, comment in sorted(stops + starts, key=lambda row: row[0])
    ]
    write_text(path, "\n".join(lines))


def _list_runs(timeline: Timeline, label: str) -> Iterator[list[Episode]]:
    """Yield the episodes with a label, those without a pause between them together."""
    run: list[Episode] = []
    for episode in timeline.episodes:
        if label in episode.labels:
            if run and run[-1].end_s != episode.start_s:
                yield run
                run = []
            run.append(episode)
    if run:
        yield run
