"""``hicmae prepare``: find and align the faces of a dataset, and write a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.preparing.jobs import Event


def prepare(
    corpus: Annotated[
        str,
        typer.Argument(metavar="DATASET", help="A dataset by name; `folder` or `manifest` for your own recordings."),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", metavar="DIR", help="Folder of the dataset as distributed (default: its folder in HICMAE_DATA)."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for prepared clips (default: `prepared` in the root)."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes (default: one per core).")] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS", help="Use a Ray cluster: HOST:PORT, auto or local.")
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option("--frames", metavar="DIR", help="Use folders of cropped face pictures, DIR/ID, as they are."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check all items and write no clips.")] = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the findings as JSON.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE", help="Picture of random faces (default: DATASET.png next to the list)."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Prepare the first N items only; their list is DATASET.limit.csv instead of DATASET.csv.",
        ),
    ] = None,
) -> None:
    """Find and align the faces of a dataset and store them with their sound, ready for training.

    Repeat an interrupted or killed call to continue where it stopped. Items that cannot be prepared are skipped and
    listed, and retried when their files change. --check prepares nothing: it reports missing, broken, silent and
    faceless items, compares folds with the published ones, and finds people who are in both training and test.

    [bold]Examples[/bold]

        hicmae prepare crema-d --root /data/CREMA-D

        hicmae prepare crema-d --root /data/CREMA-D --check

        hicmae prepare mafw --root /data/MAFW --frames /data/MAFW/data/frames --output mafw-prepared

        hicmae prepare folder --root recordings --workers 4
    """
    from functools import partial

    from rich.console import Console

    from hicmae_cli.preparing.check import check as check_dataset
    from hicmae_cli.preparing.dataset import prepare as prepare_dataset

    console, side = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False)
    warn = partial(side.print, style="yellow", markup=False, soft_wrap=True)
    try:
        if check:
            with _show_bar(side, f"examining {corpus}") as bar:
                report = check_dataset(
                    corpus,
                    root,
                    output=output,
                    frames=frames,
                    limit=limit,
                    workers=workers,
                    ray=ray,
                    on_start=bar.start,
                    on_item=bar.count,
                    on_warning=warn,
                )
            console.print(report)
            if report.is_shortened:
                console.print("use --json FILE to list all of them")
            document, is_good = report.to_dict(), report.is_good
        else:
            with _show_bar(side, f"preparing {corpus}") as bar:
                prepared = prepare_dataset(
                    corpus,
                    root,
                    output=output,
                    frames=frames,
                    sheet=sheet,
                    limit=limit,
                    workers=workers,
                    ray=ray,
                    on_start=bar.start,
                    on_item=bar.count,
                    on_wait=lambda store: warn(f"another process prepares into {store}; waiting for it to end"),
                    on_warning=warn,
                )
            console.print(prepared)
            if prepared.remarks:
                console.print(f"`hicmae prepare {prepared.dataset} … --check` lists them")
            document, is_good = prepared.to_dict(), not prepared.skipped
    except KeyboardInterrupt:
        kept = "" if check else "; prepared clips are kept, repeat the command to continue"
        console.print(f"[yellow]stopped[/yellow]{kept}")
        raise typer.Exit(130) from None
    if json is not None:
        from hicmae_cli.report.files import to_json, write_text

        write_text(json, to_json(document))
    if not is_good:
        raise typer.Exit(1)


class _Bar:
    """A progress bar with the results of the clips so far."""

    def __init__(self, console: Console, text: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(text, markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
        )
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self.progress.add_task("", total=None, counts="")
        self._counts: dict[Event, int] = {"done": 0, "kept": 0, "failed": 0}
        self._started_s: float | None = None

    def start(self, total: int) -> None:
        """Set the number of items."""
        self.progress.update(self._task, total=total)

    def count(self, event: Event | None = None) -> None:
        """Count one more item."""
        from time import monotonic

        if event is not None:
            self._counts[event] += 1
        if event == "done" and self._started_s is None:
            self._started_s = monotonic()  # the first clip waits for the processes to start
        passed_s = 0.0 if self._started_s is None else monotonic() - self._started_s
        rate = f", {(self._counts['done'] - 1) / passed_s:.1f} clips/s" if passed_s > 1 else ""
        words = {"done": "prepared", "kept": "kept", "failed": "skipped"}
        text = ", ".join(f"{number} {words[name]}" for name, number in self._counts.items() if number) + rate
        self.progress.update(self._task, advance=1, counts=text)


@contextmanager
def _show_bar(console: Console, text: str) -> Iterator[_Bar]:
    bar = _Bar(console, text)
    with bar.progress:
        yield bar
