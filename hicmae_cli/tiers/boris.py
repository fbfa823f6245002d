"""Read tab-separated events of BORIS: tabular and aggregated exports, and the form that it pastes.

The pasted form has no header: time, subject, behaviour, modifiers, comment. A state event is two lines, its start and
its stop, as in the tabular export. An aggregated export has start and stop in one line.

Source: BORIS user guide, "Export events", and its paste of events from the clipboard.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.tiers.interval import AnnotationFile, Interval, make_fault, name_of, quote, read_text

_HEADER_ROWS: Final = 100
"""Older exports begin with the observation's facts; the header of the events follows within this many lines."""
_NOBODY: Final = ("", "no focal subject")
_CLOCK: Final = re.compile(r"(?P<sign>-?)(?P<h>\d{1,4}):(?P<m>\d\d):(?P<s>\d\d(?:\.\d{1,9})?)")
_NUMBER: Final = re.compile(r"-?\d{1,12}(?:\.\d{1,15})?")
# Column -> how BORIS has written it over the years, in lower case.
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "subject": ("subject",),
    "behaviour": ("behavior", "behaviour"),
    "time": ("time",),
    "start": ("start (s)", "start"),
    "stop": ("stop (s)", "stop"),
    "kind": ("status", "behavior type", "behaviour type"),
    "media": ("media file name", "media file path", "media file", "source"),
}
_PASTED: Final = {"time": 0, "subject": 1, "behaviour": 2}
_NO_MEDIA: Final = ("", "na", "live")


@dataclass(frozen=True)
class _Event:
    """One line: a start, a stop, or both. An empty ``kind`` is one or the other, in turn."""

    line: int
    start_s: float
    end_s: float | None
    subject: str
    behaviour: str
    kind: str


def read_boris(path: Path) -> AnnotationFile:
    """Read a tab-separated file of events; the tier of an interval is the subject.

    A start without a stop counts as untimed. A point event is an interval of no length.

    Raises:
        ManifestError: unreadable, too large, not in one of the three forms, or with events of several media files.
    """
    rows = _read_rows(path)
    header = next((i for i, (_, row) in enumerate(rows[:_HEADER_ROWS]) if _find_columns(row)), None)
    columns = _PASTED if header is None else _find_columns(rows[header][1])
    assert columns is not None
    events: list[_Event] = []
    media: dict[str, None] = {}
    untimed = 0
    for line, row in rows if header is None else rows[header + 1 :]:
        cells = {name: row[index].strip() if index < len(row) else "" for name, index in columns.items()}
        if not cells["behaviour"]:
            raise make_fault(path, line, f"expected time, subject and behaviour, got {quote(chr(9).join(row))}")
        if (link := name_of(cells.get("media", ""))).lower() not in _NO_MEDIA:
            media[link] = None
        if (event := _read_event(path, line, cells)) is None:
            untimed += 1
        else:
            events.append(event)
    if len(media) > 1:
        raise ManifestError(
            one_line(f"{path}: has events of several media ({', '.join(media)}); export one file for each of them")
        )
    intervals, open_events = _pair(events)
    return AnnotationFile(tuple(intervals), tuple(media), untimed + open_events)


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, with their line numbers."""
    reader = csv.reader(read_text(path).splitlines(), delimiter="\t", strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise make_fault(path, reader.line_num, f"is not a line of tab-separated fields ({error})") from error
    if not rows:
        raise ManifestError(one_line(f"{path}: is empty; expected tab-separated events of BORIS"))
    return rows


def _find_columns(row: Sequence[str]) -> dict[str, int] | None:
    """Return the columns of a header by name; None if the row is no header of events."""
    names = [cell.strip().lower() for cell in row]
    found = {
        column: next(names.index(name) for name in known if name in names)
        for column, known in _COLUMNS.items()
        if any(name in names for name in known)
    }
    has_times = "time" in found or {"start", "stop"} <= found.keys()
    return found if has_times and {"subject", "behaviour"} <= found.keys() else None


def _read_event(path: Path, line: int, cells: Mapping[str, str]) -> _Event | None:
    """Read one line; None if BORIS knows no time for it (NA)."""
    both = ("start", "stop") if "start" in cells and "stop" in cells else ("time", "time")
    texts = [cells[name] for name in both]
    if any(text.upper() == "NA" for text in texts):
        return None
    start_s, end_s = (_read_time(path, line, text) for text in texts)
    kind = cells.get("kind", "").upper()
    if both == ("time", "time"):
        return _Event(line, start_s, start_s if kind == "POINT" else None, cells["subject"], cells["behaviour"], kind)
    return _Event(line, start_s, end_s, cells["subject"], cells["behaviour"], kind)


def _read_time(path: Path, line: int, text: str) -> float:
    """Read seconds, or hours, minutes and seconds."""
    seconds = math.nan
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif clock := _CLOCK.fullmatch(text):
        seconds = int(clock["h"]) * 3600 + int(clock["m"]) * 60 + float(clock["s"])
        seconds = -seconds if clock["sign"] else seconds
    if math.isnan(seconds):
        raise make_fault(path, line, f"expected a time in seconds or as 0:00:00.000, got {quote(text)}")
    return seconds


def _pair(events: Sequence[_Event]) -> tuple[list[Interval], int]:
    """Join starts and stops of a subject's behaviour -> intervals, and the number of those that stay open."""
    intervals: list[Interval] = []
    begun: dict[tuple[str, str], _Event] = {}
    unpaired = 0
    for event in sorted(events, key=lambda event: (event.start_s, event.line)):
        key = event.subject, event.behaviour
        if event.end_s is not None:
            intervals.append(_make_interval(event, event.end_s))
        elif event.kind == "STOP" or (event.kind != "START" and key in begun):
            if start := begun.pop(key, None):
                intervals.append(_make_interval(start, event.start_s))
            else:
                unpaired += 1
        else:
            unpaired += key in begun
            begun[key] = event
    return intervals, unpaired + len(begun)


def _make_interval(event: _Event, end_s: float) -> Interval:
    person = "" if event.subject.lower() in _NOBODY else event.subject
    return Interval(event.start_s, end_s, " ".join(event.behaviour.split()), event.subject, person)
