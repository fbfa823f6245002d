"""Add the probabilities of teachers to a merged list, as columns `teacher_LABEL`, for `teacher_weight`.

    python scripts/add_teachers.py cues.csv --faces photos=face-api.csv --append morphs/morphs.csv --output all.csv

`--faces SOURCE=FILE.csv`: probabilities of another program for the pictures of a source, as `scripts/score_peers.py`
writes them. Its rows are found by the name of the picture without folder and suffix, which is the clip's id.
`--append FILE.csv`: more clips, with the same columns and the teacher's, as `scripts/morph_faces.py` writes them.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import write_csv

LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
LEAST_KNOWN = 1e-3
"""Below this sum over the labels, a judge is sure of another emotion, and says nothing about these."""
Rows = list[dict[str, str]]
Taught = dict[str, NDArray[np.float64]]


def read_rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def teach_faces(rows: Rows, source: str, judged: Path) -> Taught:
    """Look up what another program says of the pictures of a source -> probabilities by id."""
    by_name = {Path(row["file"]).stem: row for row in read_rows(judged)}
    found: Taught = {}
    for row in rows:
        if row["source"] == source and (said := by_name.get(row["id"].rpartition("/")[2])):
            values = np.array([float(said[label]) for label in LABELS])
            if values.sum() >= LEAST_KNOWN:
                found[row["id"]] = values / values.sum()
    return found


def write_rows(path: Path, rows: Rows, taught: Mapping[str, NDArray[np.float64]], more: Rows) -> None:
    names = [f"teacher_{label}" for label in LABELS]
    kept = [name for name in rows[0] if name not in names]
    lines = []
    for row in rows:
        said = taught.get(row["id"])
        cells = [""] * len(names) if said is None else [f"{value:.4f}" for value in said]
        lines.append([*(row[name] for name in kept), *cells])
    lines += [[row[name] for name in (*kept, *names)] for row in more]
    write_csv(path, [*kept, *names], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--faces", metavar="SOURCE=FILE.csv")
    parser.add_argument("--append", type=Path, metavar="FILE.csv")
    given = parser.parse_args()
    rows = read_rows(given.manifest)
    taught: Taught = {}
    if given.faces:
        source, _, judged = given.faces.partition("=")
        taught |= teach_faces(rows, source, Path(judged))
    more = read_rows(given.append) if given.append else []
    write_rows(given.output, rows, taught, more)
    print(f"{given.output}: {len(taught) + len(more)} of {len(rows) + len(more)} clips have a teacher")


if __name__ == "__main__":
    main()
