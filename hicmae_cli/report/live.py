"""A prediction that is going on, on a terminal: what each person shows now, and how late that is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.report.console import BASED_ON, label_colour
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import VOICE_TRACK
from hicmae_cli.weights.info import WeightInfo

_STALE_S: Final = 6.0
"""A person without a window for this long has left the view."""
_BAR_CELLS: Final = 24


@dataclass
class LiveView:
    """What the view shows.

    Attributes:
        name: of the stream.
        info: the weight's metadata.
        latest: the last window of each track.
        delay_s: time since the end of the last window, when it was decided.
        num_windows: windows so far.
    """

    name: str
    info: WeightInfo
    latest: dict[int, Window] = field(default_factory=dict)
    delay_s: float = 0.0
    num_windows: int = 0

    def add(self, track: int, window: Window, delay_s: float) -> None:
        """Show a window."""
        self.latest[track] = window
        self.delay_s = delay_s
        self.num_windows += 1
        now_s = window.end_s
        self.latest = {each: shown for each, shown in self.latest.items() if now_s - shown.end_s < _STALE_S}

    def line(self, track: int) -> str:
        """Return the last window of a track in one line, for a screen that cannot be drawn on."""
        window = self.latest[track]
        scores = window.scores
        if scores.label is None:
            said = ", ".join(f"{one_line(name)} {value:.2f}" for name, value in scores.values.items())
        else:
            said = f"{one_line(scores.label)} {max(scores.probabilities.values()):.0%}"
        how = f"{BASED_ON[window.modality]}, {self.delay_s:.1f} s late"
        return f"{_clock(window.end_s)}  {_name(track)}  {said}  ({how})"

    def render(self) -> RenderableType:
        """Draw the people side by side, as many as fit."""
        if not self.latest:
            return Text(f"{one_line(self.name)}: waiting for the first window", "dim")
        now_s = max(window.end_s for window in self.latest.values())
        people = Columns(
            [self._draw_person(track, window, now_s) for track, window in sorted(self.latest.items())], padding=(0, 3)
        )
        title = Text.assemble(
            (one_line(self.name), "bold"), (f"  {_clock(now_s)} · {self.delay_s:.1f} s late · Ctrl-C ends", "dim")
        )
        return Panel(people, title=title, title_align="left", border_style="dim")

    def _draw_person(self, track: int, window: Window, now_s: float) -> RenderableType:
        scores = window.scores
        head = Text.assemble((_name(track), "bold"), ("  " + BASED_ON[window.modality], "dim"))
        if now_s - window.end_s > 1.0:
            head.append(f"  {now_s - window.end_s:.0f} s ago", "yellow")
        rows = Table.grid(padding=(0, 1))
        for name, value in scores.by_name.items():
            rows.add_row(*self._draw_row(name, value, is_picked=name in scores.labels))
        return Group(head, rows, Text())

    def _draw_row(self, name: str, value: float, *, is_picked: bool) -> tuple[Text, Text, Text]:
        if self.info.task == "regression":
            return Text(one_line(name)), Text(), Text(f"{value:.2f}")
        colour = label_colour(name, self.info)
        full = round(value * _BAR_CELLS)
        bar = Text.assemble(("█" * full, colour), ("░" * (_BAR_CELLS - full), "dim"))
        mark = "▸ " if is_picked else "  "
        return Text(mark + one_line(name), f"bold {colour}" if is_picked else ""), bar, Text(f"{value:4.0%}")


def _name(track: int) -> str:
    return "voice" if track == VOICE_TRACK else f"person {track}"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{seconds:04.1f}"
