"""Summarize predictions: one row per file, person, event, measure and label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae_cli.errors import MissingDependencyError, SettingsError
from hicmae_cli.report.files import to_csv, write_text
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.summaries.conditions import (
    COLUMNS,
    WHOLE,
    Events,
    Stretch,
    Subject,
    list_subjects,
    read_baseline,
    read_events,
    read_groups,
)
from hicmae_cli.summaries.measures import Part, count_windows, cut_part, measure, measure_change
from hicmae_cli.summaries.methods import describe_predictions
from hicmae_cli.summaries.reading import check_together, load_predictions
from hicmae_cli.timeline import Timeline, make_timeline

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class SummaryRow:
    """One measure of one person in one event.

    Attributes:
        file: the file, as its prediction names it.
        person: name of the track; the number of a person without a name, as in ``person 2``, counts in this file only.
        groups: one field for each column of groups; empty where none is known.
        event: name of the event; ``all`` for the whole part that was predicted.
        start_s: its start on the file's clock.
        end_s: its end.
        measure: which one; see ``docs/summarize.md``.
        label: the label or target; empty for a measure of the person.
        value: None where it is undefined.
        n_windows: windows of the person that are at least partly in the event.
        coverage: share of the event's time with such a window, 0 to 1.
    """

    file: str
    person: str
    groups: tuple[str, ...]
    event: str
    start_s: float
    end_s: float
    measure: str
    label: str
    value: float | None
    n_windows: int
    coverage: float


@dataclass(frozen=True)
class Summary:
    """The result of `summarize`.

    Attributes:
        rows: sorted by file, person and event, as the predictions and the list of events have them.
        group_columns: names of the columns of groups.
        methods: a paragraph for a methods section, as Markdown.
        warnings: what is missing, in words.
    """

    rows: tuple[SummaryRow, ...] = field(repr=False)
    group_columns: tuple[str, ...]
    methods: str = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the table's columns."""
        return (*COLUMNS[:2], *self.group_columns, *COLUMNS[2:])

    def to_csv(self) -> str:
        """Return the table as CSV, with nine significant digits; an undefined value is an empty field."""
        return to_csv([self.columns, *([_format_cell(cell) for cell in _list_cells(row)] for row in self.rows)])

    def to_frame(self) -> pandas.DataFrame:
        """Return the table with full precision; undefined values are NaN.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("to_frame needs pandas: pip install pandas") from error
        frame = pandas.DataFrame([_list_cells(row) for row in self.rows], columns=list(self.columns))
        return frame.astype({"value": "float64"})

    def save(self, path: str | Path, methods: str | Path | None = None) -> None:
        """Write the table as CSV and, where a path is given, the paragraph as Markdown.

        Raises:
            HicmaeError: a file cannot be written.
        """
        write_text(Path(path), self.to_csv())
        if methods is not None:
            write_text(Path(methods), self.methods)

    def __str__(self) -> str:
        return self.to_csv()


def summarize(
    predictions: str | Path | Prediction | Sequence[Prediction],
    *,
    events: str | Path | None = None,
    groups: str | Path | None = None,
    baseline: str | None = None,
    smooth_s: float | None = None,
    abstain: float | None = None,
) -> Summary:
    """Summarize predictions per person and event, in a long table for mixed models.

    Args:
        predictions: a ``predictions.json``, a folder that holds such files at any depth, or predictions.
        events: CSV file with the columns ``event``, ``start_s`` and ``end_s`` in seconds of the file's clock, and
            optionally ``file`` and ``person``; by default one event ``all``.
        groups: CSV file with the columns ``person`` or ``file`` or both, and any others, which become columns.
        baseline: name of an event, or two times in seconds such as ``"0-10"``: adds the measure ``change``. An event
            that a named person has only in other files counts from there.
        smooth_s: width in seconds of a centred mean over the windows, in place of that of the predictions.
        abstain: smallest probability of a label, in place of that of the predictions.

    Raises:
        SettingsError: no predictions, predictions that do not go together, a baseline that is no event, or a number
            out of range.
        ManifestError: a CSV file is malformed, or names a file or person without a prediction; names the line.
        HicmaeError: a document cannot be read.
    """
    if isinstance(predictions, str | Path):
        loaded = load_predictions(Path(predictions))
    else:
        loaded = [predictions] if isinstance(predictions, Prediction) else list(predictions)
        if not loaded:
            raise SettingsError("expected predictions to summarize, got none")
        check_together(loaded, [f"prediction {number}" for number in range(1, len(loaded) + 1)])
    loaded = [prediction.with_timeline(smooth_s, abstain) for prediction in loaded]
    files = [(file, prediction.settings) for prediction in loaded for file in prediction.files if not file.failed]
    if not files:
        raise SettingsError("none of the files has a prediction, so there is nothing to summarize")
    subjects = list_subjects([file for file, _ in files])
    found_events = None if events is None else read_events(Path(events), subjects)
    found_groups = None if groups is None else read_groups(Path(groups), subjects)
    base = None if baseline is None else read_baseline(baseline, found_events)
    table = _Table(files, subjects, found_events, base)
    columns = found_groups.columns if found_groups else ()
    rows: list[SummaryRow] = []
    ungrouped: list[str] = []
    for subject in subjects:
        fields = found_groups.find(subject) if found_groups else ()
        if fields is None:
            ungrouped.append(f"{subject.person} of {subject.file.path.name}")
        rows += table.list_rows(subject, ("",) * len(columns) if fields is None else fields)
    failures = [file.path.name for prediction in loaded for file in prediction.failures]
    warnings = (
        (failures, "files have no prediction"),
        (ungrouped, "people are in no row of the groups"),
        (table.uncovered, "events have no window of the person"),
        (table.without_base, "people have no window in the baseline, so their changes are empty"),
    )
    return Summary(
        tuple(rows),
        columns,
        describe_predictions(
            loaded,
            baseline=baseline or "",
            events=len(found_events.names) if found_events else 0,
            speaking=any(row.measure == "speaking_s" for row in rows),
        ),
        tuple(_warn(names, what) for names, what in warnings if names),
    )


class _Table:
    """Makes the rows of a summary, and notes what is missing."""

    def __init__(
        self,
        files: Sequence[tuple[FileResult, PredictSettings]],
        subjects: Sequence[Subject],
        events: Events | None,
        baseline: Stretch | str | None,
    ) -> None:
        self._subjects, self._events, self._baseline = subjects, events, baseline
        settings_of = {id(file): settings for file, settings in files}
        self._timelines: dict[int, Timeline] = {
            id(each): make_timeline(each.heard_file, each.track, settings_of[id(each.file)]) for each in subjects
        }
        self.uncovered: list[str] = []
        self.without_base: list[str] = []

    def list_rows(self, subject: Subject, groups: tuple[str, ...]) -> Iterator[SummaryRow]:
        """Yield the rows of a person in a file."""
        timeline, path = self._timelines[id(subject)], subject.file.path
        base = None if self._baseline is None else self._find_baseline(subject)
        if base is not None and not any(part.covered_s for part in base):
            self.without_base.append(f"{subject.person} of {path.name}")
        for event in self._find_events(subject):
            part = cut_part(timeline, event.start_s, event.end_s)
            count = count_windows(subject.track, event.start_s, event.end_s)
            if not part.covered_s:
                self.uncovered.append(f"{event.event} of {subject.person} of {path.name}")
            change = measure_change(part, base) if base is not None else ()
            for each in (*measure(part, subject.track), *change):
                where = (str(path), subject.person, groups, event.event, event.start_s, event.end_s)
                yield SummaryRow(*where, each.name, each.label, each.value, count, part.coverage)

    def _find_events(self, subject: Subject) -> list[Stretch]:
        timeline = self._timelines[id(subject)]
        if self._events is None:
            return [Stretch(WHOLE, timeline.start_s, timeline.end_s)]
        return self._events.find(subject)

    def _find_baseline(self, subject: Subject) -> list[Part]:
        """Return the baseline of a person: in the same file or, for the event of a named person, in the other files."""
        if isinstance(self._baseline, Stretch):
            return [cut_part(self._timelines[id(subject)], self._baseline.start_s, self._baseline.end_s)]
        same = [each for each in self._subjects if subject.track.name and each.track.name == subject.track.name]
        for chosen in ([subject], same):
            parts = [
                cut_part(self._timelines[id(each)], event.start_s, event.end_s)
                for each in chosen
                for event in self._find_events(each)
                if event.event == self._baseline
            ]
            if parts:
                return parts
        return []


def _warn(names: Sequence[str], what: str) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{len(names)} {what}: {', '.join(names[:5])}{more}"


def _list_cells(row: SummaryRow) -> list[object]:
    where = (row.event, row.start_s, row.end_s, row.measure, row.label)
    return [row.file, row.person, *row.groups, *where, row.value, row.n_windows, row.coverage]


def _format_cell(cell: object) -> object:
    """Write numbers with nine significant digits; never ``-0``."""
    return float(f"{cell:.9g}") + 0.0 if isinstance(cell, float) else cell
