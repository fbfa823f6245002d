"""Predictions on a terminal: a table of people and a timeline of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Prediction, Track
from hicmae_cli.weights.info import WeightInfo

COLOURS = {
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "neutral": "white",
    "sadness": "blue",
    "surprise": "cyan",
    "contempt": "dark_orange",
}
_SPARE_COLOURS = ("deep_pink3", "turquoise2", "chartreuse3", "orchid", "sandy_brown", "slate_blue1")
_LISTED = 20
_ROOMY_CELLS = 80  # on a narrower screen the runner-up gives way, and half of the bar


def label_colour(label: str, info: WeightInfo) -> str:
    """One colour per label, the same in every table."""
    return COLOURS.get(label, _SPARE_COLOURS[info.labels.index(label) % len(_SPARE_COLOURS)])


def demo_notice(name: str, info: WeightInfo) -> str | None:
    """The line that must go with a model that never saw a real person; None for others."""
    if not info.is_demo:
        return None
    return f"{name} was trained on computer-drawn people and synthetic voices: a demo, no judge of real people."


def licence_line(name: str, info: WeightInfo) -> str:
    """What a weight may be used under."""
    return one_line(f"weights {name} ({info.variant}, trained on {info.dataset}) · licence {info.licence}")


def track_name(track: Track) -> str:
    """How a track is called on the screen."""
    return "voice" if track.id == VOICE_TRACK else f"person {track.id}"


def print_prediction(console: Console, prediction: Prediction) -> None:
    """Print every file, then what failed."""
    for file in prediction.files:
        print_file(console, file, prediction.model.info)
    print_failures(console, prediction)


def print_file(console: Console, file: FileResult, info: WeightInfo) -> None:
    """Print a file's people and timelines; nothing if nothing could be said about it."""
    if not file.failed:
        console.print(render_file(file, info, console.width))


def print_failures(console: Console, prediction: Prediction) -> None:
    """One line per file about which nothing could be said."""
    for file in prediction.failures:
        text = file.message if str(file.path) in file.message else f"{file.path}: {file.message}"
        console.print(Text.assemble(("failed ", "bold red"), one_line(text)), soft_wrap=True)
    if prediction.failures and len(prediction.files) > 1:
        done = len(prediction.files) - len(prediction.failures)
        console.print(f"{done} of {len(prediction.files)} files done, {len(prediction.failures)} failed")


def print_skipped_links(console: Console, folder: Path, links: Sequence[Path]) -> None:
    """Name the links to videos that a folder has and that are not followed."""
    if links:
        names = ", ".join(one_line(link.relative_to(folder).as_posix()) for link in links[:_LISTED])
        more = f" and {len(links) - _LISTED} more" if len(links) > _LISTED else ""
        text = f"skipped {len(links)} links to videos, copy the files to use them: {names}{more}"
        console.print(Text(text, style="yellow"), soft_wrap=True)


def render_file(file: FileResult, info: WeightInfo, width: int) -> RenderableType:
    """Table of people, their timelines and the legend, in a frame titled by the file."""
    main = file.main_track
    assert main is not None
    parts: list[RenderableType] = [_people(file, info, width), Text()]
    parts += [_timeline(track, file, info, width - 6) for track in file.tracks]
    parts += [_axis(file, width - 6), _legend(file, info)]
    if file.message:
        parts += [Text(one_line(f"note: {file.message}"), style="dim")]
    facts = [f"{file.duration_s:.1f} s"] if file.duration_s else []
    facts += [f"{file.fps:.2f} frames/s"] if file.fps else []
    facts += [main.modality.replace("av", "audio + video")]
    title = Text.assemble((one_line(file.path.name), "bold"), "  ", (" · ".join(facts), "dim"))
    return Panel(Group(*parts), title=title, title_align="left", border_style="dim")


def _people(file: FileResult, info: WeightInfo, width: int) -> Table:
    roomy = width >= _ROOMY_CELLS
    bar = 10 if roomy else 5
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "emotion", "", *(["next"] if roomy else []), "seen", "judged by"):
        table.add_column(name, justify="right" if name == "seen" else "left", no_wrap=True)
    main = file.main_track
    for track in file.tracks:
        ranked = sorted(track.scores.probabilities.items(), key=lambda item: -item[1])
        (label, best), *rest = ranked
        mark = " ◂" if track is main and len(file.tracks) > 1 else ""
        cells = round(best * bar)
        runner_up = Text(", ".join(f"{one_line(name)} {p:.0%}" for name, p in rest[:1]), style="dim")
        table.add_row(
            Text(track_name(track) + mark),
            Text(one_line(label), style=f"bold {label_colour(label, info)}"),
            Text.assemble(("█" * cells, label_colour(label, info)), ("░" * (bar - cells), "dim"), f" {best:.0%}"),
            *([runner_up] if roomy else []),
            "-" if track.id == VOICE_TRACK else f"{track.face_coverage:.0%}",
            {"av": "face + voice", "video": "face", "audio": "voice"}[track.modality],
        )
    return table


def _timeline(track: Track, file: FileResult, info: WeightInfo, width: int) -> Text:
    """One row of blocks: at each moment the label of the windows around it, bright when sure."""
    name = track_name(track).ljust(10)
    duration_s = max(file.duration_s or 0.0, max(w.end_s for w in track.windows))
    cells = max(10, width - len(name))
    row = Text(name)
    for cell in range(cells):
        time_s = (cell + 0.5) / cells * duration_s
        around = [w for w in track.windows if w.start_s <= time_s < w.end_s]
        if not around:
            row.append("·", style="dim")
            continue
        nearest = min(around, key=lambda w: abs((w.start_s + w.end_s) / 2 - time_s))
        sure = max(nearest.scores.probabilities.values())
        row.append("█" if sure >= 0.6 else "▓" if sure >= 0.4 else "▒", label_colour(nearest.scores.label, info))
    return row


def _axis(file: FileResult, width: int) -> Text:
    duration_s = max(file.duration_s or 0.0, max(w.end_s for t in file.tracks for w in t.windows))
    end = f"{duration_s:.1f} s"
    return Text(" " * 10 + "0" + end.rjust(max(10, width - 10) - 1), style="dim")


def _legend(file: FileResult, info: WeightInfo) -> Text:
    shown = dict.fromkeys(w.scores.label for t in file.tracks for w in t.windows)
    text = Text(" " * 10)
    for label in shown:
        text.append("█ ", label_colour(label, info))
        text.append(f"{one_line(label)}  ")
    return text.append("(paler: less sure)", "dim")
