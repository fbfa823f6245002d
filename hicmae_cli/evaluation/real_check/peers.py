"""Other judges of the same files: probabilities that other programs wrote, in one CSV file per judge."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.evaluation.real_check.measures import Table
from hicmae_cli.labels import canonical_label


@dataclass(frozen=True)
class Peer:
    """The probabilities of another judge.

    Attributes:
        name: its name in the tables.
        labels: its labels.
        rows: file -> probability of each label.
    """

    name: str
    labels: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def find_rows(self, files: Sequence[str]) -> Table | None:
        """Find the probabilities (n, C) of files; None if it has judged none of them.

        Raises:
            ManifestError: it has judged some of them, but not all.
        """
        known = [name for name in files if name in self.rows]
        if not known:
            return None
        if len(known) < len(files):
            first = next(name for name in files if name not in self.rows)
            raise ManifestError(
                one_line(
                    f"peer {self.name}: has {len(known)} of {len(files)} files, the first that it lacks is {first}"
                )
            )
        return np.array([self.rows[name] for name in files], np.float64)


def read_peer(given: str) -> Peer:
    """Read a judge from ``NAME=FILE.csv``: a column ``file``, and a column with the probability of each label.

    Raises:
        SettingsError: the text has no name and file.
        ManifestError: the file cannot be read, or a cell is not a finite number.
    """
    name, _, file = given.partition("=")
    if not name or not file:
        raise SettingsError(f"peers={given!r}: expected NAME=FILE.csv, for example fer=fer.csv")
    path = Path(file)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        names = header[1:]
        table = {row[0]: tuple(map(float, row[1:])) for row in rows if row}
    except (OSError, ValueError, csv.Error) as error:
        raise ManifestError(
            one_line(f"{path}: expected the columns file, and one per label with its probability: {error}")
        ) from error
    complete = all(len(row) == len(names) and all(map(math.isfinite, row)) for row in table.values())
    if header[:1] != ["file"] or not complete:
        raise ManifestError(one_line(f"{path}: expected the columns file, and one per label with its probability"))
    return Peer(name, tuple(map(canonical_label, names)), table)
