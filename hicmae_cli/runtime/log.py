"""The log of a run over many files: each result is on disk as soon as it is ready, so an interruption loses none."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import DiskError, SettingsError
from hicmae_cli.files import compute_sha256, lock_file
from hicmae_cli.runtime.results import SCHEMA, FileResult, ModelRecord
from hicmae_cli.runtime.settings import PredictSettings

LOG_NAME: Final = "predictions.jsonl"


class PredictionLog:
    """A JSON Lines file that one process at a time appends to.

    The first line records the weight and the settings; every other line is the result of one file. If a file has
    several, the last one counts.

    Args:
        path: the file. It stays open and locked until the log is closed.
        model: the weight and the engine that runs it.
        settings: of the predictions.

    Raises:
        SettingsError: another process writes to it, or it is not a regular file.
        DiskError: the file cannot be written.
    """

    def __init__(self, path: Path, model: ModelRecord, settings: PredictSettings) -> None:
        self.path = path
        self._model, self._settings = model, settings
        with _disk_errors(path):
            # Refuse a link or a pipe that somebody planted.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SettingsError(f"{path}: is not a regular file; choose another folder")
        self._file = io.FileIO(descriptor, "r+")
        if not lock_file(descriptor):
            self._file.close()
            raise SettingsError(f"{path}: another process writes to it; wait until it ends, or choose another folder")

    def start(self) -> None:
        """Start an empty log.

        Raises:
            DiskError: the file cannot be written.
        """
        with _disk_errors(self.path):
            self._file.seek(0)
            self._file.truncate()
            self._append({"schema": SCHEMA, "weights": self._model.to_dict(), "settings": self._settings.to_dict()})

    def resume(self, paths: Sequence[Path], on_file: Callable[[Path], None] = lambda _: None) -> dict[Path, FileResult]:
        """Read the results of an earlier run.

        Args:
            paths: the files of this run.
            on_file: called now and then while a file is hashed.

        Returns:
            Results by file, for the files in ``paths`` with unchanged content.

        Raises:
            SettingsError: the earlier run had another weight or other settings.
            DiskError: the file cannot be written.
        """
        with _disk_errors(self.path):
            self._file.seek(0)
            content = self._file.readall()
        if not content.strip():
            self.start()
            return {}
        if not content.endswith(b"\n"):  # the last line was cut off
            with _disk_errors(self.path):
                self._file.write(b"\n")
        head, *lines = content.decode("utf-8", "replace").splitlines()
        self._check_same_run(head)
        rows = {str(result.path): result for line in lines if (result := self._read(line)) is not None}
        return {
            path: rows[str(path)]
            for path in paths
            if str(path) in rows and _is_unchanged(path, rows[str(path)], lambda path=path: on_file(path))  # type: ignore[misc]
        }

    def add(self, result: FileResult) -> None:
        """Append a result.

        Raises:
            DiskError: the disk is full. Earlier results are kept.
        """
        with _disk_errors(self.path):
            self._append(result.to_dict())

    def close(self) -> None:
        """Close the file, and free it for other processes."""
        self._file.close()

    def __enter__(self) -> PredictionLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, fields: Mapping[str, Any]) -> None:
        line = memoryview((json.dumps(fields, allow_nan=False) + "\n").encode("ascii"))
        self._file.seek(0, os.SEEK_END)
        while line:
            line = line[self._file.write(line) or 0 :]
        os.fsync(self._file.fileno())

    def _read(self, line: str) -> FileResult | None:
        """Return a result to keep; None for a failure, and for a line that was cut off or changed."""
        try:
            result = FileResult.from_dict(json.loads(line))
        except (ValueError, RecursionError):
            return None
        info = self._model.info
        outputs = {(window.scores.task, *window.scores.by_name) for track in result.tracks for window in track.windows}
        return result if outputs == {(info.task, *info.labels)} else None

    def _check_same_run(self, line: str) -> None:
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
