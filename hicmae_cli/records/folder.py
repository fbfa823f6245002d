"""``run.json`` in the folder of a run: written when the run starts, completed when it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hicmae_cli.errors import WeightsError, first_line, one_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.records.facts import RunRecord, Session
from hicmae_cli.records.surroundings import name_host, now_utc, read_project_commit

RECORD = "run.json"


def read_run_record(folder: Path) -> RunRecord:
    """Read the record of a run.

    Raises:
        WeightsError: the folder has no record, or one that cannot be read.
    """
    path = folder / RECORD
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise WeightsError(one_line(f"{folder}: has no record of a run ({RECORD})")) from None
    except OSError as error:
        raise WeightsError(one_line(f"{path}: cannot be read: {error.strerror}")) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "document"
        raise WeightsError(one_line(f"{path}: is not the record of a run: {where}: {fault['msg']}")) from error


def find_record_folders(run: Path) -> list[Path]:
    """List the folders with a record in natural order: the run itself, or else its seeds, repetitions and folds."""
    if (run / RECORD).is_file():
        return [run]
    # At most a folder of a seed, one of a repetition, and one of a fold.
    found = {path.parent for pattern in ("*", "*/*", "*/*/*") for path in run.glob(f"{pattern}/{RECORD}")}
    return sorted(found, key=lambda folder: [(len(part), part) for part in folder.relative_to(run).parts])


def find_earlier(folder: Path) -> RunRecord | None:
    """Read the record that earlier sessions left; None without one, or if it cannot be read."""
    try:
        return read_run_record(folder)
    except WeightsError:
        return None


@dataclass
class SessionLog:
    """Writes one session of a run into the record of its folder.

    Nothing is written until the run has accepted the folder, so the record of another run stays as it is. A call that
    finds nothing left to do leaves no trace.

    Attributes:
        folder: of the run.
        record: what is known before the session, without sessions.
        earlier: what earlier sessions left.
    """

    folder: Path
    record: RunRecord
    earlier: RunRecord | None

    def __post_init__(self) -> None:
        self._began_s = time.monotonic()
        self._session: Session | None = None

    @property
    def begun(self) -> bool:
        """Whether the session began; only in the main process."""
        return self._session is not None

    def begin(self, step: int) -> None:
        """Note that the run starts, or resumes after a number of steps.

        Raises:
            OSError: the record cannot be written.
        """
        self._session = Session(
            arguments=tuple(sys.argv),
            folder=str(Path.cwd()),
            host=name_host(),
            started=now_utc(),
            from_step=step,
            project=read_project_commit(),
            versions=self.record.run.versions,
            changed=self._list_changes(),
        )
        # Of a finished run, only an extension has work left; a setting of the machine may differ without any.
        if self.earlier is None or not self.earlier.finished or "epochs" in self._session.changed:
            self._write(self.record, self._session)

    def end(self, outcome: str, *, step: int | None = None, update: Mapping[str, object] | None = None) -> None:
        """Note how the session ended.

        Args:
            outcome: ``finished``, ``stopped`` or ``failed: …``.
            step: steps done so far; None if unknown.
            update: other fields of the record, by name.

        Raises:
            OSError: the record cannot be written.
        """
        if self._session is None:
            return
        if self.earlier is not None and self.earlier.finished and step in (None, self._session.from_step):
            return
        took_s = round(time.monotonic() - self._began_s, 1)
        ended = {"ended": now_utc(), "duration_s": took_s, "to_step": step, "outcome": outcome}
        self._write(self.record.model_copy(update=update), self._session.model_copy(update=ended))

    def fail(self, error: BaseException) -> None:
        """Note that an error ended the session."""
        kind = first_line(error) if isinstance(error, Exception) else type(error).__name__
        self.end(f"failed: {one_line(kind)}")

    def _write(self, record: RunRecord, session: Session) -> None:
        before = self.earlier.sessions if self.earlier is not None else ()
        text = record.model_copy(update={"sessions": (*before, session)}).model_dump_json(indent=2)
        write_text_atomically(self.folder / RECORD, text + "\n")

    def _list_changes(self) -> dict[str, object]:
        """List the recipe keys that have another value than in the session before."""
        if self.earlier is None:
            return {}
        before, now = self.earlier.run.recipe, self.record.run.recipe
        return {key: [before.get(key), now.get(key)] for key in now if before.get(key) != now.get(key)}
