"""Predictions on a terminal, and as plain text: a table of people, and a timeline of each."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Final

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.timeline import Timeline, make_timelines, name_tracks
from hicmae_cli.weights.info import WeightInfo

COLOURS: Final = {
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "neutral": "white",
    "sadness": "blue",
    "surprise": "cyan",
    "contempt": "dark_orange",
}
_SPARE_COLOURS: Final = ("deep_pink3", "turquoise2", "chartreuse3", "orchid", "sandy_brown", "slate_blue1")
_LETTERS: Final = ascii_uppercase + digits
_ABSTAINED: Final = "-"
_LEVELS: Final = "▁▂▃▄▅▆▇█"
BASED_ON: Final = {"av": "face + voice", "video": "face", "audio": "voice"}
_LISTED: Final = 20
_ROOMY_CELLS: Final = 80  # a narrower screen has no room for the second label, and for half of the bar
_PLAIN_CELLS: Final = 1000  # width of plain text, so that no line is folded
_NAME_CELLS: Final = 10
_LONGEST_NAME_CELLS: Final = 12


def label_colour(label: str, info: WeightInfo) -> str:
    """Return the colour of a label, the same in every table."""
    return COLOURS.get(label, _SPARE_COLOURS[info.labels.index(label) % len(_SPARE_COLOURS)])


def assign_letters(labels: Sequence[str]) -> dict[str, str]:
    """Give each label a letter, so that a timeline can be read without its colours.

    A label gets the first letter of its name that is free, else any that is free; from the 37th label on, ``?``.
    """
    letters: dict[str, str] = {}
    for label in labels:
        free = [
            letter for letter in chain(label.upper(), _LETTERS) if letter in _LETTERS and letter not in letters.values()
        ]
        letters[label] = free[0] if free else "?"
    return letters


def weight_notice(name: str, info: WeightInfo) -> str | None:
    """Return the line that must accompany a weight; None if its metadata say none of it.

    It says what the weight was trained on, how often it was right on people it had not seen, and what it cannot judge.
    """
    trained_on, cannot_judge = describe_limits(info)
    facts = [f"{name} was trained on {trained_on}."] if trained_on else []
    if info.held_out:
        scores = "; ".join(map(str, info.held_out))
        facts.append(f"On people {'it' if facts else name} had not seen: {scores}.")
    if cannot_judge:
        facts.append(f"{'It' if facts else name} cannot judge {cannot_judge}.")
    return one_line(" ".join(facts)) if facts else None


def describe_limits(info: WeightInfo) -> tuple[str, str]:
    """Return what a weight was trained on, and what it cannot judge; each may be empty.

    A weight that was trained on puppets cannot judge real people even if its metadata do not say so.
    """
    usual = ("computer-drawn people and synthetic voices", "real people") if info.is_demo else ("", "")
    return info.trained_on or usual[0], info.cannot_judge or usual[1]


def licence_line(name: str, info: WeightInfo) -> str:
    """Return what a weight is, and its licence."""
    task = f"{', '.join(info.labels)}, " if info.task == "regression" else ""
    renamed = f" · labels renamed: {', '.join(info.list_renamed())}" if info.relabelled else ""
    return one_line(
        f"weights {name} ({info.variant}, {task}trained on {info.dataset}) · licence {info.licence}{renamed}"
    )


def print_prediction(
    console: Console, files: Sequence[FileResult], info: WeightInfo, settings: PredictSettings | None = None
) -> None:
    """Print every file, then the failures."""
    for file in files:
        print_file(console, file, info, settings)
    print_failures(console, [file for file in files if file.failed], len(files))


def print_file(console: Console, file: FileResult, info: WeightInfo, settings: PredictSettings | None = None) -> None:
    """Print a file's people and timelines; nothing for a file that failed."""
    if not file.failed:
        console.print(render_file(file, info, console.width, settings))


def print_failures(console: Console, failures: Sequence[FileResult], files: int) -> None:
    """Print one line per file that failed, and how many of all files these are."""
    for file in failures:
        console.print(Text.assemble(("failed ", "bold red"), _failure(file)), soft_wrap=True)
    if failures and files > 1:
        console.print(f"{files - len(failures)} of {files} files done, {len(failures)} failed")


def print_skipped_links(console: Console, folder: Path, links: Sequence[Path]) -> None:
    """Name the links to videos in a folder, which are not followed."""
    if links:
        names = ", ".join(one_line(link.relative_to(folder).as_posix()) for link in links[:_LISTED])
        more = f" and {len(links) - _LISTED} more" if len(links) > _LISTED else ""
        text = f"skipped {len(links)} links to videos, copy the files to use them: {names}{more}"
        console.print(Text(text, style="yellow"), soft_wrap=True)


def prediction_text(files: Sequence[FileResult], name: str, info: WeightInfo) -> str:
    """Return files as plain text: the weight, a table of people for each file, the failures.

    Args:
        files: the results.
        name: the weight's name.
        info: its metadata.
    """
    lines = [licence_line(name, info), *filter(None, [weight_notice(name, info)])]
    for file in files:
        if file.failed:
            lines.append(f"failed {_failure(file)}")
            continue
        lines.append(f"{one_line(file.path.name)}  {_facts(file)}")
        console = Console(file=io.StringIO(), width=_PLAIN_CELLS, color_system=None)
        console.print(_people(file, info, bar_cells=0, roomy=True))
        assert isinstance(console.file, io.StringIO)
        lines += [f"  {line}".rstrip() for line in console.file.getvalue().splitlines()]
        lines += [f"  note: {one_line(file.message)}"] if file.message else []
    return "\n".join(lines)


def render_file(
    file: FileResult, info: WeightInfo, width: int, settings: PredictSettings | None = None
) -> RenderableType:
    """Draw the table of people, their timelines and the legend, in a frame with the file's name.

    A photograph has no timeline.

    Args:
        file: a result with tracks.
        info: the weight's metadata.
        width: cells of the screen.
        settings: of the prediction; they say how to make the timelines.
    """
    roomy = width >= _ROOMY_CELLS
    parts: list[RenderableType] = [_people(file, info, bar_cells=10 if roomy else 5, roomy=roomy)]
    if not file.is_photograph:
        over_time = _values_over_time if info.task != "classification" else _labels_over_time
        parts += [Text(), *over_time(make_timelines(file, settings), info, width - 6)]
    if file.message:
        parts += [Text(one_line(f"note: {file.message}"), style="dim")]
    title = Text.assemble((one_line(file.path.name), "bold"), "  ", (_facts(file), "dim"))
    return Panel(Group(*parts), title=title, title_align="left", border_style="dim")


def _facts(file: FileResult) -> str:
    main = file.main_track
    assert main is not None, "only called for a file with tracks"
    facts = [f"{file.duration_s:.1f} s"] if file.duration_s else []
    facts += ["photograph"] if file.is_photograph else []
    facts += [f"{file.fps:.2f} frames/s"] if file.fps else []
    return " · ".join([*facts, main.modality.replace("av", "audio + video")])


def _failure(file: FileResult) -> str:
    return one_line(file.message if str(file.path) in file.message else f"{file.path}: {file.message}")


def _people(file: FileResult, info: WeightInfo, *, bar_cells: int, roomy: bool) -> Table:
    """Return a table with a row per track, and per target or predicted label where it has several."""
    if info.task == "regression":
        names = ["", "target", "mean", *(["range"] if roomy else [])]
    else:
        names = ["", "emotion", "", *(["next"] if roomy else [])]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (*names, "visible", "based on"):
        table.add_column(name, justify="right" if name in ("mean", "visible") else "left", no_wrap=True)
    for track, name in zip(file.tracks, name_tracks(file), strict=True):
        mark = " ◂" if track is file.main_track and len(file.tracks) > 1 else ""
        visible = "-" if track.id == VOICE_TRACK else f"{track.face_coverage:.0%}"
        rows = (
            _target_cells(track, roomy=roomy)
            if info.task == "regression"
            else _label_cells(track, info, bar_cells, roomy=roomy)
        )
        for number, cells in enumerate(rows):
            first = [_fit(name, _LONGEST_NAME_CELLS) + mark] if number == 0 else [""]
            last = [visible, BASED_ON[track.modality]] if number == 0 else ["", ""]
            table.add_row(*map(Text, first), *cells, *map(Text, last))
    return table


def _label_cells(track: Track, info: WeightInfo, bar_cells: int, *, roomy: bool) -> list[list[Text]]:
    """Return each predicted label, its probability with a bar and, on a roomy screen, the next label."""
    ranked = sorted(track.scores.probabilities.items(), key=lambda item: -item[1])
    count = len(track.scores.labels)
    rows = []
    for number, (label, probability) in enumerate(ranked[:count]):
        colour = label_colour(label, info)
        full = round(probability * bar_cells)
        bar = Text.assemble(("█" * full, colour), ("░" * (bar_cells - full), "dim"), " " if bar_cells else "")
        others = ranked[count : count + 1] if number == 0 else []
        following = Text(", ".join(f"{one_line(name)} {p:.0%}" for name, p in others), style="dim")
        cells = [Text(one_line(label), style=f"bold {colour}"), bar.append(f"{probability:.0%}")]
        rows.append([*cells, *([following] if roomy else [])])
    return rows


def _target_cells(track: Track, *, roomy: bool) -> list[list[Text]]:
    """Return the name, the mean and, on a roomy screen, the range of each target."""
    rows = []
    for target, mean in track.scores.values.items():
        low, high = find_range(track, target)
        cells = [Text(one_line(target), style="bold"), Text(f"{mean:.2f}")]
        spread = Text(f"{low:.2f} to {high:.2f}", style="dim")
        rows.append([*cells, *([spread] if roomy else [])])
    return rows


def find_range(track: Track, target: str) -> tuple[float, float]:
    """Return the smallest and the largest value of a target in the windows of a track, whose mean is the summary."""
    numbers = [window.scores.values[target] for window in track.windows]
    return min(numbers), max(numbers)


def _labels_over_time(timelines: Sequence[Timeline], info: WeightInfo, width: int) -> list[Text]:
    """Return a row of blocks per track, the time axis, and the legend.

    A run of one label starts with the label's letter; the blocks after it are paler where the model is less sure.
    """
    letters = assign_letters(info.labels)
    margin = _name_cells([timeline.name for timeline in timelines], _LONGEST_NAME_CELLS + 1)
    rows = []
    for timeline in timelines:
        row = Text(set_cell_size(_fit(timeline.name, margin - 1), margin))
        before: str | None = None
        for time_s in _cell_times(timelines, width - margin):
            episode, numbers = timeline.episode_at(time_s), timeline.numbers_at(time_s)
            label = episode.label if episode else None
            if numbers is None or episode is None:
                row.append("·", style="dim")
            elif label is None:
                row.append(_ABSTAINED, style="dim")
            elif label != before:
                row.append(letters[label], f"bold reverse {label_colour(label, info)}")
            else:
                sure = numbers[timeline.names.index(label)]
                row.append("█" if sure >= 0.6 else "▓" if sure >= 0.4 else "▒", label_colour(label, info))
            before = label
        rows.append(row)
    legend = Text(" " * margin)
    found = dict.fromkeys(episode.label for timeline in timelines for episode in timeline.episodes)
    for label in found:
        if label is not None:
            legend.append(letters[label], f"bold reverse {label_colour(label, info)}")
            legend.append(f" {one_line(label)}  ")
    if None in found:
        legend.append(f"{_ABSTAINED} no label  ", "dim")
    return [*rows, _axis(timelines, margin, width), legend.append("(paler: less sure)", "dim")]


def _values_over_time(timelines: Sequence[Timeline], info: WeightInfo, width: int) -> list[Text]:
    """Return a row of bars per track and target, the time axis, and the range of each target's bars.

    The targets of a multi-label model are the probabilities of its labels.
    """
    names = [f"{timeline.name} {one_line(target)}" for timeline in timelines for target in info.labels]
    margin = _name_cells(names, width // 2, gap=2)
    rows = [Text(set_cell_size(_fit(name, margin - 2), margin)) for name in names]
    ranges: dict[str, tuple[float, float]] = {}
    for at, target in enumerate(info.labels):
        columns = [timeline.numbers[:, timeline.names.index(target)] for timeline in timelines]
        low, high = min(map(np.min, columns)), max(map(np.max, columns))
        ranges[target] = (low, high) if info.task == "regression" else (0.0, 1.0)
        for row, timeline in zip(rows[at :: len(info.labels)], timelines, strict=True):
            _append_bars(row, timeline, target, ranges[target], _cell_times(timelines, width - margin))
    named = ranges if info.task == "regression" else {"probability": (0.0, 1.0)}
    legend = [
        Text(f"{' ' * margin}{one_line(target)}: {_LEVELS[0]} {low:.2f} to {_LEVELS[-1]} {high:.2f}", "dim")
        for target, (low, high) in named.items()
    ]
    return [*rows, _axis(timelines, margin, width), *legend]


def _append_bars(
    row: Text, timeline: Timeline, target: str, bounds: tuple[float, float], times_s: Iterable[float]
) -> None:
    """Append a bar for each time, from the lowest to the highest number."""
    low, high = bounds
    for time_s in times_s:
        numbers = timeline.numbers_at(time_s)
        if numbers is None:
            row.append("·", style="dim")
            continue
        height = (numbers[timeline.names.index(target)] - low) / (high - low) if high > low else 0.5
        row.append(_LEVELS[round(height * (len(_LEVELS) - 1))])


def _fit(name: str, cells: int) -> str:
    """Cut a name that is too wide."""
    text = Text(name)
    text.truncate(cells, overflow="ellipsis")
    return text.plain


def _name_cells(names: Iterable[str], most: int, *, gap: int = 1) -> int:
    """Return the cells for a column of names and a gap after it."""
    return max(_NAME_CELLS, min(max(map(cell_len, names)) + gap, most))


def _cell_times(timelines: Sequence[Timeline], cells: int) -> list[float]:
    """Return the middle of each cell of a time axis."""
    cells = max(10, cells)
    return [(cell + 0.5) / cells * _length_s(timelines) for cell in range(cells)]


def _length_s(timelines: Sequence[Timeline]) -> float:
    return max(timeline.end_s for timeline in timelines)


def _axis(timelines: Sequence[Timeline], margin: int, width: int) -> Text:
    return Text(" " * margin + "0" + f"{_length_s(timelines):.1f} s".rjust(max(10, width - margin) - 1), style="dim")
