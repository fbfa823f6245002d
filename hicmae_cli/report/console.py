"""Predictions on a terminal, and as plain text: a table of people, and a timeline of each."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track, Window
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
_LEVELS: Final = "▁▂▃▄▅▆▇█"
BASED_ON: Final = {"av": "face + voice", "video": "face", "audio": "voice"}
_LISTED: Final = 20
_ROOMY_CELLS: Final = 80  # a narrower screen has no room for the second label, and for half of the bar
_PLAIN_CELLS: Final = 1000  # width of plain text, so that no line is folded
_NAME_CELLS: Final = 10


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
    A weight that was trained on puppets cannot judge real people even if its metadata do not say so.
    """
    if info.is_demo and not info.cannot_judge:
        return one_line(
            f"{name} was trained on computer-drawn people and synthetic voices: a demo that cannot judge real people."
        )
    facts = [f"{name} was trained on {info.trained_on}."] if info.trained_on else []
    if info.held_out:
        scores = "; ".join(map(str, info.held_out))
        facts.append(f"On people {'it' if facts else name} had not seen: {scores}.")
    if info.cannot_judge:
        facts.append(f"{'It' if facts else name} cannot judge {info.cannot_judge}.")
    return one_line(" ".join(facts)) if facts else None


def licence_line(name: str, info: WeightInfo) -> str:
    """Return what a weight is, and its licence."""
    task = f"{', '.join(info.labels)}, " if info.task == "regression" else ""
    renamed = f" · labels renamed: {', '.join(info.list_renamed())}" if info.relabelled else ""
    return one_line(
        f"weights {name} ({info.variant}, {task}trained on {info.dataset}) · licence {info.licence}{renamed}"
    )


def track_name(track: Track) -> str:
    """Return the name of a track on the screen."""
    return "voice" if track.id == VOICE_TRACK else f"person {track.id}"


def print_prediction(console: Console, files: Sequence[FileResult], info: WeightInfo) -> None:
    """Print every file, then the failures."""
    for file in files:
        print_file(console, file, info)
    print_failures(console, files)


def print_file(console: Console, file: FileResult, info: WeightInfo) -> None:
    """Print a file's people and timelines; nothing for a file that failed."""
    if not file.failed:
        console.print(render_file(file, info, console.width))


def print_failures(console: Console, files: Sequence[FileResult]) -> None:
    """Print one line per file that failed, and how many there are."""
    failures = [file for file in files if file.failed]
    for file in failures:
        console.print(Text.assemble(("failed ", "bold red"), _failure(file)), soft_wrap=True)
    if failures and len(files) > 1:
        console.print(f"{len(files) - len(failures)} of {len(files)} files done, {len(failures)} failed")


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


def render_file(file: FileResult, info: WeightInfo, width: int) -> RenderableType:
    """Draw the table of people, their timelines and the legend, in a frame with the file's name.

    Args:
        file: a result with tracks.
        info: the weight's metadata.
        width: cells of the screen.
    """
    roomy = width >= _ROOMY_CELLS
    parts: list[RenderableType] = [_people(file, info, bar_cells=10 if roomy else 5, roomy=roomy), Text()]
    parts += (
        _values_over_time(file, info, width - 6)
        if info.task != "classification"
        else _labels_over_time(file, info, width - 6)
    )
    if file.message:
        parts += [Text(one_line(f"note: {file.message}"), style="dim")]
    title = Text.assemble((one_line(file.path.name), "bold"), "  ", (_facts(file), "dim"))
    return Panel(Group(*parts), title=title, title_align="left", border_style="dim")


def _facts(file: FileResult) -> str:
    main = file.main_track
    assert main is not None, "only called for a file with tracks"
    facts = [f"{file.duration_s:.1f} s"] if file.duration_s else []
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
    for track in file.tracks:
        mark = " ◂" if track is file.main_track and len(file.tracks) > 1 else ""
        visible = "-" if track.id == VOICE_TRACK else f"{track.face_coverage:.0%}"
        rows = (
            _target_cells(track, roomy=roomy)
            if info.task == "regression"
            else _label_cells(track, info, bar_cells, roomy=roomy)
        )
        for number, cells in enumerate(rows):
            first = [track_name(track) + mark] if number == 0 else [""]
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
        numbers = [window.scores.values[target] for window in track.windows]
        cells = [Text(one_line(target), style="bold"), Text(f"{mean:.2f}")]
        spread = Text(f"{min(numbers):.2f} to {max(numbers):.2f}", style="dim")
        rows.append([*cells, *([spread] if roomy else [])])
    return rows


def _labels_over_time(file: FileResult, info: WeightInfo, width: int) -> list[Text]:
    """Return a row of blocks per track, the time axis, and the legend.

    A run of one label starts with the label's letter; the blocks after it are paler where the model is less sure.
    """
    letters = assign_letters(info.labels)
    rows = []
    for track in file.tracks:
        row = Text(track_name(track).ljust(_NAME_CELLS))
        before: str | None = None
        for window in _windows_at(track, file, width - _NAME_CELLS):
            label = window.scores.label if window else None
            if window is None or label is None:
                row.append("·", style="dim")
            elif label != before:
                row.append(letters[label], f"bold reverse {label_colour(label, info)}")
            else:
                sure = window.scores.probabilities[label]
                row.append("█" if sure >= 0.6 else "▓" if sure >= 0.4 else "▒", label_colour(label, info))
            before = label
        rows.append(row)
    legend = Text(" " * _NAME_CELLS)
    for label in dict.fromkeys(window.scores.label for track in file.tracks for window in track.windows):
        assert label is not None, "a classification has labels"
        legend.append(letters[label], f"bold reverse {label_colour(label, info)}")
        legend.append(f" {one_line(label)}  ")
    return [*rows, _axis(file, _NAME_CELLS, width), legend.append("(paler: less sure)", "dim")]


def _values_over_time(file: FileResult, info: WeightInfo, width: int) -> list[Text]:
    """Return a row of bars per track and target, the time axis, and the range of each target's bars.

    The targets of a multi-label model are the probabilities of its labels.
    """
    names = {
        (track.id, target): f"{track_name(track)} {one_line(target)}  "
        for track in file.tracks
        for target in info.labels
    }
    margin = min(max(map(len, names.values())), width // 2)
    ranges: dict[str, tuple[float, float]] = {}
    for target in info.labels:
        numbers = [window.scores.by_name[target] for track in file.tracks for window in track.windows]
        ranges[target] = (min(numbers), max(numbers)) if info.task == "regression" else (0.0, 1.0)
    rows = []
    for track in file.tracks:
        for target, (low, high) in ranges.items():
            row = Text(names[track.id, target][:margin].ljust(margin))
            for window in _windows_at(track, file, width - margin):
                if window is None:
                    row.append("·", style="dim")
                    continue
                height = (window.scores.by_name[target] - low) / (high - low) if high > low else 0.5
                row.append(_LEVELS[round(height * (len(_LEVELS) - 1))])
            rows.append(row)
    named = ranges if info.task == "regression" else {"probability": (0.0, 1.0)}
    legend = [
        Text(f"{' ' * margin}{one_line(target)}: {_LEVELS[0]} {low:.2f} to {_LEVELS[-1]} {high:.2f}", "dim")
        for target, (low, high) in named.items()
    ]
    return [*rows, _axis(file, margin, width), *legend]


def _windows_at(track: Track, file: FileResult, cells: int) -> Iterator[Window | None]:
    """Yield the window whose middle is nearest to each cell of a timeline; None if the track has none there."""
    cells = max(10, cells)
    length_s = _length_s(file)
    for cell in range(cells):
        time_s = (cell + 0.5) / cells * length_s
        around = [window for window in track.windows if window.start_s <= time_s < window.end_s]
        yield min(around, key=lambda w: abs((w.start_s + w.end_s) / 2 - time_s), default=None)


def _length_s(file: FileResult) -> float:
    return max(file.duration_s or 0.0, max(w.end_s for track in file.tracks for w in track.windows))


def _axis(file: FileResult, margin: int, width: int) -> Text:
    return Text(" " * margin + "0" + f"{_length_s(file):.1f} s".rjust(max(10, width - margin) - 1), style="dim")
