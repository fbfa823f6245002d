"""Make new faces of training people from pairs of photographs, each judged by the expression net of face-api.

    python scripts/morph_faces.py FACES --face-api package/model --cues cues.csv --output morphs --count 87000

A few thousand photographs are few for a transformer: it learns them by heart. A face halfway between two people is a
new one, and a teacher that judges exactly the picture that the model will see needs no label (Beyer et al. 2022, "A
good teacher is patient and consistent"). FACES has `manifest.csv` (file,label,group), the crops and `faces.npz` with
their `landmarks` (N, 478, 2). People for validation and test have no part in it.

Half of the faces mix shape and pixels of two photographs in about the same proportion. Some have the pixels of one and
the shape of both, some are two pictures laid over each other, and some are one photograph. All are grey, and changed as
a camera would: moved, turned, lit, blurred, partly covered. The folder gets `morphs.csv`, with the columns of `--cues`
(those of the two photographs, in their shares) and `teacher_LABEL`; the speaker is the person of the first photograph,
and paths are relative to the folder above. Faces that the teacher finds surprised are left out.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from face_api_net import LABELS, ExpressionNet
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.evaluation.real_check.folders import open_crops, read_faces
from hicmae_cli.evaluation.real_check.people import deal_split
from hicmae_cli.model_input import FACE_SIZE_PX

TAUGHT: Final = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
# How often the first photograph has a label, and the second one.
FIRST: Final = {
    "neutral": 0.26,
    "happiness": 0.245,
    "sadness": 0.16,
    "anger": 0.16,
    "fear": 0.03,
    "disgust": 0.05,
    "surprise": 0.095,
}
SECOND: Final = {
    "neutral": 0.28,
    "happiness": 0.28,
    "sadness": 0.12,
    "anger": 0.14,
    "fear": 0.03,
    "disgust": 0.05,
    "surprise": 0.10,
}
# One photograph, a morph, the shape alone, an overlay.
KINDS: Final = (0.22, 0.51, 0.17, 0.10)
# A person with more photographs of a label counts as much as one with this many.
PERSON_CAP: Final = 4
# Of the 478 landmarks, every third decides how pixels move; each moves those around it.
EVERY_LANDMARK: Final = 3
SIGMA_PX: Final = 6.0
GRID: Final = 32
LEAST_TAUGHT: Final = 0.5
BATCH: Final = 64

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Photographs:
    """The photographs to draw from.

    Attributes:
        pictures: each (160, 160), grey.
        landmarks: (N, 478, 2) in pixels.
        names: of their files, without folder and suffix.
        people: name of the person in each.
        first: probability of each as the first of a pair (N,).
        second: the same as the second.
    """

    pictures: list[Picture]
    landmarks: Points
    names: list[str]
    people: list[str]
    first: NDArray[np.float64]
    second: NDArray[np.float64]


def read_photographs(folder: Path) -> Photographs:
    """Read the photographs of the training people."""
    manifest = folder / "manifest.csv"
    landmarks = np.load(folder / "faces.npz")["landmarks"].astype(np.float32)
    faces = read_faces(manifest)
    chosen = [
        row
        for row, face in enumerate(faces)
        if deal_split(face.person) == "train" and face.label in FIRST and np.isfinite(landmarks[row]).all()
    ]
    with open_crops(manifest) as read:
        pictures = [np.asarray(cv2.cvtColor(read(faces[row]), cv2.COLOR_RGB2GRAY), np.uint8) for row in chosen]
    labels, people = ([getattr(faces[row], name) for row in chosen] for name in ("label", "person"))
    return Photographs(
        pictures,
        landmarks[chosen],
        [Path(faces[row].file).stem for row in chosen],
        people,
        *(_weigh(labels, people, shares) for shares in (FIRST, SECOND)),
    )


def _weigh(labels: list[str], people: list[str], shares: dict[str, float]) -> NDArray[np.float64]:
    """Compute how likely each photograph is drawn, from the shares of the labels and the caps of the people."""
    found = np.array(labels)
    weights = np.zeros(len(labels))
    for label, share in shares.items():
        rows = np.flatnonzero(found == label)
        if len(rows):
            _, places, counts = np.unique([people[row] for row in rows], return_inverse=True, return_counts=True)
            own = np.minimum(1, PERSON_CAP / counts[places])
            weights[rows] = share * own / own.sum()
    return np.asarray(weights / max(weights.sum(), 1e-9), np.float64)


def warp(picture: Picture, points: Points, target: Points) -> Picture:
    """Move the points of a picture to other places, and the pixels around them with them."""
    side = picture.shape[0]
    places = np.stack(np.meshgrid(*[np.linspace(0, side - 1, GRID, dtype=np.float32)] * 2), axis=-1).reshape(-1, 2)
    near = np.exp(-((places[:, None] - target[None]) ** 2).sum(axis=-1) / (2 * SIGMA_PX**2))
    # The small constant leaves pixels far from all points where they are.
    moves = (near @ (points - target)) / (near.sum(axis=1, keepdims=True) + 0.05)
    field = cv2.resize(moves.reshape(GRID, GRID, 2).astype(np.float32), (side, side))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    warped = cv2.remap(picture, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def make_face(photographs: Photographs, rng: np.random.Generator) -> tuple[Picture, int, int, float | None]:
    """Make a face -> (160, 160) grey, the two photographs, and the share of the first one in its expression.

    The share is None if shape and pixels mix in different proportions.
    """
    a = int(rng.choice(len(photographs.names), p=photographs.first))
    b = int(rng.choice(len(photographs.names), p=photographs.second))
    first, second = photographs.pictures[a], photographs.pictures[b]
    one, other = photographs.landmarks[a, ::EVERY_LANDMARK], photographs.landmarks[b, ::EVERY_LANDMARK]
    kind = int(rng.choice(len(KINDS), p=KINDS))
    if kind == 0:
        return first, a, a, 1.0
    if kind == 1:
        share = float(rng.uniform(0.15, 0.85))
        pixels = float(np.clip(share + rng.uniform(-0.15, 0.15), 0, 1))
        shape = share * one + (1 - share) * other
        mixed = cv2.addWeighted(warp(first, one, shape), pixels, warp(second, other, shape), 1 - pixels, 0)
        return np.asarray(mixed, np.uint8), a, b, share
    if kind == 2:
        share = float(rng.uniform(0.3, 0.8))
        return warp(first, one, share * one + (1 - share) * other), a, b, None
    share = float(rng.uniform(0.5, 0.8))
    return np.asarray(cv2.addWeighted(first, share, second, 1 - share, 0), np.uint8), a, b, None


def photograph(face: Picture, rng: np.random.Generator) -> Picture:
    """Change a grey face (160, 160) as cameras and codecs do."""
    side = face.shape[0]
    if rng.random() < 0.5:
        face = np.ascontiguousarray(face[:, ::-1])
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-8, 8), rng.uniform(0.88, 1.12))
    matrix[:, 2] += rng.uniform(-7, 7, 2)
    changed = cv2.warpAffine(face, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        changed = cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 1.8))
    if rng.random() < 0.3:
        small = int(rng.uniform(45, 120))
        changed = cv2.resize(cv2.resize(changed, (small, small), interpolation=cv2.INTER_AREA), (side, side))
    levels = np.clip(changed.astype(np.float32) * rng.uniform(0.7, 1.35) + rng.uniform(-25, 25), 0, 255)
    if rng.random() < 0.2:
        levels = 255 * (levels / 255) ** rng.uniform(0.7, 1.4)
    if rng.random() < 0.25:
        height, width = rng.integers(15, 60, 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        levels[top : top + height, left : left + width] = rng.uniform(0, 255)
    return np.asarray(levels, np.uint8)


def read_cues(path: Path) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Read the columns of a list, and the cues of its faces by the photograph's name."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        names = [name for name in columns if name.startswith("aux_face_")]
        return columns, {
            row["id"].rpartition("/")[2]: {name: float(row[name]) for name in names}
            for row in reader
            if row["source"] == "photos" and all(row[name] for name in names)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--face-api", type=Path, required=True, help="folder `model` of the npm package")
    parser.add_argument("--cues", type=Path, required=True, help="list that `hicmae cues` wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--count", type=int, default=87_000, help="faces to make")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    teacher, photographs = ExpressionNet(given.face_api), read_photographs(given.faces)
    if not photographs.names:
        parser.error(f"{given.faces}: has no photographs of training people")
    columns, cues = read_cues(given.cues)
    columns += [f"teacher_{label}" for label in TAUGHT]
    assert photographs.pictures[0].shape == (FACE_SIZE_PX, FACE_SIZE_PX)
    rng = np.random.default_rng(given.seed)
    given.output.mkdir(parents=True, exist_ok=True)
    lines: list[list[str]] = []
    for start in range(0, given.count, BATCH):
        made = [make_face(photographs, rng) for _ in range(min(BATCH, given.count - start))]
        faces = [photograph(face, rng) for face, *_ in made]
        said = teacher.judge([cv2.cvtColor(face, cv2.COLOR_GRAY2RGB) for face in faces], mirror=True)
        for number, (face, values, (_, first, second, share)) in enumerate(zip(faces, said, made, strict=True), start):
            known = {label: float(values[LABELS.index(label)]) for label in TAUGHT}
            total = sum(known.values())
            if total < LEAST_TAUGHT:
                continue
            cv2.imwrite(str(given.output / f"{number:06d}.png"), face, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            name = f"morphs/{number:06d}"
            row = {
                "id": name,
                "video": f"{given.output.name}/{number:06d}.png",
                "label": max(known, key=lambda label: known[label]),
            }
            row |= {"split": "train", "source": "morphs"}
            row["speaker"] = f"photos/{photographs.people[first]}"
            row |= {f"teacher_{label}": f"{value / total:.4f}" for label, value in known.items()}
            a, b = (cues.get(photographs.names[each]) for each in (first, second))
            if share is not None and a is not None and b is not None:
                row |= {cue: f"{share * a[cue] + (1 - share) * b[cue]:.5f}" for cue in a}
            lines.append([row.get(column, "") for column in columns])
        if start // BATCH % 50 == 49:
            print(f"{start + BATCH} of {given.count} faces", flush=True)
    write_csv(given.output / "morphs.csv", columns, lines)
    print(f"{given.output}: {len(lines)} faces")


if __name__ == "__main__":
    main()
