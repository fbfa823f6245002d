"""Prepare any videos for pre-training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.errors import ManifestError
from hicmae_cli.faces import FaceDetector
from hicmae_cli.media import VIDEO_SUFFIXES, list_media
from hicmae_cli.media.listing import Listing
from hicmae_cli.preparing.jobs import Runner, do_jobs, make_jobs, open_finder
from hicmae_cli.preparing.journal import JOURNAL, open_journal
from hicmae_cli.preparing.measuring import Source
from hicmae_cli.preparing.sources import refuse_lfs_pointers
from hicmae_cli.preparing.store import only_writer, path_in
from hicmae_cli.workers import run_here


def prepare_videos(
    folder: Path,
    store: Path,
    *,
    run: Runner = run_here,
    on_listing: Callable[[Listing], None] = lambda _: None,
    on_video: Callable[[], None] = lambda: None,
    on_wait: Callable[[], None] = lambda: None,
    make_detector: Callable[[], FaceDetector] = open_finder,
) -> tuple[list[Recording], list[tuple[Path, str]]]:
    """Prepare any videos, the person who is seen most in each, and keep the clips for later calls.

    Args:
        folder: the folder of the videos, at any depth. Links and hidden files are skipped.
        store: the folder for prepared clips, ``<store>/<path in folder>.mkv``. Existing clips are kept, and videos that
            failed are retried only after they change.
        run: distributes the work; by default it runs in this process.
        on_listing: called with the videos of the folder before the work begins.
        on_video: called after each video.
        on_wait: called before waiting, if another process prepares into the store.
        make_detector: opens a face finder for one video.

    Returns:
        Recordings sorted by path, with that path as id, and (video, reason) of those that are skipped.

    Raises:
        ManifestError: no videos, no usable video, a pointer of Git LFS, or the store is the folder itself.
        DiskError: the disk is full.
    """
    if store.resolve() == folder.resolve():
        raise ManifestError(f"{store}: holds the videos; choose another folder for their prepared clips")
    listing = list_media(folder, VIDEO_SUFFIXES, exclude=store.resolve())
    on_listing(listing)
    sources = {video.relative_to(folder).as_posix(): video for video in listing.files}
    if not sources:
        raise ManifestError(
            f"{folder}: no videos in this folder; known suffixes are {' '.join(sorted(VIDEO_SUFFIXES))}"
        )
    refuse_lfs_pointers(sources.values())
    found: list[Recording] = []
    skipped: list[tuple[Path, str]] = []
    with only_writer(store, on_wait), open_journal(store / JOURNAL) as journal:
        jobs = make_jobs({name: Source(video) for name, video in sources.items()}, store, journal)
        do_jobs(jobs, journal, run, make_detector, lambda _: on_video())
        for name, video in sources.items():
            entry = journal.entries[name]
            if entry.facts is not None:
                found.append(Recording(name, path_in(store, name), None))
            else:
                skipped.append((video, entry.cause))
    if not found:
        raise ManifestError(f"{folder}: none of {len(skipped)} videos can be used; the first: {skipped[0][1]}")
    return found, skipped
