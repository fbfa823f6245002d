"""Run a weight over the photos, the voices and pairs of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hicmae_cli.clips import Clip
from hicmae_cli.evaluation.real_check.folders import Photos, Sounds, open_crops, read_voice
from hicmae_cli.evaluation.real_check.inputs import CHANGES, degrade_voice, make_face_clip, make_grey, make_voice_clips
from hicmae_cli.evaluation.real_check.measures import Table
from hicmae_cli.evaluation.real_check.scores import FOUR
from hicmae_cli.runtime.engine import Engine, score_batches

PAIR_DRAWS: Final = 3
PAIRS_PER_LABEL: Final = 40
"""Pairs of each label in a draw, at most."""
_SEED: Final = 0


@dataclass(frozen=True)
class Pair:
    """A face and a voice with the same label.

    Attributes:
        face: number of the photo.
        voice: number of the voice.
        draw: the draw that it is of.
    """

    face: int
    voice: int
    draw: int


def judge_faces(engine: Engine, photos: Photos, on_clip: Callable[[], None]) -> tuple[Table, Table]:
    """Judge photos and their grey versions -> two tables (n, C); a photo that is grey already is judged once."""
    own, grey = [], []
    with open_crops(photos.manifest) as read:
        for face in photos.tested:
            crop = read(face)
            own.append(_judge(engine, [make_face_clip(crop)]))
            without = make_grey(crop)
            same = np.array_equal(without, crop)
            grey.append(own[-1] if same else _judge(engine, [make_face_clip(without)]))
            on_clip()
    return np.stack(own), np.stack(grey)


def judge_voices(engine: Engine, sounds: Sounds, on_clip: Callable[[], None]) -> tuple[Table, dict[str, Table]]:
    """Judge voices, and each of their changed versions -> a table (n, C), and change -> table."""
    stride = engine.info.frame_stride
    own: list[Table] = []
    changed: dict[str, list[Table]] = {name: [] for name in CHANGES}
    for voice in sounds.tested:
        samples = read_voice(sounds.manifest, voice)
        own.append(_judge(engine, make_voice_clips(samples, stride)))
        for name, rows in changed.items():
            rows.append(_judge(engine, make_voice_clips(degrade_voice(samples, name, voice.file), stride)))
        on_clip()
    return np.stack(own), {name: np.stack(rows) for name, rows in changed.items()}


def judge_pairs(
    engine: Engine, photos: Photos, sounds: Sounds, pairs: Sequence[Pair], on_clip: Callable[[], None]
) -> Table:
    """Judge pairs of a face and the start of a voice -> (n, C).

    Args:
        engine: the model.
        photos: the photos.
        sounds: the voices.
        pairs: pairs of tested ones.
        on_clip: called after each pair.
    """
    stride = engine.info.frame_stride
    mels = {
        number: make_voice_clips(read_voice(sounds.manifest, sounds.tested[number]), stride)[0].audio
        for number in sorted({pair.voice for pair in pairs})
    }
    rows = []
    with open_crops(photos.manifest) as read:
        for pair in pairs:
            still = make_face_clip(read(photos.tested[pair.face]))
            rows.append(_judge(engine, [Clip(still.video, mels[pair.voice])]))
            on_clip()
    return np.stack(rows)


def draw_pairs(faces: Sequence[str], voices: Sequence[str]) -> list[Pair]:
    """Draw pairs of a face and a voice with the same label, of the four labels that photos can show.

    In each draw, every label has as many pairs as it has photos or voices, whichever are more, and at most
    ``PAIRS_PER_LABEL``; the others are repeated.

    Args:
        faces: labels of the photos.
        voices: labels of the voices.
    """
    rng = np.random.default_rng(_SEED)
    return [pair for draw in range(PAIR_DRAWS) for pair in _draw_once(faces, voices, draw, rng)]


def _draw_once(faces: Sequence[str], voices: Sequence[str], draw: int, rng: np.random.Generator) -> Iterator[Pair]:
    for label in FOUR:
        shown, heard = (
            rng.permutation([number for number, own in enumerate(labels) if own == label]) for labels in (faces, voices)
        )
        if len(shown) and len(heard):
            for number in range(min(PAIRS_PER_LABEL, max(len(shown), len(heard)))):
                yield Pair(int(shown[number % len(shown)]), int(heard[number % len(heard)]), draw)


def _judge(engine: Engine, views: Sequence[Clip]) -> Table:
    """Return the mean of the probabilities (C,) over views; equal views are one object, and are run once."""
    distinct = {id(view): view for view in views}
    rows = dict(zip(distinct, score_batches(engine, list(distinct.values()), batch_size=1), strict=True))
    mean: Table = np.mean([rows[id(view)] for view in views], axis=0)
    return mean
