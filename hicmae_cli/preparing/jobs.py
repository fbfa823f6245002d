"""Prepare clips as jobs for any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from typing import Final, Literal

from hicmae_cli.corpora.annotations import is_safe, quote
from hicmae_cli.errors import DiskError, HicmaeError, ManifestError, MediaError, SettingsError, first_line
from hicmae_cli.faces import FaceDetector, FaceFinder
from hicmae_cli.files import hash_lines
from hicmae_cli.preparing.clip import VERSION, examine_clip, prepare_people
from hicmae_cli.preparing.frame_folder import FrameFolder, examine_frames
from hicmae_cli.preparing.journal import Entry, Journal, OtherClip
from hicmae_cli.preparing.measuring import Source, UnusableError
from hicmae_cli.preparing.people import KeepPeople
from hicmae_cli.preparing.sound import SOUND_SUFFIX, SoundFile, examine_sound, prepare_sound
from hicmae_cli.preparing.sources import ClipSource
from hicmae_cli.preparing.still import StillFile, examine_still, prepare_still
from hicmae_cli.preparing.store import path_in
from hicmae_cli.ray_workers import run_on_ray
from hicmae_cli.workers import Outcomes, Report, Work, WorkerDiedError, count_cores, run_here, run_in_pool

open_finder: Final = partial(FaceFinder, num_faces=4)
"""Opens the default face finder of a clip, for as many people at once as in a prediction."""
CLIPS: Final = "clips"
"""Folder of the prepared clips in a store, one of each video."""
PEOPLE: Final = "people"
"""Folder of the prepared clips in a store, one of each person in a video."""
_MISSING: Final = "missing"

Event = Literal["done", "kept", "failed"]
"""What happened to a clip: prepared now, known from an earlier run, or skipped for a fault."""


@dataclass(frozen=True)
class ClipJob:
    """One clip to prepare. Each clip is a separate job: it takes a second, and handing it over a millisecond.

    Attributes:
        id: the clip's id.
        version: text that changes when its files change.
        source: its files.
        target: the prepared clip to write; not used for a folder of pictures.
        keep_people: ``all`` writes a clip for each person, see `name_person`, in place of ``target``.
    """

    id: str
    version: str
    source: ClipSource
    target: Path
    keep_people: KeepPeople = "one"

    @classmethod
    def make(cls, id_: str, source: ClipSource, target: Path, keep_people: KeepPeople = "one") -> ClipJob:
        """Make a job on the files as they are now."""
        if isinstance(source, FrameFolder):
            return cls(id_, _make_version((source.folder, source.sound), source.folder.as_posix()), source, target)
        if isinstance(source, SoundFile):
            file = target.with_name(f"{target.stem}{SOUND_SUFFIX}")
            part = "" if source.end_s is None else f"{source.start_s} {source.end_s}"
            return cls(id_, _make_version((source.sound,), part), source, file)
        if isinstance(source, StillFile):
            file = target.with_name(f"{target.stem}{source.suffix}")
            return cls(id_, _make_version((source.picture,), ""), source, file)
        part = f"{source.start_s} {source.end_s} {source.columns}" if source.is_part else ""
        # Without places, as in earlier journals.
        part += f" {hash_lines(map(str, source.places))}" if source.places else ""
        files = (source.video,) if source.sound is None else (source.video, source.sound)
        return cls(id_, _make_version(files, part), source, target, keep_people)

    def is_known(self, entry: Entry | None) -> bool:
        """Return whether an entry of the journal equals what a run of this job would give."""
        if entry is None:
            return False
        needs_sound = isinstance(self.source, Source) and self.source.needs_sound
        if entry.facts is None:
            return entry.version == self.version and (needs_sound or entry.fault != "no sound")
        if needs_sound and not entry.facts.sound_s:
            return False
        # A clip outlives its source, which may be deleted to save space.
        if self.version not in (entry.version, _MISSING):
            return False
        if isinstance(self.source, FrameFolder):
            return self.version != _MISSING
        try:
            sizes = [self.name_clip(number).stat().st_size for number in range(1, 2 + len(entry.others))]
        except OSError:
            return False
        return sizes == [entry.size_bytes, *(other.size_bytes for other in entry.others)]

    def name_clip(self, number: int) -> Path:
        """Return the file of a person's clip; 1 is the person who is seen most."""
        if self.keep_people == "one":
            return self.target
        return self.target.with_name(f"{name_person(self.target.stem, number)}{self.target.suffix}")

    def remove_clips(self, after: int = 0) -> None:
        """Remove the clips of people after a number, which an earlier version of the video showed."""
        if self.keep_people == "one":
            numbers = [] if after else [1]
        else:
            numbers = list(takewhile(lambda number: self.name_clip(number).is_file(), count(after + 1)))
        # The last one first: a call that is killed here leaves no gap, so that the next call finds the others.
        for number in reversed(numbers):
            self.name_clip(number).unlink(missing_ok=True)


def name_person(id_: str, number: int) -> str:
    """Return the id of the clip of one person in an item's video; 1 is the person who is seen most."""
    return f"{id_}-p{number}"


def make_jobs(
    sources: Mapping[str, ClipSource], folder: Path, journal: Journal, keep_people: KeepPeople = "one"
) -> list[ClipJob]:
    """Make jobs that write ``<folder>/<id>.mkv``, or ``.wav`` for sounds and ``.jpg`` or ``.png`` for stills.

    The journal gets those with unusable ids.
    """
    jobs = (_make_job(id_, source, folder, journal, keep_people) for id_, source in sources.items())
    return [job for job in jobs if job is not None]


def _make_job(id_: str, source: ClipSource, folder: Path, journal: Journal, keep_people: KeepPeople) -> ClipJob | None:
    try:
        target = path_in(folder, id_)
        if not is_safe(id_):  # a manifest is UTF-8 and may move to another system
            raise ManifestError(f"clip {quote(id_)}: rename the file, using plain characters only")
    except ManifestError as error:
        journal.add(id_, Entry("", fault="name", cause=str(error)))
        return None
    return ClipJob.make(id_, source, target, keep_people)


Runner = Callable[[Sequence[ClipJob], Work[ClipJob, Entry]], Outcomes[ClipJob, Entry]]
"""Distributes jobs over processes."""


def choose_runner(workers: int | None = None, ray: str | None = None) -> Runner:
    """Choose where jobs run.

    Args:
        workers: number of processes on this machine; 0 for this process, None for one process per core.
        ray: address of a Ray cluster to use instead: ``HOST:PORT``, ``auto`` or ``local``.

    Raises:
        SettingsError: both are given, or a negative number.
    """
    if workers is not None and ray is not None:
        raise SettingsError(
            f"got workers={workers} and ray={ray!r}; workers are for this machine and ray is for a cluster: give one "
            "of them"
        )
    if workers is not None and workers < 0:
        raise SettingsError(f"got workers={workers}, expected 0 or more")
    if ray is not None:
        return partial(run_on_ray, address=ray)
    return run_here if workers == 0 else partial(run_in_pool, workers=workers or count_cores())


def do_jobs(
    jobs: Sequence[ClipJob],
    journal: Journal,
    run: Runner,
    make_detector: Callable[[], FaceDetector],
    on_event: Callable[[Event], None],
) -> None:
    """Do the jobs that the journal does not know yet, and add them to it.

    Args:
        jobs: all clips.
        journal: the results; has an entry for each clip afterwards.
        run: distributes the work.
        make_detector: opens a face finder for one clip.
        on_event: called after each clip, starting with those already known.

    Raises:
        DiskError: the disk is full; the clips done so far are kept.
        HicmaeError: a fault that does not belong to one clip.
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
            entry = _make_died_entry(job, outcome) if isinstance(outcome, WorkerDiedError) else outcome
            if not isinstance(job.source, FrameFolder):
                # Its source may have changed.
                job.remove_clips(after=0 if entry.facts is None else 1 + len(entry.others))
            journal.add(job.id, entry)
            on_event("failed" if entry.facts is None else "done")


def examine_jobs(
    jobs: Sequence[ClipJob], run: Runner, make_detector: Callable[[], FaceDetector], on_event: Callable[[], None]
) -> dict[str, Entry]:
    """Return the entry that each clip would get, without writing any clip."""
    found: dict[str, Entry] = {}
    with closing(run(jobs, partial(_do, make_detector, write=False))) as outcomes:
        for job, outcome in outcomes:
            found[job.id] = _make_died_entry(job, outcome) if isinstance(outcome, WorkerDiedError) else outcome
            on_event()
    return found


def _make_died_entry(job: ClipJob, error: WorkerDiedError) -> Entry:
    return Entry("", fault="died", cause=f"{_get_path(job)}: {error}")


def _do(make_detector: Callable[[], FaceDetector], job: ClipJob, report: Report, *, write: bool) -> Entry:
    """Prepare a clip, or only examine it.

    A fault of its file becomes its entry; a fault that affects every clip is raised.
    """
    source = job.source
    try:
        if isinstance(source, FrameFolder):
            return Entry(job.version, examine_frames(source.folder, source.sound, report))
        if isinstance(source, SoundFile) and not write:
            return Entry(job.version, examine_sound(source, report))
        if isinstance(source, SoundFile):
            facts = prepare_sound(source, job.target, report)
            return Entry(job.version, facts, job.target.stat().st_size)
        if isinstance(source, StillFile) and not write:
            return Entry(job.version, examine_still(source, make_detector))
        if isinstance(source, StillFile):
            facts = prepare_still(source, job.target, make_detector)
            return Entry(job.version, facts, job.target.stat().st_size)
        with make_detector() as detector:
            if not write:
                return Entry(job.version, examine_clip(source, detector, report))
            done = prepare_people(source, job.name_clip, detector, report, keep_people=job.keep_people)
        first, *others = [(facts, job.name_clip(number).stat().st_size) for number, facts in enumerate(done, start=1)]
        return Entry(
            job.version,
            *first,
            others=tuple(OtherClip(facts.face_coverage, size_bytes) for facts, size_bytes in others),
        )
    except DiskError:
        raise
    except UnusableError as error:
        return Entry(job.version, fault=error.fault, cause=str(error))
    except MediaError as error:
        return Entry(job.version, fault="unreadable", cause=str(error))
    except HicmaeError:
        raise
    except Exception as error:  # a library failed on an unusual file, or memory ran out
        cause = f"{_get_path(job)}: {type(error).__name__}: {first_line(error)}"
        return Entry("", fault="unreadable", cause=cause)


def _get_path(job: ClipJob) -> Path:
    if isinstance(job.source, SoundFile):
        return job.source.sound
    if isinstance(job.source, StillFile):
        return job.source.picture
    return job.source.folder if isinstance(job.source, FrameFolder) else job.source.video


def _make_version(files: Sequence[Path], part: str) -> str:
    """Return the version of the method, and sizes and times of the files."""
    texts = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            return _MISSING
        texts.append(f"{status.st_size} {status.st_mtime_ns}")
    return " ".join([f"v{VERSION}", *texts, part]).rstrip()
