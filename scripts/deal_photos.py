"""Unpack photographs of faces and deal their people to training, validation and test, for `hicmae prepare photos`.

    python scripts/deal_photos.py FACES --output pictures --review review.csv

FACES has `manifest.csv` (file,label,group,source) and the crops, or `crops.tar`. A group is a person. The parts are
those of `hicmae evaluate --dataset real-check`, so a model that learns from the training people is tested on others.
With a review (file,verdict), training and validation leave out the pictures whose label a reader called wrong.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2

from hicmae_cli.corpora.manifest import write_csv
from hicmae_cli.evaluation.real_check.folders import open_crops, read_faces
from hicmae_cli.evaluation.real_check.people import deal_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--review", type=Path)
    given = parser.parse_args()
    wrong: set[str] = set()
    if given.review:
        with given.review.open(encoding="utf-8", newline="") as file:
            wrong = {row["file"] for row in csv.DictReader(file) if row["verdict"] == "wrong"}
    manifest = given.faces / "manifest.csv"
    lines = []
    with open_crops(manifest) as read:
        for face in read_faces(manifest):
            part = deal_split(face.person)
            if part != "test" and face.file in wrong:
                continue
            place = given.output / f"{Path(face.file).stem}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place), cv2.cvtColor(read(face), cv2.COLOR_RGB2BGR))
            lines.append((place.stem, place.name, face.label, face.person, face.source, part))
    write_csv(given.output / "manifest.csv", ["id", "file", "label", "person", "source", "split"], lines)
    print(f"{given.output}: {len(lines)} pictures")


if __name__ == "__main__":
    main()
