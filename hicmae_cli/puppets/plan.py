"""The plan of a corpus: who shows and says what in each clip, so that neither stream alone is enough.

A face's display and a voice's manner are an emotion's own, or shared by two emotions. In 40 % of the clips the face is
shared and only the voice reveals which of the two was meant; in another 40 % the voice is shared; in the rest both are
clear. Clips with a shared stream come as twins: same person, same shared stream with the same seed, and only the other
stream differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hicmae_cli.labels import CREMA_D_LABELS

SPLITS = ("train", "validation", "test")
CLIPS_PER_PERSON = 10
# Seeds reserved for each split, so that no person is in two splits.
_PEOPLE_PER_SPLIT = 1_000_000

# The two pairings have no pair in common: a shared face and a shared voice never mean the same two emotions.
FACE_PAIRS = (("anger", "disgust"), ("fear", "sadness"), ("happiness", "neutral"))
VOICE_PAIRS = (("anger", "happiness"), ("disgust", "fear"), ("neutral", "sadness"))


@dataclass(frozen=True)
class ClipPlan:
    """The plan of one clip; equal plans give equal bytes.

    Attributes:
        id: unique in the corpus.
        split: ``train``, ``validation`` or ``test``.
        label: the emotion that is meant.
        person_seed: seed of face, voice and style.
        face_seed: seed of the movements and the scene.
        voice_seed: seed of the words and the recording.
        face: display of the face, e.g. ``anger`` or ``anger-disgust``.
        voice: manner of the voice.
        face_intensity: 0 to 1.
        voice_intensity: 0 to 1.
    """

    id: str
    split: str
    label: str
    person_seed: int
    face_seed: int
    voice_seed: int
    face: str
    voice: str
    face_intensity: float
    voice_intensity: float


def plan_corpus(sizes: Mapping[str, int], seed: int) -> list[ClipPlan]:
    """Plan every clip of a corpus.

    Args:
        sizes: clips per split; the labels are balanced in multiples of 30.
        seed: seed of the corpus; another seed gives other people and other clips.

    Raises:
        ValueError: a split is not one of ``SPLITS``, or a size is negative.
    """
    unknown = set(sizes) - set(SPLITS)
    if unknown or any(size < 0 for size in sizes.values()):
        raise ValueError(f"expected sizes >= 0 for {', '.join(SPLITS)}, got {dict(sizes)}")
    plans = []
    for split in SPLITS:
        person = 0
        clips: list[ClipPlan] = []
        while len(clips) < sizes.get(split, 0):
            clips += _plan_person(split, person, seed)
            person += 1
        plans += clips[: sizes.get(split, 0)]
    return plans


def _plan_person(split: str, person: int, seed: int) -> list[ClipPlan]:
    """Plan ten clips of one person: two pairs of twins with a shared face, two with a shared voice, two clear clips."""
    split_index = SPLITS.index(split)
    person_seed = (seed * len(SPLITS) + split_index) * _PEOPLE_PER_SPLIT + person
    rng = np.random.default_rng([person_seed, 1])
    clips: list[ClipPlan] = []

    def add(label: str, face: str, voice: str, seeds: Sequence[int], strengths: Sequence[float]) -> None:
        clips.append(
            ClipPlan(
                id=f"{split}-{person:05d}-{len(clips)}",
                split=split,
                label=label,
                person_seed=person_seed,
                face_seed=seeds[0],
                voice_seed=seeds[1],
                face=face,
                voice=voice,
                face_intensity=strengths[0],
                voice_intensity=strengths[1],
            )
        )

    def draw_seeds() -> list[int]:
        return [int(value) for value in rng.integers(2**31, size=2)]

    def draw_strengths() -> list[float]:
        return [round(float(value), 3) for value in rng.uniform(0.6, 1.0, size=2)]

    # Over three people in a row, every pair is used equally often.
    for pair in range(3):
        if pair == person % 3:
            continue
        face_seed, strength = draw_seeds()[0], draw_strengths()[0]
        for label in FACE_PAIRS[pair]:
            shared = "-".join(FACE_PAIRS[pair])
            add(label, shared, label, [face_seed, draw_seeds()[1]], [strength, draw_strengths()[1]])
        voice_seed, strength = draw_seeds()[1], draw_strengths()[1]
        for label in VOICE_PAIRS[pair]:
            shared = "-".join(VOICE_PAIRS[pair])
            add(label, label, shared, [draw_seeds()[0], voice_seed], [draw_strengths()[0], strength])
    for label in (CREMA_D_LABELS[2 * (person % 3)], CREMA_D_LABELS[2 * (person % 3) + 1]):
        add(label, label, label, draw_seeds(), draw_strengths())
    assert len(clips) == CLIPS_PER_PERSON
    return clips


def compute_single_stream_ceiling(plans: Sequence[ClipPlan], stream: str) -> float:
    """Compute the best possible accuracy with one stream (``face`` or ``voice``): half of the shared, all others."""
    shared = sum("-" in getattr(plan, stream) for plan in plans)
    return 1 - 0.5 * shared / len(plans)
