"""Make new faces of training people from pairs of photographs.

    python scripts/morph_faces.py FACES --cues cues.csv --output morphs --count 114600 --speaking 21600

A few thousand photographs are few for a transformer: it learns them by heart. A face halfway between two people is a
new one; `scripts/judge_faces.py` says what teachers see in it (Beyer et al. 2022, "A good teacher is patient and
consistent"). FACES has `manifest.csv` (file,label,group), the crops and `faces.npz` with their `landmarks` (N, 478, 2).
People for validation and test have no part in it, and labels that `--review` calls wrong count neither as
agreed nor as speaking.

Half of the faces mix shape and pixels of two photographs in about the same proportion. Some have the pixels of one and
the shape of both, some are two pictures laid over each other, and some are one photograph. All are grey, and changed as
a camera would: moved, turned, lit, blurred, partly covered. `--speaking` of them are made of neutral people with an
open mouth only, most of these small as in a video: a teacher takes their teeth for a smile.

The folder gets `morphs.csv`, with the columns of `--cues` (those of the two photographs, in their shares), and `agreed`
and `agreed_share`: the label neutral or happiness, if both photographs have it, and how much it counts beside the
teachers. `subset` is `speaking` for the neutral people who speak. The speaker is the person of the first photograph,
and paths are relative to the folder above.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.evaluation.real_check.folders import open_crops, read_faces
from hicmae_cli.evaluation.real_check.people import deal_split
from hicmae_cli.model_input import FACE_SIZE_PX

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
# How much a label counts that both photographs have, beside the teachers; and that of a neutral person who speaks.
AGREED: Final = ("neutral", "happiness")
AGREED_SHARE: Final = 0.5
SPEAKING_SHARE: Final = 0.85
# A mouth is open with more than one of these blendshapes.
OPEN_MOUTH: Final = {"aux_face_jawOpen": 0.06, "aux_face_mouthLowerDown": 0.2}

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
        labels: of the files; empty if a reader called the label wrong.
        first: probability of each as the first of a pair (N,).
        second: the same as the second.
    """

    pictures: list[Picture]
    landmarks: Points
    names: list[str]
    people: list[str]
    labels: list[str]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    def keep_speakers(self, cues: dict[str, dict[str, float]]) -> Photographs:
        """Return the same photographs, of which only neutral people with an open mouth are drawn."""
        known = (cues.get(name) for name in self.names)
        is_open = [each is not None and any(each[cue] > least for cue, least in OPEN_MOUTH.items()) for each in known]
        labels = ["speaking" if self.labels[row] == "neutral" and is_open[row] else "" for row in range(len(is_open))]
        weights = _weigh(labels, self.people, {"speaking": 1.0})
        return replace(self, first=weights, second=weights)


def read_photographs(folder: Path, wrong: set[str]) -> Photographs:
    """Read the photographs of the training people.

    Args:
        folder: see above.
        wrong: files with a wrong label.
    """
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
        ["" if faces[row].file in wrong else faces[row].label for row in chosen],
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


def shrink(face: Picture, rng: np.random.Generator) -> Picture:
    """Make three of four faces (160, 160) as small and coded as in a video."""
    if rng.random() < 0.25:
        return face
    side, small = face.shape[0], int(rng.uniform(34, 72))
    face = np.asarray(
        cv2.resize(cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA), (side, side)), np.uint8
    )
    if rng.random() < 0.6:
        coded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(15, 60))])[1]
        face = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return face


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--cues", type=Path, required=True, help="list that `hicmae cues` wrote")
    parser.add_argument("--review", type=Path, help="CSV with file,verdict; wrong labels do not count")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--count", type=int, default=114_600, help="faces to make")
    parser.add_argument("--speaking", type=int, default=21_600, help="of these, faces of neutral people who speak")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    photographs = read_photographs(given.faces, read_wrong(given.review))
    if not photographs.names:
        parser.error(f"{given.faces}: has no photographs of training people")
    columns, cues = read_cues(given.cues)
    speakers = photographs.keep_speakers(cues)
    if "subset" not in columns:
        parser.error(f"{given.cues}: lacks the column subset, which `hicmae merge` writes")
    if given.speaking > given.count:
        parser.error("--speaking must be at most --count, of which they are a part")
    if given.speaking and not speakers.first.any():
        parser.error(f"{given.faces}: has no neutral training people with an open mouth; use --speaking 0")
    assert photographs.pictures[0].shape == (FACE_SIZE_PX, FACE_SIZE_PX)
    rng = np.random.default_rng(given.seed)
    given.output.mkdir(parents=True, exist_ok=True)
    lines: list[list[str]] = []
    for number in range(given.count):
        speaks = number < given.speaking
        face, first, second, share = make_face(speakers if speaks else photographs, rng)
        face = photograph(shrink(face, rng) if speaks else face, rng)
        cv2.imwrite(str(given.output / f"{number:06d}.png"), face, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        row = {"id": f"morphs/{number:06d}", "video": f"{given.output.name}/{number:06d}.png"}
        row |= {"split": "train", "source": "morphs", "speaker": f"photos/{photographs.people[first]}"}
        row["subset"] = "speaking" if speaks else ""
        label = photographs.labels[first]
        if label in AGREED and photographs.labels[second] == label:
            row |= {"agreed": label, "agreed_share": str(SPEAKING_SHARE if speaks else AGREED_SHARE)}
        a, b = (cues.get(photographs.names[each]) for each in (first, second))
        if share is not None and a is not None and b is not None:
            row |= {cue: f"{share * a[cue] + (1 - share) * b[cue]:.5f}" for cue in a}
        lines.append([row.get(column, "") for column in (*columns, "agreed", "agreed_share")])
        if number % 3200 == 3199:
            print(f"{number + 1} of {given.count} faces", flush=True)
    write_csv(given.output / "morphs.csv", [*columns, "agreed", "agreed_share"], lines)
    print(f"{given.output}: {len(lines)} faces")


def read_wrong(review: Path | None) -> set[str]:
    """Read the files whose label a reader called wrong."""
    if review is None:
        return set()
    with review.open(encoding="utf-8", newline="") as file:
        return {row["file"] for row in csv.DictReader(file) if row["verdict"] == "wrong"}


if __name__ == "__main__":
    main()
