"""``hicmae prepare``: a dataset as distributed -> aligned faces, their sound, and a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import usage_error
from hicmae_cli.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.corpora.dataset import Dataset, Item
    from hicmae_cli.preparing.check import CheckReport, FoldCheck, Remark
    from hicmae_cli.preparing.dataset import Prepared
    from hicmae_cli.preparing.jobs import Event, Runner

_LISTED = 20
_SHEET_FACES = 48


def prepare(
    corpus: Annotated[str, typer.Argument(help="A dataset by name; `folder` or `manifest` for your own.")],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", metavar="DIR", help="Where it lies as distributed; by default its folder in HICMAE_DATA."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to; by default `prepared` below the root."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS", help="Work on a Ray cluster: HOST:PORT, auto, or local.")
    ] = None,
    frames: Annotated[
        Path | None, typer.Option("--frames", metavar="DIR", help="Use folders of face pictures, DIR/ID, as they are.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Look at everything, and write no clips.")] = False,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write what was found as JSON, too.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="The PNG of random faces; by default NAME.png beside the list."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Take the first N items, to try it out; they are listed in NAME.limit.csv, not in NAME.csv.",
        ),
    ] = None,
) -> None:
    """Find and align the faces of a dataset and store them with their sound, ready for training.

    A call that was cut off, even killed, goes on where it stopped when it is given again. Items that cannot be used
    are left out and named; they are tried again when their files change. With --check nothing is prepared: it reports
    missing, broken, silent and faceless items, compares folds with the published ones, and looks for people who are in
    both training and test.

    [bold]Examples[/bold]

        hicmae prepare crema-d --root /data/CREMA-D

        hicmae prepare crema-d --root /data/CREMA-D --check

        hicmae prepare mafw --root /data/MAFW --frames /data/MAFW/data/frames --output mafw-prepared

        hicmae prepare folder --root recordings --workers 4
    """
    if corpus == "puppets":
        raise SettingsError("puppets need no preparing: `hicmae puppets make` draws them, prepared and listed")
    if workers is not None and ray is not None:
        raise usage_error("--workers is for this machine, --ray for a cluster; give one of them")
    from rich.console import Console

    from hicmae_cli.corpora.catalogue import dataset_root, find_dataset
    from hicmae_cli.media import VIDEO_SUFFIXES, list_media
    from hicmae_cli.report.console import print_skipped_links

    dataset = find_dataset(corpus)
    place = dataset_root(dataset, root)
    folder = place.parent if place.is_file() else place  # a manifest may be named itself
    store = output or folder / "prepared"
    if store.resolve() == folder.resolve():
        raise SettingsError(f"--output {store}: holds the dataset itself; choose another folder")
    if corpus == "folder" and _is_inside(store, folder) and store.resolve() != (folder / "prepared").resolve():
        raise SettingsError(
            f"--output {store}: its clips would be taken for recordings of {folder}; choose {folder / 'prepared'} or a "
            "folder outside"
        )
    if frames is not None and not frames.is_dir():
        raise SettingsError(f"--frames {frames}: no such folder")
    items = dataset.items(place)[:limit]
    console, side = Console(highlight=False, soft_wrap=True), Console(stderr=True)
    if corpus == "folder":
        print_skipped_links(side, folder, list_media(folder, VIDEO_SUFFIXES, exclude=store.resolve()).links)
    run = _runner(workers, ray)
    try:
        if check:
            report = _check(side, dataset, items, store, frames, run)
            _show(console, dataset, report)
            good = report.is_good
        else:
            name = dataset.name if limit is None else f"{dataset.name}.limit"  # which leaves a full list alone
            sheet = sheet or store / f"{name}.png"
            prepared = _prepare(side, dataset, items, store, name, frames, run, sheet)
            _tell(console, dataset, prepared, sheet)
            report = _summarise(dataset, items, prepared, frames)
            if limit is None:
                _show_in_short(console, corpus, report, {failure.id for failure in prepared.failures})
            good = not prepared.failures
    except KeyboardInterrupt:
        kept = "" if check else "; what was prepared is kept, give the same command again to go on"
        console.print(f"[yellow]stopped[/yellow]{kept}")
        raise typer.Exit(130) from None
    if json is not None:
        from hicmae_cli.report.files import to_json, write_text

        write_text(json, to_json(report.document()))
    if not good:
        raise typer.Exit(1)


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _runner(workers: int | None, ray: str | None) -> Runner:
    from functools import partial

    from hicmae_cli.ray_workers import run_on_ray
    from hicmae_cli.workers import count_cores, run_in_pool

    if ray is not None:
        return partial(run_on_ray, address=ray)
    return partial(run_in_pool, workers=workers or count_cores())


class _Counter:
    """A progress bar that tells what became of the clips."""

    def __init__(self, console: Console, what: str, total: int | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
        )
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=total, counts="")
        self.counts: dict[Event, int] = {"done": 0, "kept": 0, "failed": 0}
        self._started_s: float | None = None

    def count(self, event: Event) -> None:
        from time import monotonic

        self.counts[event] += 1
        if event == "done" and self._started_s is None:
            self._started_s = monotonic()  # from the first one on: processes take a while to start
        passed_s = 0.0 if self._started_s is None else monotonic() - self._started_s
        rate = f", {(self.counts['done'] - 1) / passed_s:.1f} clips/s" if passed_s > 1 else ""
        text = ", ".join(f"{number} {name}" for name, number in self.counts.items() if number) + rate
        self.bar.update(self.task, advance=1, counts=text)


@contextmanager
def _counting(console: Console, what: str, total: int | None) -> Iterator[_Counter]:
    counter = _Counter(console, what, total)
    with counter.bar:
        yield counter


def _prepare(
    console: Console,
    dataset: Dataset,
    items: Sequence[Item],
    store: Path,
    name: str,
    frames: Path | None,
    run: Runner,
    sheet: Path,
) -> Prepared:
    from rich.markup import escape

    from hicmae_cli.preparing.check import random_faces
    from hicmae_cli.preparing.dataset import prepare as prepare_items
    from hicmae_cli.report.contact_sheet import write_contact_sheet

    with _counting(console, f"preparing {dataset.title}", len(items)) as counter:
        return prepare_items(
            dataset,
            items,
            store,
            name=name,
            frames=frames,
            run=run,
            on_event=counter.count,
            on_manifest=lambda manifest: write_contact_sheet(sheet, random_faces(manifest, _SHEET_FACES, seed=0)),
            on_wait=lambda: counter.bar.console.print(
                f"another process prepares into {escape(str(store))}; waiting for it to end", style="yellow"
            ),
        )


def _check(
    console: Console, dataset: Dataset, items: Sequence[Item], store: Path, frames: Path | None, run: Runner
) -> CheckReport:
    from hicmae_cli.preparing.check import check as check_items

    with _counting(console, f"examining {dataset.title}", None) as counter:
        return check_items(
            dataset,
            items,
            store,
            frames=frames,
            run=run,
            on_start=lambda total: counter.bar.update(counter.task, total=total),
            on_item=lambda: counter.bar.advance(counter.task),
        )


def _summarise(dataset: Dataset, items: Sequence[Item], prepared: Prepared, frames: Path | None) -> CheckReport:
    from hicmae_cli.preparing.check import summarise

    return summarise(dataset, items, prepared.entries, timed=frames is None)


def _tell(console: Console, dataset: Dataset, prepared: Prepared, sheet: Path) -> None:
    from rich.markup import escape

    from hicmae_cli.errors import one_line

    for failure in prepared.failures[:_LISTED]:
        console.print(f"left out {escape(one_line(f'{failure.id}: {failure.cause}'))}", style="yellow")
    if prepared.failures:
        console.print(
            f"{len(prepared.failures)} items were left out; all are listed, with the cause, in "
            f"{escape(str(prepared.failed_list))}"
        )
    manifest = escape(str(prepared.manifest))
    console.print(f"[green]{prepared.clips} clips[/green] of {escape(dataset.title)} are listed in {manifest}")
    console.print(f"random faces to look at: {escape(str(sheet))}")


def _show(console: Console, dataset: Dataset, report: CheckReport) -> None:
    """The whole report."""
    from rich.markup import escape

    console.print(
        f"[bold]{escape(dataset.title)}[/bold]: {report.items} items, {report.examined} of them examined now"
        + (f"; {report.left_out} more are known to be broken" if report.left_out else "")
    )
    if report.labels:
        console.print(", ".join(f"{escape(label)} {count}" for label, count in report.labels.items()))
    if report.folds:
        _show_folds(console, report.folds)
    for title, remarks, wrong in _lists(report):
        _show_remarks(console, title, remarks, wrong)
    console.print("[green]nothing is wrong[/green]" if report.is_good else "[red]something is wrong[/red]")


def _lists(report: CheckReport) -> list[tuple[str, tuple[Remark, ...], bool]]:
    """Titles and remarks, and whether one of them is enough to be wrong."""
    return [
        ("missing", report.missing, True),
        ("broken", report.broken, True),
        ("silent", report.silent, True),
        ("without a face", report.faceless, True),
        ("with few faces", report.low_coverage, False),
        ("whose sound is of another length than their pictures", report.gaps, False),
    ]


def _show_folds(console: Console, folds: Sequence[FoldCheck]) -> None:
    from rich.table import Table

    table = Table()
    for name in ("fold", "train", "published", "test", "published", "as published", "in both"):
        table.add_column(name, justify="left" if name in ("fold", "as published") else "right")
    for fold in folds:
        published = ["" if n is None else str(n) for n in (fold.published_train, fold.published_test)]
        verdict = "" if not fold.is_published else "yes" if fold.is_as_published else "no"
        table.add_row(
            fold.fold or "fixed",
            str(fold.train),
            published[0],
            str(fold.test),
            published[1],
            verdict,
            f"{len(fold.leaks)} people" if fold.leaks else "nobody",
            style="" if fold.is_good else "red",
        )
    console.print(table, soft_wrap=False)
    for fold in folds:
        if fold.leaks:
            people = ", ".join(fold.leaks[:_LISTED]) + (" …" if len(fold.leaks) > _LISTED else "")
            console.print(f"in both parts of fold {fold.fold or 'fixed'}: {people}", style="red", markup=False)


def _show_remarks(console: Console, title: str, remarks: Sequence[Remark], wrong: bool) -> None:
    from rich.markup import escape

    from hicmae_cli.errors import one_line

    if not remarks:
        return
    console.print(f"[{'red' if wrong else 'yellow'}]{len(remarks)} {title}[/]")
    for remark in remarks[:_LISTED]:
        console.print(f"  {escape(one_line(f'{remark.id}: {remark.text}'))}")
    if len(remarks) > _LISTED:
        console.print(f"  and {len(remarks) - _LISTED} more; --json FILE lists them all")


def _show_in_short(console: Console, corpus: str, report: CheckReport, left_out: Set[str]) -> None:
    """What a user should look into after preparing; what was left out has been named."""
    found = []
    others = [fold for fold in report.folds if not fold.is_as_published]
    if others:
        found.append(f"{len(others)} of {len(report.folds)} folds are not as published")
    leaks = {person for fold in report.folds for person in fold.leaks}
    if leaks:
        found.append(f"{len(leaks)} people are in both training and test")
    silent = sum(remark.id not in left_out for remark in report.silent)
    found += [
        f"{number} {title}"
        for number, title in (
            (silent, "silent"),
            (len(report.low_coverage), "with few faces"),
            (len(report.gaps), "whose sound is of another length than their pictures"),
        )
        if number
    ]
    if found:
        console.print(f"[yellow]{'; '.join(found)}[/yellow]: `hicmae prepare {corpus} … --check` names them")
