"""What a study adds to predictions, in CSV files: events of the recordings, and groups of people."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final, TypeAlias

from hicmae_cli.corpora.annotations import make_fault, quote, read_lines, read_table
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.timeline import name_tracks

WHOLE: Final = "all"
"""Name of the event that is the whole part of a file that was predicted."""
COLUMNS: Final = ("file", "person", "event", "start_s", "end_s", "measure", "label", "value", "n_windows", "coverage")
"""Columns of a summary, which no group may be called."""

_MAX_BYTES: Final = 64 << 20
_LONGEST: Final = 200
_SPAN: Final = re.compile(r"\s*(?P<start>\d+(?:\.\d+)?)\s*-\s*(?P<end>\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Stretch:
    """A stretch of a recording.

    Attributes:
        event: its name.
        start_s: start on the recording's clock, to the millisecond.
        end_s: its end.
    """

    event: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Subject:
    """One person in one file.

    Attributes:
        file: the file's result.
        track: the person's track. Several tracks of one name are one, with the windows of all of them.
        person: name to show, which nobody else in the file has.
    """

    file: FileResult
    track: Track
    person: str

    @property
    def names(self) -> frozenset[str]:
        """Names and the number that mean this person."""
        names = {self.person, self.track.name or self.person}
        numbers = {str(number) for number in self._ids}
        # Where photographs are named by numbers, a number is the name of a person first.
        return frozenset(names | numbers - {track.name for track in self.file.tracks})

    @property
    def heard_file(self) -> FileResult:
        """The file, with ``track`` as the speaker where one of the person's tracks speaks."""
        if self.file.speech is None:
            return self.file
        own = self._ids
        speech = (replace(each, speaker=self.track.id) if each.speaker in own else each for each in self.file.speech)
        return replace(self.file, speech=tuple(speech))

    @property
    def _ids(self) -> frozenset[int]:
        same = [track for track in self.file.tracks if self.track.name and track.name == self.track.name]
        return frozenset(track.id for track in (self.track, *same))


Row: TypeAlias = tuple[int, Mapping[str, str]]
"""Line number and fields of a row of a CSV file."""


class Rows:
    """Rows that are about some people and files; an empty ``file`` or ``person`` means all.

    Args:
        rows: in the order of their file.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._by_file: defaultdict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self._by_file[PurePath(row[1].get("file", "")).name].append(row)

    def find(self, subject: Subject) -> list[Row]:
        """Return the rows that are about a person in a file, in their order."""
        near = (row for name in ("", subject.file.path.name) for row in self._by_file.get(name, ()))
        return sorted((row for row in near if _applies(row[1], subject)), key=lambda row: row[0])


@dataclass(frozen=True)
class Events:
    """Events by file and person.

    Attributes:
        rows: who each row is about.
        stretches: the event of each row, by its line.
    """

    rows: Rows
    stretches: Mapping[int, Stretch]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the events, in the order of the file."""
        return tuple(dict.fromkeys(stretch.event for stretch in self.stretches.values()))

    def find(self, subject: Subject) -> list[Stretch]:
        """Return the events of a person in a file."""
        return [self.stretches[line] for line, _ in self.rows.find(subject)]


@dataclass(frozen=True)
class Groups:
    """Columns of groups by file, by person, or by both.

    Attributes:
        path: the CSV file.
        columns: names of the groups.
        rows: who each row is about.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Rows

    def find(self, subject: Subject) -> tuple[str, ...] | None:
        """Return the groups of a person in a file; None if no row is about them.

        Raises:
            ManifestError: two rows are about them.
        """
        found = self.rows.find(subject)
        if len(found) > 1:
            raise make_fault(
                self.path,
                found[1][0],
                f"is about {quote(subject.person)} of {quote(subject.file.path.name)}, as line {found[0][0]} is",
            )
        return tuple(found[0][1][column] for column in self.columns) if found else None


def list_subjects(files: Sequence[FileResult]) -> list[Subject]:
    """List every person in every file. Tracks of one name are one person, whom the linking has lost and found."""
    joined = [(file, replace(file, tracks=_join_names(file.tracks))) for file in files]
    return [
        Subject(file, track, person)
        for file, people in joined
        for track, person in zip(people.tracks, name_tracks(people), strict=True)
    ]


def _join_names(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Join the windows of tracks of one name, in the place of the first one."""
    found: dict[str | int, Track] = {}
    for track in tracks:
        key = track.name or track.id
        same = found.get(key)
        found[key] = replace(same, windows=(*same.windows, *track.windows)) if same else track
    return tuple(found.values())


def read_events(path: Path, subjects: Sequence[Subject]) -> Events:
    """Read a CSV file with the columns ``event``, ``start_s`` and ``end_s``, and optionally ``file`` and ``person``.

    Args:
        path: the file.
        subjects: the people and files that its rows may name.

    Raises:
        ManifestError: unreadable or malformed, an event without a name or with times that cannot be, or a file or a
            person that no prediction has; names the line.
    """
    rows = _read(path, ("event", "start_s", "end_s"))
    _check_targets(path, rows, subjects)
    return Events(Rows(rows), {line: _read_stretch(path, line, fields) for line, fields in rows})


def read_groups(path: Path, subjects: Sequence[Subject]) -> Groups:
    """Read a CSV file with a column ``person`` or ``file`` or both, and any other columns.

    Args:
        path: the file.
        subjects: the people and files that its rows may name.

    Raises:
        ManifestError: unreadable or malformed, no column of groups, a name of a column that the summary has, a file or
            a person that no prediction has, or a number of a person without a file; names the line.
    """
    rows = _read(path, ())
    line, header = rows[0][0], tuple(rows[0][1])
    keys = [name for name in ("person", "file") if name in header]
    columns = tuple(name for name in header if name not in keys)
    if not keys or not columns:
        raise make_fault(path, 1, f"expected a column person or file, and columns of groups; got {', '.join(header)}")
    if taken := [name for name in columns if name in COLUMNS]:
        raise make_fault(path, 1, f"{', '.join(taken)} is a column of the summary; give the group another name")
    several = len({subject.file.path for subject in subjects}) > 1
    for line, fields in rows:
        person = fields.get("person", "")
        if not person and not fields.get("file"):
            raise make_fault(path, line, "names neither a person nor a file")
        if several and not fields.get("file") and re.fullmatch(r"(person )?\d+", person):
            raise make_fault(
                path, line, f"{quote(person)} is a number, which means someone else in each file; add a column file"
            )
    _check_targets(path, rows, subjects)
    return Groups(path, columns, Rows(rows))


def read_baseline(text: str, events: Events | None) -> Stretch | str:
    """Read a baseline: the name of an event, or two times in seconds.

    Args:
        text: such as ``neutral`` or ``0-10``.
        events: the events; None if there are none.

    Returns:
        The event's name, or the stretch, which has none.

    Raises:
        SettingsError: neither.
    """
    names = events.names if events else ()
    if text in names:
        return text
    if (span := _SPAN.fullmatch(text)) and float(span["start"]) < float(span["end"]) < math.inf:
        return Stretch("", round(float(span["start"]), 3), round(float(span["end"]), 3))
    known = f"an event ({', '.join(names[:20])})" if names else "an event of `events`"
    raise SettingsError(one_line(f"baseline={text!r}: expected two times in seconds, such as 0-10, or {known}"))


def _read(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a table that has at least one row and no column twice."""
    try:
        if not path.is_file():
            raise ManifestError(one_line(f"{path}: no such file"))
        if path.stat().st_size > _MAX_BYTES:
            raise ManifestError(one_line(f"{path}: is larger than {_MAX_BYTES >> 20} MiB"))
    except OSError as error:
        raise ManifestError(one_line(f"{path}: cannot be read ({error.strerror})")) from error
    rows = read_table(path, columns)
    line, text = read_lines(path)[0]
    header = [name.strip() for name in next(csv.reader([text]))]
    if len(set(header)) < len(header) or not all(name.isprintable() and name for name in header):
        raise make_fault(path, line, f"expected a name for each column, and no name twice; got {quote(text)}")
    if not rows:
        raise ManifestError(one_line(f"{path}: has a header and no rows"))
    return list(rows)


def _read_stretch(path: Path, line: int, fields: Mapping[str, str]) -> Stretch:
    name = fields["event"]
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise make_fault(path, line, f"expected the name of an event, got {quote(name)}")
    times_s = []
    for column in ("start_s", "end_s"):
        try:
            time_s = round(float(fields[column]), 3)
        except (ValueError, OverflowError):
            time_s = math.nan
        if not math.isfinite(time_s) or time_s < 0:
            raise make_fault(path, line, f"{column}: expected seconds, 0 or more, got {quote(fields[column])}")
        times_s.append(time_s)
    if times_s[0] >= times_s[1]:
        raise make_fault(path, line, f"{quote(name)} ends at {times_s[1]} s, not after its start at {times_s[0]} s")
    return Stretch(name, *times_s)


def _check_targets(path: Path, rows: Sequence[Row], subjects: Sequence[Subject]) -> None:
    """Refuse rows that name a file or a person that no prediction has, or one file name of several files."""
    people: defaultdict[Path, set[str]] = defaultdict(set)
    files: defaultdict[str, set[Path]] = defaultdict(set)
    for each in subjects:
        people[each.file.path] |= each.names
        files[each.file.path.name].add(each.file.path)
    everybody = {name for names in people.values() for name in names}
    for line, fields in rows:
        name, person = fields.get("file", ""), fields.get("person", "")
        found = sorted(file for file in files.get(PurePath(name).name, ()) if _is_named(file, name))
        if name and not found:
            raise make_fault(path, line, f"no prediction of the file {quote(name)}")
        if len(found) > 1:
            both = " and ".join(quote(str(file)) for file in found[:2])
            raise make_fault(path, line, f"the file {quote(name)} may be {both}; write more of its path")
        if person and person not in (people[found[0]] if found else everybody):
            where = f" in {quote(name)}" if name else ""
            raise make_fault(path, line, f"no prediction of the person {quote(person)}{where}")


def _applies(fields: Mapping[str, str], subject: Subject) -> bool:
    file, person = fields.get("file", ""), fields.get("person", "")
    return (not file or _is_named(subject.file.path, file)) and (not person or person in subject.names)


def _is_named(file: Path, name: str) -> bool:
    """Whether a name is the file's path or the end of it: ``a.mp4`` or ``day1/a.mp4`` for ``/data/day1/a.mp4``."""
    parts = PurePath(name).parts
    return bool(parts) and file.parts[-len(parts) :] == parts
