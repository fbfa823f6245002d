"""Progress bars of files that are predicted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae_cli.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class FileBars:
    """A progress bar for each file in work, by its seconds, and one for all files."""

    def __init__(self, console: Console, paths: list[Path], *, disable: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[unit]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=disable)
        self._loading = self._bar.add_task("loading the model", total=None, unit="")
        self._all = self._bar.add_task("all files", total=len(paths), unit="", visible=False)
        self._total = len(paths)
        self._done = 0
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> FileBars:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def loaded(self, done: Collection[Path]) -> None:
        """Show that the model is loaded, and that some files are done already."""
        for path in done:
            self._remove(path)
        self._bar.remove_task(self._loading)
        self._count(len(done))

    def show_time(self, path: Path, done_s: float, total_s: float) -> None:
        """Show the progress of a file."""
        from rich.markup import escape

        if path not in self._tasks:
            self._tasks[path] = self._bar.add_task(escape(one_line(path.name)), total=None, unit="")
        if total_s:
            unit = f"{done_s:.0f}/{total_s:.0f} s"
            self._bar.update(self._tasks[path], completed=done_s, total=total_s, unit=unit)

    @contextmanager
    def file_done(self, path: Path) -> Iterator[None]:
        """Remove a file's bar; what the block prints goes above the other bars."""
        self._remove(path)
        self._count(1)
        self._stop()
        try:
            yield
        finally:
            self._bar.start()

    @contextmanager
    def writing(self, path: Path) -> Iterator[Callable[[str], None]]:
        """Show that the files of an input are written; the function that is given shows the name of a format."""
        from rich.markup import escape

        name = escape(one_line(path.name))
        task = self._bar.add_task(f"{name}: writing its files", total=None, unit="")
        try:
            yield lambda form: self._bar.update(task, unit=form)
        finally:
            self._bar.remove_task(task)

    def _stop(self) -> None:
        # A bar that is not shown would print an empty line.
        if not self._bar.disable:
            self._bar.stop()

    def _remove(self, path: Path) -> None:
        if path in self._tasks:
            self._bar.remove_task(self._tasks.pop(path))

    def _count(self, files: int) -> None:
        self._done += files
        unit = f"{self._done}/{self._total} files"
        self._bar.update(self._all, completed=self._done, unit=unit, visible=self._total > 1)
