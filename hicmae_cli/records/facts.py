"""What a run folder and a weight record about a training, as validated JSON documents."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr

Phase = Literal["pre-training", "fine-tuning"]
RUN_FORMAT: Literal["hicmae.run/1"] = "hicmae.run/1"


class _Facts(BaseModel):
    """Facts that never change, and of which a later version may write more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DataFacts(_Facts):
    """The data of a run.

    Attributes:
        manifest: file name of the list of clips; empty for recordings without a list.
        manifest_sha256: hash of the list.
        clips: number of clips.
        files_sha256: one hash over the ids and files of all clips; it does not depend on the folder they are in.
        hashed: ``content`` if the files were read, ``sizes`` if there were too many bytes to read.
    """

    manifest: str = ""
    manifest_sha256: str = ""
    clips: int = 0
    files_sha256: str = ""
    hashed: Literal["content", "sizes"] = "content"


class InitFacts(_Facts):
    """The weight that a run started from.

    Attributes:
        weight: its name, or the name of its file.
        tensors_sha256: hash of its tensors; metadata do not count.
    """

    weight: str
    tensors_sha256: str


class Commit(_Facts):
    """A state of a git repository.

    Attributes:
        commit: hash of the commit.
        modified: whether tracked files differed from it.
    """

    commit: str
    modified: bool

    def __str__(self) -> str:
        return f"{self.commit}{', with local changes' if self.modified else ''}"


class RunFacts(_Facts):
    """What a weight records about its run: nothing here names a person, a computer or a folder.

    Attributes:
        phase: ``pre-training`` or ``fine-tuning``.
        command: the command that does the same, without folders.
        parameters: of the library call, paths without their folders.
        recipe: every key of the recipe with its value.
        fold: the fold that the run does not train on; empty without folds.
        seed: of the run.
        data: the data; None if their hashes could not be computed.
        init: the weight that the run started from; None from scratch.
        versions: version of each package, and of CUDA where it is used.
        commit: the checkout of hicmae; None for an installed package.
        machine: operating system, processor and GPUs.
        processes: number of training processes.
        date: when the run began (UTC, ISO 8601).
        duration_s: seconds of work until the weight was written.
    """

    phase: Phase
    command: str = ""
    parameters: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    fold: str = ""
    seed: int = 0
    data: DataFacts | None = None
    init: InitFacts | None = None
    versions: dict[str, str] = {}
    commit: Commit | None = None
    machine: dict[str, str] = {}
    processes: int = 1
    date: str = ""
    duration_s: float | None = None
    _began_s: float | None = PrivateAttr(None)

    def begin_clock(self, spent_s: float) -> None:
        """Start to measure ``duration_s``, after the seconds that earlier sessions spent."""
        self._began_s = time.monotonic() - spent_s

    def read_clock(self) -> RunFacts:
        """Return these facts with the duration up to now; unchanged where no clock was started."""
        if self._began_s is None:
            return self
        return self.model_copy(update={"duration_s": round(time.monotonic() - self._began_s, 1)})


class Session(_Facts):
    """One start of a run, from its beginning or from a checkpoint.

    Attributes:
        arguments: the command line.
        folder: the working folder.
        host: name of the computer.
        started: UTC, ISO 8601.
        ended: the same; empty while it runs, and if it was killed.
        duration_s: seconds of work; None while it runs, and if it was killed.
        from_step: steps done before.
        to_step: steps done at the end.
        outcome: ``finished``, ``stopped``, ``failed: …``, or empty.
        project: commit of the working folder, if that is in another git repository.
        versions: as in ``RunFacts``, at this start.
        changed: recipe keys that differ from the session before -> [before, now].
    """

    arguments: tuple[str, ...] = ()
    folder: str = ""
    host: str = ""
    started: str = ""
    ended: str = ""
    duration_s: float | None = None
    from_step: int = 0
    to_step: int | None = None
    outcome: str = ""
    project: Commit | None = None
    versions: dict[str, str] = {}
    changed: dict[str, Any] = {}


class RunRecord(_Facts):
    """The document ``run.json`` of a run's folder.

    Attributes:
        format: of the document.
        run: what the weight records, too.
        parameters: of the library call, with whole paths.
        manifest: path of the list of clips; empty without one.
        root: folder of the recordings; empty if it is not known.
        sessions: every start of the run.
        finished: whether the run is trained to its end.
        weight: file name of the weight in the folder; empty as long as there is none.
        tensors_sha256: hash of its tensors.
        scores: of the test; for a pre-training, those of the weight.
    """

    format: Literal["hicmae.run/1"] = RUN_FORMAT
    run: RunFacts
    parameters: dict[str, Any] = {}
    manifest: str = ""
    root: str = ""
    sessions: tuple[Session, ...] = ()
    finished: bool = False
    weight: str = ""
    tensors_sha256: str = ""
    scores: dict[str, float] = {}

    @property
    def duration_s(self) -> float | None:
        """Seconds of work of all sessions whose end is known; for a weight, until it was written."""
        known = [session.duration_s for session in self.sessions if session.duration_s is not None]
        return sum(known) if known else self.run.duration_s
