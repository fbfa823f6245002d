"""The log of a run over many files: each result is on disk as soon as it is there, so that no cut loses it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hicmae_cli.errors import DiskError, SettingsError
from hicmae_cli.files import sha256_of, written_whole
from hicmae_cli.runtime.results import SCHEMA, FileResult, Model
from hicmae_cli.runtime.settings import PredictSettings


class PredictionLog:
    """A JSON Lines file: the first line says which weight judged and with which settings, then comes a line a file.

    Args:
        path: the file; nothing is written before `start` or `resume`.
        model: what judges.
        settings: how.
    """

    def __init__(self, path: Path, model: Model, settings: PredictSettings) -> None:
        self.path = path
        self._model, self._settings = model, settings

    def start(self) -> None:
        """Begin anew.

        Raises:
            DiskError: the file cannot be written.
        """
        self._write([])

    def resume(
        self, paths: Sequence[Path], on_file: Callable[[Path], None] = lambda _: None
    ) -> dict[Path, FileResult]:
        """Take over an earlier run's results, those of other files included.

        Args:
            paths: the files of this run. A result stays only if its file has the same content still.
            on_file: called now and then while the content of a file is compared.

        Returns:
            Results by file, of those in ``paths``.

        Raises:
            SettingsError: the earlier run had another weight or other settings.
            DiskError: the file cannot be written.
        """
        rows = self._read()
        kept: dict[Path, FileResult] = {}
        for path in paths:
            result = rows.pop(str(path), None)
            if result is not None and _is_unchanged(path, result, lambda path=path: on_file(path)):  # type: ignore[misc]
                kept[path] = result
        self._write([*rows.values(), *kept.values()])
        return kept

    def add(self, result: FileResult) -> None:
        """Append a result.

        Raises:
            DiskError: the disk is full. What was logged before is still there.
        """
        with _disk_errors(self.path), self.path.open("a", encoding="ascii") as file:
            file.write(_line(result.to_dict()))
            file.flush()
            os.fsync(file.fileno())

    def _write(self, results: Sequence[FileResult]) -> None:
        head = {"schema": SCHEMA, "weights": self._model.to_dict(), "settings": self._settings.to_dict()}
        with _disk_errors(self.path), written_whole(self.path) as temporary:
            temporary.write_text("".join(map(_line, [head, *(r.to_dict() for r in results)])), "ascii")

    def _read(self) -> dict[str, FileResult]:
        """Results of an earlier run by path, the last one of each; a line that was cut off is skipped."""
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except (OSError, ValueError):
            return {}
        if not lines:
            return {}
        self._check_same_run(lines[0])
        found: dict[str, FileResult] = {}
        for line in lines[1:]:
            try:
                result = FileResult.from_dict(json.loads(line))
            except ValueError:
                continue
            if not result.failed:
                found[str(result.path)] = result
        return found

    def _check_same_run(self, line: str) -> None:
        mine = _facts(self._model.to_dict(), self._settings.to_dict())
        try:
            head = json.loads(line)
            theirs = _facts(head["weights"], head["settings"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{self.path}: is not a log of predictions; choose another folder") from error
        differences = [f"{name} {theirs.get(name)} there, {value} here" for name, value in mine.items()
                       if theirs.get(name) != value]  # fmt: skip
        if differences:
            raise SettingsError(
                f"{self.path}: holds another run ({'; '.join(differences)}); choose another folder, or "
                "replace its results by running without skipping"
            )


def _facts(weights: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be equal for results to stand in one table."""
    return {"weight": str(weights["name"]), "weight's sha256": weights["sha256"], **settings}


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "; free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}{hint}") from error


def _line(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, allow_nan=False) + "\n"


def _is_unchanged(path: Path, result: FileResult, on_block: Callable[[], None]) -> bool:
    try:
        return path.stat().st_size == result.size_bytes and sha256_of(path, on_block) == result.sha256
    except OSError:
        return False
