r"""Fit the head of a classifier again, to classes that count nearly alike, while everything before it stays.

    python scripts/refit_head.py run photos-voices-puppets.csv --output refitted.safetensors

In the photographs, anger and sadness are rare, and a head that is trained with their shares seldom says either of a
face. It is a logistic regression of the features before it, so it can be fitted exactly (Kang et al. 2020, "Decoupling
representation and classifier"): to the training photographs, where classes count nearly alike, to faces between two
photographs that both teachers are sure are angry or sad, and to those of neutral people who speak (which have
`speaking` in the column `subset`). The faces that the teachers are sure of carry nearly three quarters of the weight,
and the photographs a twentieth. Where a neutral or happy face and a voice disagree, the face counts three times as
much, because the voices were acted and others are not. Of all else the head is to say what it said: recordings, pairs
of a photograph and a voice of one emotion, and drawn people have its own probabilities as targets. A penalty on the
squared distance from the head as it was keeps it near.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from face_api_net import LABELS as TEACHER_LABELS
from face_api_net import TEACHERS
from numpy.typing import NDArray

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.embedding.extractor import FUSED, Extractor
from hicmae_cli.evaluation.scoring import restrict_views
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.reading import find_parameters

VOICES: Final = ("emodb", "varied")
SHARES: Final = {
    "photos": 0.215,
    "sure": 3.0,
    "speaking": 0.1,
    "voices": 0.19,
    "pairs": 0.195,
    "disagreeing": 0.105,
    "puppets": 0.295,
}
"""How much each part counts, beside the others; `fit_head` divides by their sum. Chosen by the validation people."""
RARE: Final = ("anger", "sadness")
SURE: Final = 0.8
"""The least probability of a label, by each teacher, of a morph that is learned as an angry or sad face."""
TRUSTED: Final = ("happiness", "neutral")
"""The labels of faces that a voice may disagree with."""
FACE_SHARE: Final = 0.75
"""How much the face counts of a target where it disagrees with the voice."""
SMOOTHING: Final = 0.1
POWER: Final = 0.85
"""1: classes count alike; 0: as often as they are."""
HOLD: Final = 0.02
"""Weight of the distance from the head as it was."""
CLIPS: Final = 1000
"""The most drawn people."""
SPEAKING: Final = 4800
"""The most morphs of people who speak."""
PAIRS: Final = 1200
"""Of a face and a voice of one emotion; two thirds as many disagree."""
BATCH: Final = 16


@dataclass(frozen=True)
class Part:
    """Clips of one source and modality.

    Attributes:
        samples: the clips.
        modality: ``av``, ``video`` or ``audio``: what the model gets.
        share: how much they count together.
        learned: whether their labels are learned; otherwise the head is to say what it said.
        heard: the labels of the voices, where they are not those of the faces; both are learned.
    """

    samples: list[Sample]
    modality: str
    share: float
    learned: bool = False
    heard: Sequence[str] = ()


def choose_parts(samples: Sequence[Sample], clips: int, speaking: int, pairs: int, seed: int) -> list[Part]:
    """Choose the clips of each part: all photographs, recordings and faces that both teachers are sure of, some others.

    Args:
        samples: all clips; those of other splits than training are left out.
        clips: most drawn people.
        speaking: most faces of people who speak.
        pairs: of a face and a voice.
        seed: of what is chosen.
    """
    rng = np.random.default_rng(seed)
    train = [sample for sample in samples if sample.split in ("", "train")]
    photos = [sample for sample in train if sample.extra["source"] == "photos"]
    voices = [sample for sample in train if sample.extra["source"] in VOICES]
    puppets = _take([sample for sample in train if sample.extra["source"] == "puppets"], clips, rng)
    morphs = [sample for sample in train if sample.extra["source"] == "morphs"]
    speakers = _take([sample for sample in morphs if sample.extra["subset"] == "speaking"], speaking, rng)
    others = [sample for sample in morphs if sample.extra["subset"] != "speaking"]
    sure = [sample for label in RARE for sample in others if is_sure(sample, label)]
    parts = [
        Part(photos, "video", SHARES["photos"], learned=True),
        Part(sure, "video", SHARES["sure"], learned=True),
        Part(speakers, "video", SHARES["speaking"], learned=True),
        Part(voices, "audio", SHARES["voices"]),
        Part(pair_streams(photos, voices, pairs, rng), "av", SHARES["pairs"]),
        *(Part(puppets, modality, SHARES["puppets"] / 3) for modality in ("av", "video", "audio")),
        disagree(photos, voices, 2 * pairs // 3, rng),
    ]
    return [part for part in parts if part.samples]


def _take(samples: list[Sample], most: int, rng: np.random.Generator) -> list[Sample]:
    return [samples[index] for index in sorted(rng.permutation(len(samples))[:most])]


def is_sure(sample: Sample, label: str) -> bool:
    """Tell whether a face has a label and each teacher is sure of it; `scripts/judge_faces.py` wrote its log-odds.

    The label of a face between two neutral photographs may be neutral although both teachers see anger.
    """
    if sample.label != label:
        return False
    said = [[float(sample.extra[f"aux_face_{name}_{each}"]) for each in TEACHER_LABELS] for name in TEACHERS]
    odds = np.exp(np.array(said))
    return bool((odds / odds.sum(axis=1, keepdims=True))[:, TEACHER_LABELS.index(label)].min() >= SURE)


def pair_streams(
    photos: Sequence[Sample], voices: Sequence[Sample], count: int, rng: np.random.Generator
) -> list[Sample]:
    """Pair photographs with voices of the same emotion; each emotion that both have is drawn equally often."""
    faces, sounds = (
        {label: [sample for sample in of if sample.label == label] for label in {sample.label for sample in of}}
        for of in (photos, voices)
    )
    both = sorted(faces.keys() & sounds.keys())
    found = []
    for index in range(count if both else 0):
        label = both[index % len(both)]
        face, sound = (of[label][rng.integers(len(of[label]))] for of in (faces, sounds))
        found.append(replace(face, id=f"pair-{index}", audio=sound.audio))
    return found


def disagree(photos: Sequence[Sample], voices: Sequence[Sample], count: int, rng: np.random.Generator) -> Part:
    """Pair neutral and happy photographs, each label equally often, with voices of any other emotion."""
    found, heard = [], []
    faces, others = (
        {label: [sample for sample in of if (sample.label == label) == same] for label in TRUSTED}
        for of, same in ((photos, True), (voices, False))
    )
    labels = [label for label in TRUSTED if faces[label] and others[label]]
    for index in range(count if labels else 0):
        label = labels[index % len(labels)]
        face, sound = (of[label][rng.integers(len(of[label]))] for of in (faces, others))
        found.append(replace(face, id=f"disagreeing-{index}", audio=sound.audio))
        heard.append(sound.label)
    return Part(found, "av", SHARES["disagreeing"], learned=True, heard=heard)


def embed(extractor: Extractor, part: Part) -> NDArray[np.float32]:
    """Return what the head reads of each clip (n, W)."""
    rows = []
    for start in range(0, len(part.samples), BATCH):
        views = [
            restrict_views(
                read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(
                    extractor.info.frame_stride, part.modality
                ),
                part.modality,
            )[0]
            for sample in part.samples[start : start + BATCH]
        ]
        rows.append(extractor.embed(views, [FUSED])[FUSED])
    return np.concatenate(rows)


def aim(
    part: Part, features: NDArray[np.float32], labels: Sequence[str], head: torch.nn.Linear, power: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return targets (n, C) and weights (n,) of a part; the weights sum to its share."""
    if not part.learned:
        with torch.no_grad():
            said = head(torch.from_numpy(features)).double().softmax(dim=1)
        return said.numpy(), np.full(len(features), part.share / len(features))
    indices = np.array([labels.index(sample.label) for sample in part.samples])
    targets = np.eye(len(labels))[indices]
    if part.heard:
        voices = np.eye(len(labels))[[labels.index(label) for label in part.heard]]
        targets = FACE_SHARE * targets + (1 - FACE_SHARE) * voices
    weights = np.bincount(indices).astype(np.float64)[indices] ** -power
    return targets * (1 - SMOOTHING) + SMOOTHING / len(labels), part.share * weights / weights.sum()


def fit_head(
    features: NDArray[np.float32],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    head: torch.nn.Linear,
    hold: float,
) -> None:
    """Change a head to the logistic regression of features (n, W), near to what it was."""
    x, target, share = (torch.from_numpy(values).double() for values in (features, targets, weights / weights.sum()))
    start = head.weight.detach().double()
    weight, bias = (value.detach().double().clone().requires_grad_() for value in (head.weight, head.bias))
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def compute_loss() -> torch.Tensor:
        optimizer.zero_grad()
        errors = -(target * F.log_softmax(x @ weight.T + bias, dim=1)).sum(dim=1)
        loss = (share * errors).sum() + hold * (weight - start).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(compute_loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weight", type=Path, help="a .safetensors file, or the folder of a training run")
    parser.add_argument(
        "manifest", type=Path, help="the list that it was trained on, as scripts/judge_faces.py writes it"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    model, info = load_classifier(find_parameters(given.weight, "refit the head of"))
    samples = read_manifest(given.manifest, info.labels)
    extractor = Extractor(model, info, "cpu")
    features, targets, weights = [], [], []
    for part in choose_parts(samples, CLIPS, SPEAKING, PAIRS, given.seed):
        features.append(embed(extractor, part))
        target, weight = aim(part, features[-1], info.labels, model.head, POWER)
        targets.append(target)
        weights.append(weight)
        print(f"{len(part.samples)} clips, {part.samples[0].extra['source']}, {part.modality}", flush=True)
    fit_head(np.concatenate(features), np.concatenate(targets), np.concatenate(weights), model.head, HOLD)
    save_classifier(given.output, model, info)
    print(given.output)


if __name__ == "__main__":
    main()
