"""``hicmae prepare``: find and align the faces of a dataset, and write a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Bar
    from hicmae_cli.preparing.jobs import Event


def prepare(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="Name of a dataset; `folder`, `manifest`, `photos` or `annotations` for your own recordings.",
        ),
    ],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The same as --root.", show_default=False)
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="DIR",
            help="Folder of the dataset as distributed; by default $HICMAE_DATA/NAME or data/NAME.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for the prepared clips; by default `prepared` in the root."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes; by default one per core.")] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Ray cluster to use instead: HOST:PORT, auto or local."),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option("--frames", metavar="DIR", help="Folder of cropped faces, DIR/ID/*, to use as they are."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check all items without writing clips.")] = False,
    without_sound: Annotated[
        bool, typer.Option("--without-sound", help="Keep clips without sound, for a model of faces alone.")
    ] = False,
    keep_people: Annotated[
        Literal["one", "all"],
        typer.Option(
            "--keep-people",
            help="Keep one person of each video, or make a clip of each person in it, listed in DATASET.people.csv.",
        ),
    ] = "one",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings as JSON; '-' for stdout.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE",
            help="Picture to write, of random faces and of doubtful clips; by default DATASET.png next to the list.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Prepare only the first N items and list them in DATASET.limit.csv instead of DATASET.csv.",
        ),
    ] = None,
) -> None:
    """Find and align the faces of a dataset and store them with their sound, ready for training.

    Run the same command again to continue an interrupted run. Items that cannot be prepared are skipped and listed, and
    retried when their files change. Each clip shows one person, the one who is seen most in its video.

    `--check` prepares nothing: it reports missing, broken, silent and faceless items, names prepared clips that may
    show the wrong person, compares folds with the published ones, and finds people who are in both training and test.

    [bold]Examples[/bold]

        hicmae prepare crema-d --root /data/CREMA-D

        hicmae prepare crema-d --root /data/CREMA-D --check

        hicmae prepare mafw --root MAFW --frames MAFW/data/frames --output mafw

        hicmae prepare folder --root recordings --workers 4

        hicmae prepare folder --root films --keep-people all

        hicmae prepare annotations corrected/
    """
    from functools import partial

    from hicmae_cli.cli.options import usage_error
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.preparing.check import check as check_dataset
    from hicmae_cli.preparing.dataset import prepare as prepare_dataset

    if folder is not None and root is not None:
        raise usage_error("give the folder once, as DIR or as --root")
    root = root or folder
    screen = Screen()
    try:
        with screen.bar(f"{'examining' if check else 'preparing'} {corpus}") as bar:
            bar.update(0)
            if check:
                report = check_dataset(
                    corpus,
                    root,
                    output=output,
                    frames=frames,
                    limit=limit,
                    without_sound=without_sound,
                    keep_people=keep_people,
                    workers=workers,
                    ray=ray,
                    on_start=bar.start,
                    on_item=bar.advance,
                    on_warning=screen.warn,
                )
            else:
                prepared = prepare_dataset(
                    corpus,
                    root,
                    output=output,
                    frames=frames,
                    sheet=sheet,
                    limit=limit,
                    without_sound=without_sound,
                    keep_people=keep_people,
                    workers=workers,
                    ray=ray,
                    on_start=bar.start,
                    on_item=_Counter(bar).count,
                    on_wait=lambda store: screen.say(f"another process prepares into {store}; waiting for it to end"),
                    on_warning=screen.warn,
                )
    except KeyboardInterrupt:
        kept = "" if check else "; prepared clips are kept, repeat the command to continue"
        screen.show(f"[yellow]stopped[/yellow]{kept}", wrap=False)
        raise typer.Exit(130) from None
    show = partial(screen.show, on_stderr=json == STDOUT, wrap=False)
    if check:
        show(report)
        if report.is_shortened:
            show("use --json FILE to list all of them")
        document, is_good = report.to_dict(), report.is_good
    else:
        show(prepared)
        if prepared.remarks:
            show(f"`hicmae prepare {prepared.dataset} … --check` lists them")
        document, is_good = prepared.to_dict(), not prepared.skipped
    if json is not None:
        write_document(document, json)
    if not is_good:
        raise typer.Exit(1)


class _Counter:
    """Counts items by result, and shows the counts and the speed next to the bar."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._counts: dict[Event, int] = {"done": 0, "kept": 0, "failed": 0}
        self._started_s: float | None = None

    def count(self, event: Event) -> None:
        """Count one more item."""
        from time import monotonic

        self._counts[event] += 1
        if event == "done" and self._started_s is None:
            # Not earlier: the first clip waits for the processes to start.
            self._started_s = monotonic()
        passed_s = 0.0 if self._started_s is None else monotonic() - self._started_s
        rate = f", {(self._counts['done'] - 1) / passed_s:.1f} clips/s" if passed_s > 1 else ""
        words = {"done": "prepared", "kept": "kept", "failed": "skipped"}
        text = ", ".join(f"{number} {words[name]}" for name, number in self._counts.items() if number) + rate
        self._bar.update(sum(self._counts.values()), note=text)
