r"""Add what two teachers say of the faces of a list, as targets and as auxiliary targets.

    python scripts/judge_faces.py cues.csv --append morphs/morphs.csv --face-api package/model \
        --tuned teacher.safetensors --output photos-voices-puppets.csv

The teachers are the expression net of face-api and the one that `scripts/tune_teacher.py` made of it. Each judges the
picture exactly as the model will see it, if that is possible: a morph is changed by no camera any more. The list gets

- `teacher_LABEL`: the mean of both, for `teacher_weight`. Photographs labelled neutral or happiness count their label
  as 35 % of it; of a morph, `agreed` and `agreed_share` say which label counts and how much.
- `aux_face_TEACHER_LABEL`: log-odds of each teacher, which tell 0.05 from 0.001, and `aux_face_feature_N`: the first 18
  principal components of what the second teacher sees. They are auxiliary targets, as blendshapes are.
- `label`: of a morph, the teachers' first choice. Morphs that both find surprised are left out.

The rows of `--append` have the columns of the list.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from face_api_net import LABELS, TEACHERS, ExpressionNet
from numpy.typing import NDArray
from safetensors.torch import load_file

from hicmae_cli.corpora.manifest import write_csv

TAUGHT: Final = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
JUDGED: Final = ("photos", "morphs")
KEPT_LABELS: Final = ("neutral", "happiness")
PHOTO_SHARE: Final = 0.35
COMPONENTS: Final = 18
LEAST_TAUGHT: Final = 0.5
LEAST_PROBABILITY: Final = 2e-4
CHUNK: Final = 512

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judge(nets: list[ExpressionNet], paths: list[Path]) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Judge pictures, without their colour -> probabilities (n, 7) of each net, and features of the last (n, 256)."""
    said: list[list[NDArray[np.float32]]] = [[] for _ in nets]
    seen: list[NDArray[np.float32]] = []
    for start in range(0, len(paths), CHUNK):
        faces = []
        for path in paths[start : start + CHUNK]:
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if grey is None:
                raise SystemExit(f"{path}: is no picture")
            faces.append(np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=-1))
        for net, probabilities in zip(nets, said, strict=True):
            found, features = net.describe(faces)
            probabilities.append(found)
        seen.append(features)
        print(f"{start + len(faces)} of {len(paths)} faces", flush=True)
    return [np.concatenate(each) for each in said], np.concatenate(seen)


def to_log_odds(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, C) -> logarithms with the mean 0 in each row; very small ones are all the same."""
    logs = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def find_components(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Project features (n, D) on their first principal components (n, COMPONENTS)."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :COMPONENTS]
    return np.asarray(centred @ directions)


def teach(row: Row, mean: NDArray[np.float64]) -> bool:
    """Write the target of a row, of probabilities (7,) -> whether it has one."""
    values = np.array([mean[LABELS.index(label)] for label in TAUGHT])
    label, share = (row["agreed"], float(row["agreed_share"])) if row.get("agreed") else (row["label"], PHOTO_SHARE)
    is_kept = label in KEPT_LABELS
    if row["source"] == "morphs" and not is_kept and values.sum() < LEAST_TAUGHT:
        return False
    values = values / max(values.sum(), 1e-6)
    if is_kept:
        values = (1 - share) * values + share * np.array([each == label for each in TAUGHT])
    row |= {f"teacher_{name}": f"{value:.4f}" for name, value in zip(TAUGHT, values, strict=True)}
    if row["source"] == "morphs":
        row["label"] = TAUGHT[int(values.argmax())]
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--append", type=Path, metavar="FILE.csv")
    parser.add_argument("--face-api", type=Path, required=True, help="folder `model` of the npm package")
    parser.add_argument("--tuned", type=Path, required=True, help="the file of scripts/tune_teacher.py")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    nets = [ExpressionNet(given.face_api), ExpressionNet(given.face_api)]
    nets[1].load_state_dict(load_file(given.tuned))
    rows = read_rows(given.manifest)
    columns = [*rows[0], *(f"teacher_{label}" for label in TAUGHT)]
    columns += [f"aux_face_{name}_{label}" for name in TEACHERS for label in LABELS]
    columns += [f"aux_face_feature_{number}" for number in range(COMPONENTS)]
    rows += read_rows(given.append) if given.append else []
    judged = [row for row in rows if row["source"] in JUDGED and row["video"]]
    said, seen = judge(nets, [given.manifest.parent / row["video"] for row in judged])
    odds, components = [to_log_odds(each) for each in said], find_components(seen)
    unknown = set()
    for index, row in enumerate(judged):
        cues = [*odds[0][index], *odds[1][index], *components[index]]
        row |= {name: f"{cue:.4f}" for name, cue in zip(columns[-len(cues) :], cues, strict=True)}
        if not teach(row, np.mean([each[index] for each in said], axis=0, dtype=np.float64)):
            unknown.add(row["id"])
    kept = [row for row in rows if row["id"] not in unknown]
    write_csv(given.output, columns, [[row.get(column, "") for column in columns] for row in kept])
    print(f"{given.output}: {len(judged)} of {len(rows)} clips judged, {len(unknown)} morphs left out")


if __name__ == "__main__":
    main()
