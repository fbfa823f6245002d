"""Train the expression net of face-api on with photographs, as a second teacher of faces.

    python scripts/tune_teacher.py FACES --face-api package/model --review photo_review.csv --output teacher.safetensors

The net of the package knows more faces than anybody has here, but it calls many neutral people angry. After a few
epochs on the photographs, with what it says itself as 40 % of each target, it calls fewer so, and others right as often
as before. FACES has `manifest.csv` (file,label,group,source) and the crops. People for testing have no part in it;
labels that `--review` calls wrong and disgust from films are left out.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from face_api_net import LABELS, ExpressionNet, prepare
from morph_faces import photograph, read_wrong
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from hicmae_cli.evaluation.real_check.folders import open_crops, read_faces
from hicmae_cli.evaluation.real_check.people import deal_split

BATCH: Final = 48
BASE_LR: Final = 6e-4
WARMUP_STEPS: Final = 50
WEIGHT_DECAY: Final = 0.02
# Share of the target that the net as it ships says of the same picture.
OWN_SHARE: Final = 0.4
SMOOTHING: Final = 0.1
DROPOUT: Final = 0.3
EMA_DECAY: Final = 0.998


def read_training(folder: Path, wrong: set[str]) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """Read the photographs to train on -> grey pictures (160, 160), and their labels (N,) as indices of LABELS."""
    manifest = folder / "manifest.csv"
    chosen = [
        face
        for face in read_faces(manifest)
        if face.label in LABELS
        and deal_split(face.person) != "test"
        and face.file not in wrong
        and not (face.label == "disgust" and face.source == "film")
    ]
    with open_crops(manifest) as read:
        pictures = [np.asarray(cv2.cvtColor(read(face), cv2.COLOR_RGB2GRAY), np.uint8) for face in chosen]
    return pictures, np.array([LABELS.index(face.label) for face in chosen])


def to_input(faces: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Grey faces (160, 160) -> the input of the net (B, 3, 112, 112)."""
    return prepare(np.repeat(np.stack(faces)[..., None], 3, axis=-1))


def tune(
    net: ExpressionNet,
    first: ExpressionNet,
    pictures: Sequence[NDArray[np.uint8]],
    labels: NDArray[np.int64],
    epochs: int,
    seed: int,
) -> None:
    """Train a net, which starts as ``first``, and give it the moving average of its weights."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels, minlength=len(LABELS))
    weights = 1 / np.sqrt(counts[labels])
    weights /= weights.sum()
    steps = max(1, epochs * len(labels) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=BASE_LR, weight_decay=WEIGHT_DECAY)
    mean = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for step in range(steps):
        rate = BASE_LR * min(1, (step + 1) / WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        drawn = rng.choice(len(labels), BATCH, p=weights)
        x = to_input([photograph(pictures[row], rng) for row in drawn])
        with torch.no_grad():
            said = first(x).softmax(dim=-1)
        hard = functional.one_hot(torch.from_numpy(labels[drawn]), len(LABELS)).float()
        hard = hard * (1 - SMOOTHING) + SMOOTHING / len(LABELS)
        target = OWN_SHARE * said + (1 - OWN_SHARE) * hard
        logits = net.head(functional.dropout(net.features(x), DROPOUT))
        loss = -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            decay = min(EMA_DECAY, (step + 1) / (step + 10))
            for name, tensor in net.state_dict().items():
                mean[name].mul_(decay).add_(tensor, alpha=1 - decay)
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    net.load_state_dict(mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--face-api", type=Path, required=True, help="folder `model` of the npm package")
    parser.add_argument("--review", type=Path, help="CSV with file,verdict; wrong labels are not learned")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    pictures, labels = read_training(given.faces, read_wrong(given.review))
    if not pictures:
        parser.error(f"{given.faces}: has no photographs to train on")
    net = ExpressionNet(given.face_api)
    tune(net, ExpressionNet(given.face_api), pictures, labels, given.epochs, given.seed)
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, given.output)
    print(f"{given.output}: trained on {len(pictures)} photographs")


if __name__ == "__main__":
    main()
