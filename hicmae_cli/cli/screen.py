"""What the commands print: results on stdout; notes, progress, warnings and failures on stderr.

    screen = Screen(quiet=quiet)
    screen.say("fold 1 of 5")                          # a note: dim; --quiet hides it
    with screen.bar("clips") as bar:                   # a progress bar; --quiet hides it
        score(on_start=bar.start, on_clip=bar.advance)
    screen.show(table)                                 # a result: a Rich table
    screen.done("result", out / "result.md")           # a result in one line, with a green word first
    screen.warn("fold 2: no clip of neutral")          # "warning: …" in yellow
    screen.fail("c9.mkv: is cut short")                # "failed …" in red; the caller decides on the exit code

A text may come from a file: it is printed literally and on one line, so that it can neither steer the terminal nor be
read as Rich markup. Everything that is printed while a bar is shown goes above the bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from hicmae_cli.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

STDOUT: Final = Path("-")
"""Given as a file, it stands for stdout."""


class Screen:
    """Prints the results and messages of one command.

    Args:
        quiet: hide notes and progress.
        silent: print nothing at all, as in all but the first of several training processes.
        all_on_stdout: print everything on stdout, for a command whose progress is its output, such as a training.
    """

    def __init__(self, *, quiet: bool = False, silent: bool = False, all_on_stdout: bool = False) -> None:
        from rich.console import Console

        self.quiet = quiet
        self.out = Console(quiet=silent)
        self.err = self.out if all_on_stdout else Console(stderr=True, quiet=silent)

    def show(self, *results: RenderableType, on_stderr: bool = False, wrap: bool = True) -> None:
        """Print results, such as tables.

        Args:
            results: texts in Rich markup, or anything else that Rich can print.
            on_stderr: leave stdout to a document.
            wrap: wrap lines that are longer than the terminal is wide.
        """
        for result in results:
            (self.err if on_stderr else self.out).print(result, soft_wrap=not wrap)

    def done(self, what: str, text: object) -> None:
        """Print a result in one line, after a green word that says what it is."""
        _print(self.out, text, first=what, first_style="green")

    def say(self, text: object) -> None:
        """Print a note."""
        if not self.quiet:
            _print(self.err, text, style="" if self.err is self.out else "dim")

    def warn(self, text: object) -> None:
        """Print a warning."""
        _print(self.err, f"warning: {text}", style="yellow")

    def fail(self, text: object) -> None:
        """Print what failed while the rest went on."""
        _print(self.err, f"failed {text}", style="red")

    @contextmanager
    def wait(self, text: str) -> Iterator[None]:
        """Show a spinner while something without a count takes time."""
        if self.quiet:
            yield
            return
        with self.err.status(one_line(text)):
            yield

    def bar(self, description: str = "", total: int | None = None) -> Bar:
        """Make a progress bar, a context manager; it is hidden with ``quiet`` and where stderr is not a terminal."""
        return Bar(self.err, description, total, hidden=self.quiet or self.err.quiet or not self.err.is_terminal)


class Bar:
    """A progress bar that appears with its first number and vanishes at the end of its block.

    Args:
        console: where it is shown.
        description: the text before it.
        total: the number of items; None until it is known.
        hidden: show nothing.
    """

    def __init__(self, console: Console, description: str, total: int | None, *, hidden: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._hidden = hidden
        self._note = ""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=hidden,
        )
        self._task = self._progress.add_task(one_line(description), total=total, note="")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        # A bar that is not shown would end with an empty line.
        if self._progress.live.is_started:
            self._progress.stop()

    def start(self, total: int, done: int = 0, description: str | None = None) -> None:
        """Begin, or begin again, with a number of items, some of them done."""
        self._note = ""
        self._appear()
        self._progress.reset(self._task, total=total, completed=done, description=_as_line(description), note="")

    def advance(self, items: int = 1) -> None:
        """Count finished items."""
        self._appear()
        self._progress.advance(self._task, items)

    def update(
        self, done: int, *, total: int | None = None, description: str | None = None, note: str | None = None
    ) -> None:
        """Set the number of finished items and, where given, the other texts and numbers of the bar."""
        if note is not None:
            self._note = one_line(note)
        self._appear()
        self._progress.update(
            self._task, completed=done, total=total, description=_as_line(description), note=self._note
        )

    def _appear(self) -> None:
        # Not before there is something to count: until then, another bar may be shown, as when puppets are drawn.
        if not self._hidden:
            self._progress.start()


def print_scores(screen: Screen, document: Mapping[str, Any], *, on_stderr: bool = False) -> None:
    """Print the tables of an evaluation, its warnings, and the clips that failed.

    Args:
        screen: where to.
        document: as ``hicmae evaluate --json`` writes it.
        on_stderr: leave stdout to the document.

    Raises:
        typer.Exit: with 1, as clips failed.
    """
    from hicmae_cli.report.scores import score_grids

    screen.show(*score_grids(document, screen=True), on_stderr=on_stderr)
    for warning in document["warnings"]:
        screen.warn(warning)
    for failure in document["failures"]:
        screen.fail(f"{failure['id']}: {failure['message']}")
    if document["failures"]:
        raise typer.Exit(1)


def exit_stopped(screen: Screen, step: int, steps: int) -> NoReturn:
    """Print that a training was stopped by Ctrl-C, and how to resume it.

    Raises:
        typer.Exit: with 130.
    """
    from rich.text import Text

    text = f" after step {step} of {steps}, and saved; give the same command again to resume"
    screen.show(Text.assemble(("stopped", "yellow"), text), wrap=False)
    raise typer.Exit(130)


def write_document(document: dict[str, Any], file: Path) -> None:
    """Write a JSON document to a file, or to stdout if the file is ``-``; see ``stream_json`` for one with iterators.

    Raises:
        HicmaeError: the file cannot be written.
    """
    from hicmae_cli.json_text import stream_json
    from hicmae_cli.report.files import write_pieces

    pieces = stream_json(document)
    if file != STDOUT:
        write_pieces(file, pieces)
        return
    for piece in pieces:
        typer.echo(piece, nl=False)


def _print(console: Console, text: object, *, style: str = "", first: str = "", first_style: str = "") -> None:
    from rich.text import Text

    line = Text.assemble((first, first_style), " " if first else "", one_line(str(text)))
    console.print(line, style=style or None, highlight=False, soft_wrap=True)


def _as_line(text: str | None) -> str | None:
    return None if text is None else one_line(text)
