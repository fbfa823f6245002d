"""What is drawn: which person shows and says what in which clip, so that neither stream is enough.

A *display* is what a face shows or how a voice speaks: the emotion's own, or one that two emotions share. In 40 % of
the clips the face is a shared display and only the voice tells which of the two was meant; in another 40 % it is the
other way round; in the rest both are clear. Clips with a shared display come as twins: same person, same display,
same chance behind it, and only the other stream differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hicmae_cli.labels import CREMA_D_LABELS

SPLITS = ("train", "validation", "test")
CLIPS_PER_PERSON = 10
_PEOPLE_PER_SPLIT = 1_000_000  # seeds set aside for each split, so that no person is in two

# The two pairings have no pair in common: a shared face and a shared voice never mean the same two emotions.
FACE_PAIRS = (("anger", "disgust"), ("fear", "sadness"), ("happiness", "neutral"))
VOICE_PAIRS = (("anger", "happiness"), ("disgust", "fear"), ("neutral", "sadness"))


@dataclass(frozen=True)
class ClipPlan:
    """One clip to be drawn; equal plans give equal bytes.

    Attributes:
        id: unique in the corpus.
        split: ``train``, ``validation`` or ``test``.
        label: the emotion that was meant.
        person_seed: decides face, voice and style.
        face_seed: decides how the display is moved, and the scene.
        voice_seed: decides what is said and how it is recorded.
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
        seed: another seed, other people and other clips.

    Raises:
        ValueError: a split that is not one of ``SPLITS``, or a negative size.
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
    """Ten clips of one person: two pairs of twins by face, two by voice, two clear."""
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

    def seeds() -> list[int]:
        return [int(value) for value in rng.integers(2**31, size=2)]

    def strengths() -> list[float]:
        return [round(float(value), 3) for value in rng.uniform(0.6, 1.0, size=2)]

    # Over three people in a row every pair comes up equally often.
    for left_out in range(3):
        if left_out == person % 3:
            continue
        face_seed, strength = seeds()[0], strengths()[0]
        for label in FACE_PAIRS[left_out]:
            shared = "-".join(FACE_PAIRS[left_out])
            add(label, shared, label, [face_seed, seeds()[1]], [strength, strengths()[1]])
        voice_seed, strength = seeds()[1], strengths()[1]
        for label in VOICE_PAIRS[left_out]:
            shared = "-".join(VOICE_PAIRS[left_out])
            add(label, label, shared, [seeds()[0], voice_seed], [strengths()[0], strength])
    for label in (CREMA_D_LABELS[2 * (person % 3)], CREMA_D_LABELS[2 * (person % 3) + 1]):
        add(label, label, label, seeds(), strengths())
    assert len(clips) == CLIPS_PER_PERSON
    return clips


def compute_single_stream_ceiling(plans: Sequence[ClipPlan], stream: str) -> float:
    """Best accuracy anyone can reach by one stream (``face`` or ``voice``) alone: half of the shared, all others."""
    shared = sum("-" in getattr(plan, stream) for plan in plans)
    return 1 - 0.5 * shared / len(plans)
