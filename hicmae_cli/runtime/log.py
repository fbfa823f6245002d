"""The log of a run over many files: each result is on disk as soon as it is ready, so an interruption loses none."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, overload

from hicmae_cli.errors import DiskError, SettingsError
from hicmae_cli.files import compute_sha256, lock_file
from hicmae_cli.json_text import stream_json
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.outputs import Window
from hicmae_cli.runtime.results import SCHEMA, FileResult
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.window_table import WindowTable

LOG_NAME: Final = "predictions.jsonl"


class PredictionLog:
    """A JSON Lines file that one process at a time appends to.

    The first line records the weight and the settings; every other line is the result of one file. If a file has
    several, the last one counts. A result is read back when it is needed, so memory does not grow with their number.

    Args:
        path: the file. It stays open and locked until the log is closed. None for a temporary file without a name.
        model: the weight and the engine that runs it.
        settings: of the predictions.

    Attributes:
        kept_versions: the versions of hicmae that made the results that `resume` found.

    Raises:
        SettingsError: another process writes to it, or it is not a regular file.
        DiskError: the file cannot be written.
    """

    def __init__(self, path: Path | None, model: ModelRecord, settings: PredictSettings) -> None:
        self.path = Path(tempfile.gettempdir()) if path is None else path
        self._model, self._settings = model, settings
        self._places: dict[Path, int] = {}
        self.kept_versions: tuple[str | None, ...] = ()
        with _disk_errors(self.path):
            self._file: Any = tempfile.TemporaryFile(buffering=0) if path is None else _open_locked(path)  # noqa: SIM115

    def start(self) -> None:
        """Start an empty log.

        Raises:
            DiskError: the file cannot be written.
        """
        with _disk_errors(self.path):
            self._file.seek(0)
            self._file.truncate()
            self._append({"schema": SCHEMA, "weights": self._model.to_dict(), "settings": self._settings.to_dict()})

    def resume(self, paths: Sequence[Path], on_file: Callable[[Path], None] = lambda _: None) -> list[Path]:
        """Find the results of an earlier run.

        Args:
            paths: the files of this run.
            on_file: called now and then while a file is hashed.

        Returns:
            The files in ``paths`` that have a result and are unchanged; `read` returns it.

        Raises:
            SettingsError: the earlier run had another weight or other settings.
            DiskError: the file cannot be written.
        """
        kept: dict[Path, tuple[int, FileResult]] = {}
        with _disk_errors(self.path), self._open_lines() as lines:
            head = lines.readline()
            if not head.strip() and not lines.read(1):
                self.start()
                return []
            self._check_same_run(head)
            lines.seek(len(head))
            wanted, place = set(paths), len(head)
            is_cut_off = not head.endswith(b"\n")
            for line in lines:
                result = self._parse_kept(line)
                if result is not None and result.path in wanted:
                    kept[result.path] = place, replace(result, tracks=())
                place += len(line)
                is_cut_off = not line.endswith(b"\n")
            if is_cut_off:
                self._file.seek(0, os.SEEK_END)
                self._file.write(b"\n")
        done = []
        for path in dict.fromkeys(paths):
            if path in kept and _is_unchanged(path, kept[path][1], on_block=partial(on_file, path)):
                self._places[path] = kept[path][0]
                done.append(path)
        self.kept_versions = tuple(kept[path][1].hicmae_version for path in done)
        return done

    def add(self, result: FileResult) -> None:
        """Append a result.

        Raises:
            DiskError: the disk is full. Earlier results are kept.
        """
        with _disk_errors(self.path):
            self._places[result.path] = self._append(result.to_dict(iter))

    def read(self, path: Path) -> FileResult:
        """Read the result of a file, which was added or found by `resume`.

        Raises:
            DiskError: the log cannot be read, or was changed meanwhile.
        """
        with _disk_errors(self.path), self._open_lines() as lines:
            lines.seek(self._places[path])
            text = io.TextIOWrapper(lines, "ascii", "replace").readline()
        try:
            return _parse(text)
        except (ValueError, RecursionError) as error:
            raise DiskError(f"{self.path}: was changed by another program while results were added to it") from error

    def close(self) -> None:
        """Close the file, and free it for other processes."""
        self._file.close()

    def __enter__(self) -> PredictionLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, fields: Mapping[str, Any]) -> int:
        """Append a line -> where it starts. After an error or Ctrl-C nothing of it is left."""
        place: int = self._file.seek(0, os.SEEK_END)
        try:
            for text in stream_json(fields, indent=False):
                rest = memoryview(text.encode("ascii"))
                while rest:
                    rest = rest[self._file.write(rest) or 0 :]
        except BaseException:
            self._file.truncate(place)
            raise
        os.fsync(self._file.fileno())
        return place

    def _open_lines(self) -> io.BufferedReader:
        """Open the file once more, at its start."""
        lines = open(os.dup(self._file.fileno()), "rb")  # noqa: SIM115, PTH123 (the caller closes it)
        lines.seek(0)
        return lines

    def _parse_kept(self, line: bytes) -> FileResult | None:
        """Return a result to keep; None for a failure, and for a line that was cut off or changed."""
        try:
            result = _parse(line)
        except (ValueError, RecursionError):
            return None
        info = self._model.info
        outputs = {(track.table.task, *track.table.names) for track in result.tracks}
        return result if outputs == {(info.task, *info.labels)} else None

    def _check_same_run(self, line: bytes) -> None:
        mine = _facts(self._model.to_dict(), self._settings.to_dict())
        try:
            head = json.loads(line)
            theirs = _facts(head["weights"], PredictSettings.from_dict(head["settings"]).to_dict())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SettingsError) as error:
            raise SettingsError(f"{self.path}: is not a log of predictions; choose another folder") from error
        differences = [
            f"{name} {theirs[name]} there, {value} here" for name, value in mine.items() if theirs[name] != value
        ]
        if differences:
            raise SettingsError(
                f"{self.path}: holds another run ({'; '.join(differences)}); choose another folder, or "
                "replace its results by running without skipping"
            )


def _parse(line: str | bytes) -> FileResult:
    """Parse the result of a file.

    Raises:
        ValueError: it is none.
    """
    return FileResult.from_dict(json.loads(line, object_hook=_read_windows))


def _read_windows(fields: dict[str, Any]) -> Any:
    """Read a window as soon as its fields are parsed, and the windows of a track: dictionaries take much more memory.

    Raises:
        ValueError: the fields are not those of a window.
    """
    try:
        if {"start_s", "modality"} <= fields.keys():
            return Window.from_dict(fields)
        if isinstance(fields.get("windows"), list):  # of a track; a label of this name has a number
            return {**fields, "windows": WindowTable(fields["windows"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a window: {type(error).__name__} {error}") from error
    return fields


def _open_locked(path: Path) -> io.FileIO:
    """Open a file, which is made if it is missing, and lock it.

    Raises:
        SettingsError: another process has locked it, or it is not a regular file.
        OSError: it cannot be opened.
    """
    # Refuse a link or a pipe that somebody planted.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SettingsError(f"{path}: is not a regular file; choose another folder")
    if not lock_file(descriptor):
        os.close(descriptor)
        raise SettingsError(f"{path}: another process writes to it; wait until it ends, or choose another folder")
    return io.FileIO(descriptor, "r+")


def _facts(weights: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs must share so that their results can be in one file.

    The smoothing and the smallest probability change timelines only, which are made from the results.
    """
    decisive = {name: value for name, value in settings.items() if name not in ("smooth_s", "abstain")}
    return {"weight": str(weights["name"]), "weight's sha256": weights["sha256"], **decisive}


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}{hint}") from error


def _is_unchanged(path: Path, result: FileResult, on_block: Callable[[], None]) -> bool:
    try:
        return path.stat().st_size == result.size_bytes and compute_sha256(path, on_block) == result.sha256
    except OSError:
        return False


class LoggedResults(Sequence[FileResult]):
    """The results of a run, read from its log one at a time.

    Args:
        log: the log.
        entries: the results in their order: a file whose result is in the log, or a result.
    """

    def __init__(self, log: PredictionLog, entries: Sequence[Path | FileResult]) -> None:
        self._log, self._entries = log, entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[FileResult]:
        # Unlike a loop, this keeps no result alive until the next one is there.
        return map(self.__getitem__, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> FileResult: ...
    @overload
    def __getitem__(self, index: slice) -> LoggedResults: ...

    def __getitem__(self, index: int | slice) -> FileResult | LoggedResults:
        if isinstance(index, slice):
            return LoggedResults(self._log, self._entries[index])
        entry = self._entries[index]
        return entry if isinstance(entry, FileResult) else self._log.read(entry)
