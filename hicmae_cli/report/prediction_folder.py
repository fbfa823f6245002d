"""A folder of predictions: each result is kept as soon as it is there, so that a run cut off loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import DiskError
from hicmae_cli.files import sha256_of, written_whole
from hicmae_cli.report.files import make_folder, to_json, windows_csv, write_text
from hicmae_cli.runtime.results import SCHEMA, FileResult, Model, Prediction

WRITERS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {"json": to_json, "csv": windows_csv}
"""Formats of ``predictions.<format>``, each written from the document of a whole run."""
_LOG: Final = "predictions.jsonl"


class PredictionFolder:
    """Where a run over many files puts its results.

    ``predictions.jsonl`` gains a line as each file is done: first what judged and how, then a result a line.
    ``predictions.json`` and ``predictions.csv`` hold the whole run and are written at its end.

    Args:
        folder: made if it is missing.
        model: what judges.
        settings: how, as in the JSON document.
        keep: take over results of an earlier run by the same weight with the same settings.

    Raises:
        HicmaeError: the folder cannot be made or written to.
        DiskError: the disk is full.
    """

    def __init__(
        self, folder: Path, model: Model, settings: Mapping[str, Any], *, keep: bool = False
    ) -> None:
        make_folder(folder)
        self.folder = folder
        self._log = folder / _LOG
        self._model, self._settings = model, dict(settings)
        self._kept = self._read() if keep else {}
        with _disk_errors(self._log), written_whole(self._log) as temporary:
            head = {"schema": SCHEMA, "weights": model.to_dict(), "settings": self._settings}
            lines = [head, *(result.to_dict() for result in self._kept.values())]
            temporary.write_text("".join(map(_line, lines)), "ascii")

    def finished(self, paths: Sequence[Path]) -> dict[Path, FileResult]:
        """Results that an earlier run left, of those files that have not changed since: their content is compared."""
        return {
            path: kept for path in paths if (kept := self._kept.get(str(path))) and _is_unchanged(path, kept)
        }

    def add(self, result: FileResult) -> None:
        """Keep a result.

        Raises:
            DiskError: the disk is full. What was kept before is still there.
        """
        with _disk_errors(self._log), self._log.open("a", encoding="ascii") as file:
            file.write(_line(result.to_dict()))
            file.flush()
            os.fsync(file.fileno())

    def write(self, prediction: Prediction, formats: Sequence[str]) -> list[Path]:
        """Write a whole run -> the files.

        Args:
            prediction: the run.
            formats: names in `WRITERS`.

        Raises:
            HicmaeError: a file cannot be written.
        """
        document = prediction.to_dict()
        paths = [self.folder / f"predictions.{name}" for name in formats]
        for name, path in zip(formats, paths, strict=True):
            write_text(path, WRITERS[name](document))
        return paths

    def _read(self) -> dict[str, FileResult]:
        """Results of an earlier run by the same model and settings; a line that was cut off is skipped."""
        try:
            lines = self._log.read_text("utf-8").splitlines()
        except (OSError, ValueError):
            return {}
        if not lines or not self._is_same_run(lines[0]):
            return {}
        found: dict[str, FileResult] = {}
        for line in lines[1:]:
            try:
                result = FileResult.from_dict(json.loads(line))
            except ValueError:
                continue
            if not result.failed:
                found[str(result.path)] = result
        return found

    def _is_same_run(self, line: str) -> bool:
        try:
            head = json.loads(line)
            facts = head["weights"]["sha256"], head["settings"]
        except (ValueError, KeyError, TypeError):
            return False
        return bool(facts == (self._model.sha256, self._settings))


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}; free some space") from error


def _line(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, allow_nan=False) + "\n"


def _is_unchanged(path: Path, result: FileResult) -> bool:
    try:
        return path.stat().st_size == result.size_bytes and sha256_of(path) == result.sha256
    except OSError:
        return False
