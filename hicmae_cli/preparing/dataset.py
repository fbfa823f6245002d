"""A dataset as distributed -> prepared clips and their manifest, by any number of processes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.manifest import HEADER
from hicmae_cli.errors import ManifestError
from hicmae_cli.faces import FaceDetector
from hicmae_cli.files import write_atomically
from hicmae_cli.preparing.clip import Source
from hicmae_cli.preparing.jobs import Event, FrameFolder, Runner, do_jobs, make_jobs, one_face
from hicmae_cli.preparing.journal import JOURNAL, Entry, open_journal
from hicmae_cli.preparing.store import claim, only_writer
from hicmae_cli.workers import run_here

FRAMES_JOURNAL: Final = "frames.jsonl"
CLIPS: Final = "clips"
"""Names in a store."""


@dataclass(frozen=True)
class Failure:
    """An item that was left out: of which kind the fault is, and the cause in words."""

    id: str
    video: Path
    fault: str
    cause: str


@dataclass(frozen=True)
class Prepared:
    """What came of a dataset.

    Attributes:
        manifest: the list of its clips.
        clips: how many there are.
        failures: items that were left out, sorted by id.
        failed_list: the file that names them all; it is there if there are any.
        entries: what became of each item, by id.
    """

    manifest: Path
    clips: int
    failures: tuple[Failure, ...]
    failed_list: Path
    entries: Mapping[str, Entry]


def prepare(
    dataset: Dataset,
    items: Sequence[Item],
    store: Path,
    *,
    name: str = "",
    frames: Path | None = None,
    run: Runner = run_here,
    on_event: Callable[[Event], None] = lambda _: None,
    on_manifest: Callable[[Path], None] = lambda _: None,
    on_wait: Callable[[], None] = lambda: None,
    make_detector: Callable[[], FaceDetector] = one_face,
) -> Prepared:
    """Prepare the clips of a dataset, or what is left to do of them.

    Killed at any moment and called again, it ends with the same files, byte for byte. Items that failed are not tried
    again before their files change.

    Args:
        dataset: whose files these are.
        items: what to prepare.
        store: where to: ``clips/<id>.mkv``, ``<name>.csv``, which is written last, and ``<name>.failed.csv``.
        name: of the lists; by default the dataset's.
        frames: a folder of folders of face pictures, by id, which are used as they are; no clips are written.
        run: spreads the work; by default it is done in this process.
        on_event: called after each item.
        on_manifest: called with the manifest once it is there, before anybody else may write to the store.
        on_wait: called when another process prepares into the store, whose end is then waited for.
        make_detector: opens a face finder for one clip.

    Raises:
        ManifestError: no items, an id that occurs twice, a store of another dataset, or not one item that can be used.
        DiskError: the disk is full. What was done until then is kept.
    """
    sources = sources_of(dataset, items, frames)
    name = name or dataset.name
    manifest, failed_list = store / f"{name}.csv", store / f"{name}.failed.csv"
    with only_writer(store, on_wait), open_journal(journal_path(store, frames)) as journal:
        claim(store, dataset.folder)
        do_jobs(make_jobs(sources, store / CLIPS, journal), journal, run, make_detector, on_event)
        entries = {item.id: journal.entries[item.id] for item in items}
        failures = tuple(
            Failure(item.id, item.video, entries[item.id].fault, entries[item.id].cause)
            for item in sorted(items, key=lambda item: item.id)
            if entries[item.id].facts is None
        )
        if failures:
            _write(
                failed_list,
                ("id", "video", "fault", "cause"),
                [(f.id, f.video.as_posix(), f.fault, f.cause) for f in failures],
            )
        else:
            failed_list.unlink(missing_ok=True)
        done = [item for item in items if entries[item.id].facts is not None]
        if not done:
            manifest.unlink(missing_ok=True)
            raise ManifestError(
                f"{dataset.name}: none of {len(failures)} items can be used (all are listed in {failed_list}); "
                f"the first: {failures[0].cause}"
            )
        _write_manifest(manifest, done, sources, entries)
        on_manifest(manifest)
    return Prepared(manifest, len(done), failures, failed_list, entries)


def journal_path(store: Path, frames: Path | None) -> Path:
    """Where a store remembers what became of its clips; all datasets in it share that."""
    return store / (JOURNAL if frames is None else FRAMES_JOURNAL)


def sources_of(dataset: Dataset, items: Sequence[Item], frames: Path | None) -> dict[str, Source | FrameFolder]:
    """What each item is made of, by id, sorted.

    Raises:
        ManifestError: there are none, an id occurs twice, or a part of a video cannot be one.
    """
    if not items:
        raise ManifestError(f"{dataset.name}: no items; expected in its folder:\n{dataset.layout}")
    sources = {item.id: _source(dataset, item, frames) for item in sorted(items, key=lambda item: item.id)}
    if len(sources) < len(items):
        raise ManifestError(f"{dataset.name}: {len(items) - len(sources)} ids occur more than once")
    return sources


def _source(dataset: Dataset, item: Item, frames: Path | None) -> Source | FrameFolder:
    if frames is not None:
        return FrameFolder(_frame_folder(frames, item.id, dataset.frames_suffix), item.audio or item.video)
    part = item.excerpt
    try:
        if part is None:
            return Source(item.video, item.audio, needs_sound=True)
        return Source(item.video, item.audio, part.start_s, part.end_s, part.columns, needs_sound=True)
    except ValueError as error:
        raise ManifestError(f"{dataset.name}: clip {item.id}: {error}") from error


def _frame_folder(frames: Path, id_: str, suffix: str) -> Path:
    """Where the pictures of a clip lie; with a suffix, OpenFace puts them beside or into a folder of the plain name."""
    plain = frames / id_
    named = (frames / f"{id_}{suffix}", plain / f"{plain.name}{suffix}") if suffix else ()
    return next((folder for folder in named if folder.is_dir()), plain)


def _write_manifest(
    path: Path, items: Sequence[Item], sources: Mapping[str, Source | FrameFolder], entries: Mapping[str, Entry]
) -> None:
    extra = sorted({name for item in items for name in item.extra} - {*HEADER, "face_coverage"})
    rows = []
    for item in sorted(items, key=lambda item: item.id):
        source, facts = sources[item.id], entries[item.id].facts
        assert facts is not None
        if isinstance(source, FrameFolder):
            video, audio = _relative(source.folder, path.parent), _relative(source.sound, path.parent)
        else:
            video = audio = f"{CLIPS}/{item.id}.mkv"
        coverage = "" if facts.face_coverage is None else f"{facts.face_coverage:.4f}"
        rows.append(
            (
                item.id,
                video,
                audio,
                item.label,
                item.fold,
                item.split,
                item.speaker,
                *(item.extra.get(name, "") for name in extra),
                coverage,
            )
        )
    _write(path, (*HEADER, *extra, "face_coverage"), rows)


def _relative(path: Path, folder: Path) -> str:
    """As a manifest in a folder names a file: relative below it, whole elsewhere."""
    path, folder = path.resolve(), folder.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with write_atomically(path) as temporary:
        temporary.write_text(out.getvalue(), "utf-8", "surrogateescape")
