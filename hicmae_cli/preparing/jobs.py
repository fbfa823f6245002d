"""Clips that are yet to be prepared, as jobs for any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from hicmae_cli.corpora.annotations import is_safe, shown
from hicmae_cli.errors import DiskError, HicmaeError, ManifestError, MediaError, first_line
from hicmae_cli.faces import FaceDetector, FaceFinder
from hicmae_cli.preparing.clip import VERSION, Source, UnusableError, examine_clip, examine_frames, prepare_clip
from hicmae_cli.preparing.journal import Entry, Journal
from hicmae_cli.preparing.store import path_in
from hicmae_cli.workers import Outcomes, Report, Work, WorkerDiedError

one_face: Final = partial(FaceFinder, num_faces=1)
_MISSING: Final = "missing"

Event = Literal["done", "kept", "failed"]


@dataclass(frozen=True)
class FrameFolder:
    """A clip whose faces were cut out by others: a folder of pictures, and the file that holds its sound."""

    folder: Path
    sound: Path


@dataclass(frozen=True)
class Job:
    """One clip to prepare. Each is a job of its own: a clip takes a second, handing one over a millisecond.

    Attributes:
        id: of the clip.
        version: what changes when its files do.
        source: what it is made of.
        target: where it goes; nothing is written of a folder of pictures.
    """

    id: str
    version: str
    source: Source | FrameFolder
    target: Path

    @classmethod
    def of(cls, id_: str, source: Source | FrameFolder, target: Path) -> Job:
        """A job on files as they are now."""
        if isinstance(source, FrameFolder):
            return cls(id_, _version((source.folder, source.sound), source.folder.as_posix()), source, target)
        part = f"{source.start_s} {source.end_s} {source.columns}" if source.is_part else ""
        files = (source.video,) if source.sound is None else (source.video, source.sound)
        return cls(id_, _version(files, part), source, target)

    def is_known(self, entry: Entry | None) -> bool:
        """Whether an entry of the journal tells what a run of this job would."""
        if entry is None:
            return False
        if entry.facts is None:
            return entry.version == self.version
        # A clip outlives its source, which may be deleted to save space.
        if self.version not in (entry.version, _MISSING):
            return False
        if isinstance(self.source, FrameFolder):
            return self.version != _MISSING
        try:
            return self.target.stat().st_size == entry.size_bytes
        except OSError:
            return False


def make_jobs(sources: Mapping[str, Source | FrameFolder], folder: Path, journal: Journal) -> list[Job]:
    """Jobs that write ``<folder>/<id>.mkv``; ids that are no names for files fail in the journal."""
    return [job for id_, source in sources.items() if (job := _make_job(id_, source, folder, journal)) is not None]


def _make_job(id_: str, source: Source | FrameFolder, folder: Path, journal: Journal) -> Job | None:
    try:
        target = path_in(folder, id_)
        if not is_safe(id_):  # a manifest is UTF-8, and goes to other systems
            raise ManifestError(f"clip {shown(id_)}: give the file a plain name")
    except ManifestError as error:
        journal.add(id_, Entry("", fault="name", cause=str(error)))
        return None
    return Job.of(id_, source, target)


Runner = Callable[[Sequence[Job], Work[Job, Entry]], Outcomes[Job, Entry]]


def do_jobs(
    jobs: Sequence[Job],
    journal: Journal,
    run: Runner,
    make_detector: Callable[[], FaceDetector],
    on_event: Callable[[Event], None],
) -> None:
    """Do what the journal does not know yet, and tell it.

    Args:
        jobs: all clips.
        journal: what became of them; has an entry of each afterwards.
        run: spreads the work.
        make_detector: opens a face finder for one clip.
        on_event: called after each clip, those that were known first.

    Raises:
        DiskError: the disk is full. What was done until then is kept.
        HicmaeError: something that is no clip's fault.
    """
    todo = []
    for job in jobs:
        entry = journal.entries.get(job.id)
        if entry is None or not job.is_known(entry):
            todo.append(job)
        else:
            on_event("failed" if entry.facts is None else "kept")
    with closing(run(todo, partial(_do, make_detector, write=True))) as outcomes:
        for job, outcome in outcomes:
            entry = _died(job, outcome) if isinstance(outcome, WorkerDiedError) else outcome
            if entry.facts is None and not isinstance(job.source, FrameFolder) and job.target.is_file():
                job.target.unlink()  # of files that have changed since
            journal.add(job.id, entry)
            on_event("failed" if entry.facts is None else "done")


def examine_jobs(
    jobs: Sequence[Job], run: Runner, make_detector: Callable[[], FaceDetector], on_event: Callable[[], None]
) -> dict[str, Entry]:
    """What would become of clips, found out without writing any."""
    found: dict[str, Entry] = {}
    with closing(run(jobs, partial(_do, make_detector, write=False))) as outcomes:
        for job, outcome in outcomes:
            found[job.id] = _died(job, outcome) if isinstance(outcome, WorkerDiedError) else outcome
            on_event()
    return found


def _died(job: Job, error: WorkerDiedError) -> Entry:
    return Entry("", fault="died", cause=f"{_path(job)}: {error}")


def _do(make_detector: Callable[[], FaceDetector], job: Job, report: Report, *, write: bool) -> Entry:
    """Prepare a clip, or only examine it.

    A fault of its file becomes its entry; a fault that would hit every clip is raised.
    """
    source = job.source
    try:
        if isinstance(source, FrameFolder):
            return Entry(job.version, examine_frames(source.folder, source.sound, report))
        with make_detector() as detector:
            if not write:
                return Entry(job.version, examine_clip(source, detector, report))
            facts = prepare_clip(source, job.target, detector, report)
        return Entry(job.version, facts, job.target.stat().st_size)
    except DiskError:
        raise
    except UnusableError as error:
        return Entry(job.version, fault=error.fault, cause=str(error))
    except MediaError as error:
        return Entry(job.version, fault="unreadable", cause=str(error))
    except HicmaeError:
        raise
    except Exception as error:  # a library's, on a file that nobody thought of; or too little memory, this time
        cause = f"{_path(job)}: {type(error).__name__}: {first_line(error)}"
        return Entry("", fault="unreadable", cause=cause)


def _path(job: Job) -> Path:
    return job.source.folder if isinstance(job.source, FrameFolder) else job.source.video


def _version(files: Sequence[Path], part: str) -> str:
    """How clips are made, and sizes and times of files."""
    texts = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            return _MISSING
        texts.append(f"{status.st_size} {status.st_mtime_ns}")
    return " ".join([f"v{VERSION}", *texts, part]).rstrip()
