"""Where the time of a call of `predict` went, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from hicmae_cli.errors import one_line
from hicmae_cli.runtime.results import FileResult
from hicmae_cli.runtime.timings import Timings

_LISTED: Final = 20


def make_timings_table(files: Sequence[FileResult], call: Timings) -> Table:
    """Make a table with a row per input (the slowest ones), their sum, and the whole call.

    Args:
        files: results with timings.
        call: those of the whole call.
    """
    timed = [(one_line(file.path.name), file.timings) for file in files if file.timings is not None]
    slowest = sorted(timed, key=lambda row: -row[1].total_s)[:_LISTED]
    shown = [row for row in timed if row in slowest]
    together = Timings.sum([timings for _, timings in timed])
    stages = list(call.stages)
    table = Table(title="seconds", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("file", overflow="fold")
    for name in (*stages, "rest", "all"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, timings in shown:
        table.add_row(Text(name), *_cells(timings, stages))
    if len(timed) > len(shown):
        table.add_row(Text(f"and {len(timed) - len(shown)} faster files", "dim"))
    if len(timed) > 1:
        table.add_row(f"{len(timed)} files", *_cells(together, stages), style="bold")
    table.add_row("the whole call", *_cells(call, stages), style="bold")
    shares = [call.stages.get(name, 0.0) / (call.total_s or 1.0) for name in stages]
    cells = [f"{share:.1%}" for share in (*shares, call.rest_share)]
    table.add_row(Text("share of it", "dim"), *cells, "100%", style="dim")
    return table


def _cells(timings: Timings, stages: list[str]) -> list[str]:
    numbers = [timings.stages.get(name, 0.0) for name in stages]
    return [f"{seconds:.2f}" for seconds in (*numbers, timings.rest_s, timings.total_s)]
