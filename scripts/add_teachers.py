"""Add the probabilities of teachers to a merged list, as columns `teacher_LABEL`, for `teacher_weight`.

    python scripts/add_teachers.py mixed-cues.csv --output taught.csv --faces photos=face-api.csv --voices emodb

- `--faces SOURCE=FILE.csv`: probabilities of another program for the pictures of a source, as `scripts/score_peers.py`
  writes them. Its rows are found by the name of the picture without folder and suffix, which is the clip's id.
- `--voices SOURCE`: a support vector machine on functionals of the voice (`describe_voice`). It judges each speaker
  of the training clips after it has learned from the others, so its doubts are those about a stranger. It never learns
  from validation or test clips: their labels must not reach the targets.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.evaluation.real_check.baselines import describe_voice
from hicmae_cli.media import read_audio

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


def teach_voices(rows: Rows, source: str, folder: Path) -> Taught:
    """Judge each training speaker of a source by a machine that has learned from the others -> probabilities by id."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import LeaveOneGroupOut
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    own = [row for row in rows if row["source"] == source and row.get("split", "") in ("", "train")]
    if len({row["speaker"] for row in own}) < 3:
        raise SystemExit(f"--voices {source}: expected training clips of three speakers or more in the column speaker")
    voices = np.stack([describe_voice(read_audio(folder / row["audio"])) for row in own])
    labels, speakers = (np.array([row[name] for row in own]) for name in ("label", "speaker"))
    found: Taught = {}
    for speaker in sorted(set(speakers)):
        strangers, rng = np.flatnonzero(speakers != speaker), np.random.default_rng(0)
        some = rng.permutation(strangers)[:2500]  # the time grows with the square of their number
        # Its probabilities are fitted on speakers that it has not learned from. On other clips and variants of the same
        # speakers it is too sure: right in 69 %, with a mean probability of 83 %.
        machine = CalibratedClassifierCV(
            make_pipeline(StandardScaler(), SVC(C=3, class_weight="balanced")),
            cv=list(LeaveOneGroupOut().split(voices[some], groups=speakers[some])),
            ensemble=False,
        ).fit(voices[some], labels[some])
        columns = [list(machine.classes_).index(label) for label in LABELS]
        tested = np.flatnonzero(speakers == speaker)
        judged = machine.predict_proba(voices[tested])[:, columns]
        found |= {own[row]["id"]: values for row, values in zip(tested, judged, strict=True)}
        right = np.array(LABELS)[judged.argmax(axis=1)] == labels[tested]
        recalls = [right[labels[tested] == label].mean() for label in set(labels[tested])]
        mean = judged.max(axis=1).mean()
        print(f"{speaker}: UAR {np.mean(recalls):.3f}, right in {right.mean():.2f}, sure by {mean:.2f}", flush=True)
    return found


def write_rows(path: Path, rows: Rows, taught: Mapping[str, NDArray[np.float64]]) -> None:
    names = [f"teacher_{label}" for label in LABELS]
    kept = [name for name in rows[0] if name not in names]
    lines = []
    for row in rows:
        said = taught.get(row["id"])
        cells = [""] * len(names) if said is None else [f"{value:.4f}" for value in said]
        lines.append([*(row[name] for name in kept), *cells])
    write_csv(path, [*kept, *names], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--faces", metavar="SOURCE=FILE.csv")
    parser.add_argument("--voices", metavar="SOURCE")
    given = parser.parse_args()
    rows = read_rows(given.manifest)
    taught: Taught = {}
    if given.faces:
        source, _, judged = given.faces.partition("=")
        taught |= teach_faces(rows, source, Path(judged))
    if given.voices:
        taught |= teach_voices(rows, given.voices, given.manifest.parent)
    write_rows(given.output, rows, taught)
    print(f"{given.output}: {len(taught)} of {len(rows)} clips have a teacher")


if __name__ == "__main__":
    main()
