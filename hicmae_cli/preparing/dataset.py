"""Prepare a dataset: one prepared clip per item, and their manifest."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.faces import FaceDetector
from hicmae_cli.media import SOUND_SUFFIXES
from hicmae_cli.preparing.check import summarise
from hicmae_cli.preparing.contact_sheet import join_cells, read_doubtful_faces, read_random_faces, write_contact_sheet
from hicmae_cli.preparing.data_card import make_data_card, write_data_card
from hicmae_cli.preparing.findings import LISTED, CheckReport, render_text
from hicmae_cli.preparing.jobs import CLIPS, PEOPLE, Event, Runner, choose_runner, do_jobs, make_jobs, open_finder
from hicmae_cli.preparing.journal import Entry, open_journal
from hicmae_cli.preparing.listing import Row, list_rows, write_manifest
from hicmae_cli.preparing.people import KeepPeople
from hicmae_cli.preparing.sources import find_raw, find_sources, journal_path
from hicmae_cli.preparing.store import claim, only_writer
from hicmae_cli.workers import run_here

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHEET_FACES: Final = 48


@dataclass(frozen=True)
class SkippedItem:
    """An item that could not be prepared: the kind of fault, and the cause in words."""

    id: str
    video: Path
    fault: str
    cause: str


@dataclass(frozen=True)
class PreparedItems:
    """The result of `prepare_items`.

    Attributes:
        manifest: the list of prepared clips.
        rows: the clips in it.
        skipped: items that could not be prepared, sorted by id.
        skipped_list: the file that lists them; it exists if there are any.
        entries: the result of each item, by id.
    """

    manifest: Path
    rows: Sequence[Row]
    skipped: tuple[SkippedItem, ...]
    skipped_list: Path
    entries: Mapping[str, Entry]

    @property
    def prepared(self) -> int:
        """The number of clips in the manifest."""
        return len(self.rows)


@dataclass(frozen=True)
class PreparedDataset:
    """The result of `prepare`; it prints itself.

    Attributes:
        dataset: the dataset's name.
        title: its title.
        manifest: the list of prepared clips, for `finetune` and `evaluate`.
        prepared: number of clips in it.
        skipped: items that could not be prepared, sorted by id, with the cause.
        skipped_list: the file that lists them; it exists if there are any.
        sheet: a picture with faces from random places of random clips, and four faces of each doubtful clip; None if
            all clips are sounds.
        card: the data card, as Markdown; the same facts are next to it as JSON.
        report: labels, folds, and remarks about every item.
        is_whole: whether all items were asked for.
        warnings: a line about each kind of file that was ignored.
    """

    dataset: str
    title: str
    manifest: Path
    prepared: int
    skipped: tuple[SkippedItem, ...]
    skipped_list: Path
    sheet: Path | None
    card: Path
    report: CheckReport
    is_whole: bool
    warnings: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to look into besides the skipped items, e.g. ``3 silent``; nothing after a limited call."""
        if not self.is_whole:
            return ()
        report, skipped = self.report, {item.id for item in self.skipped}
        counts = (
            (sum(not fold.is_as_published for fold in report.folds), f"of {len(report.folds)} folds not as published"),
            (
                len({person for fold in report.folds for person in fold.leaks if not fold.leaks_allowed}),
                "speakers in more than one part",
            ),
            (sum(remark.id not in skipped for remark in report.silent), "silent"),
            (len(report.low_coverage), "with few faces"),
            (len(report.gaps), "with audio and video of different length"),
            (len(report.doubtful), "that may show the wrong person"),
            (len(report.several_people), "with more people than the one kept"),
        )
        return tuple(f"{count} {what}" for count, what in counts if count)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values: the report, and the files."""
        return {
            **self.report.to_dict(),
            "prepared": self.prepared,
            "manifest": str(self.manifest),
            "sheet": None if self.sheet is None else str(self.sheet),
            "card": str(self.card),
            "skipped_items": [{**asdict(item), "video": str(item.video)} for item in self.skipped],
        }

    def __str__(self) -> str:
        return render_text(self)

    def __rich__(self) -> RenderableType:
        from rich.console import Group

        return Group(*self._render())

    def _render(self) -> Iterator[RenderableType]:
        from rich.text import Text

        for item in self.skipped[:LISTED]:
            yield Text(f"skipped {one_line(f'{item.id}: {item.cause}')}", "yellow")
        if self.skipped:
            count = f"{len(self.skipped)} of {self.report.items} items"
            yield Text(f"skipped {count}; {self.skipped_list} lists them all with the cause")
        yield Text.assemble((f"{self.prepared} clips", "green"), f" of {self.title} are listed in {self.manifest}")
        if self.sheet is not None:
            yield Text(f"random faces to check: {self.sheet}")
        yield Text(f"data card: {self.card}")
        if self.remarks:
            yield Text(f"worth a look: {', '.join(self.remarks)}", "yellow")


def prepare(
    dataset: str | Dataset,
    root: str | Path | None = None,
    *,
    output: str | Path | None = None,
    frames: str | Path | None = None,
    sheet: str | Path | None = None,
    limit: int | None = None,
    without_sound: bool = False,
    keep_people: KeepPeople = "one",
    workers: int | None = None,
    ray: str | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_item: Callable[[Event], None] = lambda _: None,
    on_wait: Callable[[Path], None] = lambda _: None,
    on_warning: Callable[[str], object] = warnings.warn,
    make_detector: Callable[[], FaceDetector] = open_finder,
) -> PreparedDataset:
    """Find and align the faces of a dataset and store them with their sound, ready for training.

    A call that was interrupted or killed continues where it stopped when it is repeated. Items that cannot be prepared
    are skipped, and retried when their files change.

    Args:
        dataset: its name (`hicmae datasets` lists them; ``"folder"`` and ``"manifest"`` are for your own recordings),
            or a `Dataset`.
        root: its folder as distributed; by default its folder below ``HICMAE_DATA``.
        output: the folder for prepared clips; by default ``prepared`` below the root.
        frames: a folder with a folder of face pictures for each id, to use as they are.
        sheet: path of the picture of random faces and doubtful clips; by default ``<dataset>.png`` beside the manifest.
        limit: prepare the first items only; their list is ``<dataset>.limit.csv``, and a full list stays as it is.
        without_sound: keep clips without sound, for a model of faces alone; the manifest then names no audio for them.
            The lengths of audio and video are not compared.
        keep_people: ``one`` makes a clip of the person who is seen most in each video; ``all`` makes a clip of each
            person, listed as ``<id>-p1``, ``<id>-p2`` ... in ``<dataset>.people.csv``.
        workers: number of processes; 0 for this process, None for one process per core.
        ray: address of a Ray cluster to use instead.
        on_start: called with the number of items.
        on_item: called after each item.
        on_wait: called with the output folder before waiting, if another process prepares into it.
        on_warning: called with a line about each kind of file that is ignored; by default a Python warning.
        make_detector: opens a face finder for one clip.

    Raises:
        SettingsError: an argument that cannot be used.
        ManifestError: the dataset is missing or malformed, its output folder holds another dataset, or no item can be
            prepared.
        DiskError: the disk is full; the clips done so far are kept.
    """
    run = choose_runner(workers, ray)
    raw = find_raw(
        dataset, root, output=output, frames=frames, limit=limit, keep_people=keep_people, on_warning=on_warning
    )
    name = ".".join((raw.dataset.name, *["people"] * (keep_people == "all"), *["limit"] * (not raw.is_whole)))
    sounds = raw.dataset.sound_only or all(item.video.suffix.lower() in SOUND_SUFFIXES for item in raw.items)
    picture = None if sounds else Path(sheet or raw.store / f"{name}.png")
    card = raw.store / f"{name}-card.md"
    command = _write_command(
        raw.dataset.name,
        root=root,
        output=output,
        frames=frames,
        limit=limit,
        without_sound=without_sound,
        keep_people=None if keep_people == "one" else keep_people,
    )

    def describe(done: PreparedItems) -> None:
        if picture is not None:
            random = read_random_faces(done.manifest, _SHEET_FACES, seed=0)
            write_contact_sheet(picture, join_cells(random, read_doubtful_faces(done.manifest)))
        write_data_card(make_data_card(raw.dataset, raw.items, done.rows, done.entries, command), card)

    on_start(len(raw.items))
    done = prepare_items(
        raw.dataset,
        raw.items,
        raw.store,
        name=name,
        frames=raw.frames,
        without_sound=without_sound,
        keep_people=keep_people,
        run=run,
        on_event=on_item,
        on_prepared=describe,
        on_wait=lambda: on_wait(raw.store),
        make_detector=make_detector,
    )
    return PreparedDataset(
        dataset=raw.dataset.name,
        title=raw.dataset.title,
        manifest=done.manifest,
        prepared=done.prepared,
        skipped=done.skipped,
        skipped_list=done.skipped_list,
        sheet=picture,
        card=card,
        report=summarise(
            raw.dataset, raw.items, done.entries, timed=raw.frames is None, keeps_all=keep_people == "all"
        ),
        is_whole=raw.is_whole,
        warnings=raw.warnings,
    )


def prepare_items(
    dataset: Dataset,
    items: Sequence[Item],
    store: Path,
    *,
    name: str = "",
    frames: Path | None = None,
    without_sound: bool = False,
    keep_people: KeepPeople = "one",
    run: Runner = run_here,
    on_event: Callable[[Event], None] = lambda _: None,
    on_prepared: Callable[[PreparedItems], None] = lambda _: None,
    on_wait: Callable[[], None] = lambda: None,
    make_detector: Callable[[], FaceDetector] = open_finder,
) -> PreparedItems:
    """Prepare items of a dataset, or those that are not prepared yet.

    A killed call that is repeated ends with the same files, byte for byte. Items that failed are retried only after
    their files change.

    Args:
        dataset: the dataset of the items.
        items: the items to prepare.
        store: the output folder: ``clips/<id>.mkv`` (``.wav`` for a sound, ``.jpg`` or ``.png`` for a picture) or
            ``people/<id>-p<n>.mkv``, ``<name>.csv``, which is written last, and ``<name>.failed.csv``.
        name: name of the lists; by default the dataset's.
        frames: a folder with a folder of face pictures for each id, to use as they are; no clips are written.
        without_sound: keep clips without sound.
        keep_people: see `prepare`.
        run: distributes the work; by default it runs in this process.
        on_event: called after each item.
        on_prepared: called with the result, before another process may write to the store.
        on_wait: called before waiting, if another process prepares into the store.
        make_detector: opens a face finder for one clip.

    Raises:
        ManifestError: no items, an id that occurs twice, a store of another dataset, or no item can be prepared.
        DiskError: the disk is full; the clips done so far are kept.
    """
    sources = find_sources(dataset, items, frames, without_sound=without_sound)
    name = name or dataset.name
    manifest, skipped_list = store / f"{name}.csv", store / f"{name}.failed.csv"
    with only_writer(store, on_wait), open_journal(journal_path(store, frames, keep_people)) as journal:
        claim(store, dataset.folder)
        folder = CLIPS if keep_people == "one" else PEOPLE
        do_jobs(make_jobs(sources, store / folder, journal, keep_people), journal, run, make_detector, on_event)
        entries = {item.id: journal.entries[item.id] for item in items}
        skipped = tuple(
            SkippedItem(item.id, item.video, entries[item.id].fault, entries[item.id].cause)
            for item in sorted(items, key=lambda item: item.id)
            if entries[item.id].facts is None
        )
        if skipped:
            write_csv(
                skipped_list,
                ("id", "video", "fault", "cause"),
                [(item.id, item.video.as_posix(), item.fault, item.cause) for item in skipped],
            )
        else:
            skipped_list.unlink(missing_ok=True)
        done = [item for item in items if entries[item.id].facts is not None]
        if not done:
            manifest.unlink(missing_ok=True)
            raise ManifestError(
                f"{dataset.name}: none of {len(skipped)} items can be prepared ({skipped_list} lists them all); "
                f"the first: {skipped[0].cause}"
            )
        rows = list_rows(dataset.deal(done) if dataset.deal else done, sources, entries, store, keep_people)
        write_manifest(manifest, rows)
        prepared = PreparedItems(manifest, rows, skipped, skipped_list, entries)
        on_prepared(prepared)
    return prepared


def _write_command(dataset: str, **given: object) -> str:
    """Write the command that prepares the same; an option that is None or False is not given."""
    words = ["hicmae", "prepare", dataset]
    for name, value in given.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)
