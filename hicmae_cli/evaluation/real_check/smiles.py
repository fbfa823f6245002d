"""A smile in time: three photos of a person, neutral, happy and neutral again, one after another as in a video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip
from hicmae_cli.clips.stills import animate_still
from hicmae_cli.evaluation.real_check.folders import Face, Photos, open_crops
from hicmae_cli.evaluation.real_check.measures import Measure, Table, measure_mean
from hicmae_cli.model_input import CLIP_FRAMES
from hicmae_cli.runtime.engine import Engine, score_batches

Smiles = Mapping[str, Sequence[Sequence[int]]]
"""Which photos -> the numbers of the photos of each person, in order of showing."""
_SHOWN: Final = ("neutral", "happiness", "neutral")
_HOP_FRAMES: Final = CLIP_FRAMES // 4
"""A window starts every quarter of its length, as in `hicmae predict`."""


@dataclass(frozen=True)
class SmileScores:
    """How the smiles were told.

    Attributes:
        photos: ``all``, or ``clear``: only photos with a confirmed label were shown.
        in_order: share of the people for whom the most probable label is neutral, then happiness, then neutral, and
            never another one.
        happiest: share of those for whom happiness is more probable during the happy photo than during either other.
    """

    photos: str
    in_order: Measure
    happiest: Measure

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {"photos": self.photos, "in_order": self.in_order.to_dict(), "happiest": self.happiest.to_dict()}


def find_smiles(faces: Sequence[Face]) -> dict[str, list[tuple[int, ...]]]:
    """Find who has two neutral photos and a happy one -> the numbers of the first such photos, in order of showing.

    A label may be wrong, and then there is no smile to tell. So the people who have three clear photos are listed
    again, with the first of these, if the labels were reviewed.

    Args:
        faces: the photos; those without a person are left out.

    Returns:
        ``all`` and ``clear`` -> for each person; a key without people is left out.
    """
    numbers = range(len(faces))
    found = {"all": _find_each(faces, numbers), "clear": _find_each(faces, [n for n in numbers if faces[n].clear])}
    return {photos: smiles for photos, smiles in found.items() if smiles}


def _find_each(faces: Sequence[Face], numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """Find the smiles among some of the photos."""
    found: list[tuple[int, ...]] = []
    for person in sorted({faces[number].person for number in numbers} - {""}):
        own: dict[str, list[int]] = {label: [] for label in _SHOWN}
        for number in numbers:
            if faces[number].person == person and faces[number].label in own:
                own[faces[number].label].append(number)
        if len(own["neutral"]) > 1 and own["happiness"]:
            found.append((own["neutral"][0], own["happiness"][0], own["neutral"][1]))
    return found


def check_smiles(
    engine: Engine, photos: Photos, smiles: Smiles, on_clip: Callable[[], None]
) -> tuple[SmileScores, ...]:
    """Judge and score what `find_smiles` found in the tested photos; ``on_clip`` is called after each person."""
    return tuple(
        score_smiles(
            name,
            judge_smiles(engine, photos, shown, on_clip),
            [photos.tested[numbers[0]].person for numbers in shown],
            engine.info.labels,
        )
        for name, shown in smiles.items()
    )


def judge_smiles(
    engine: Engine, photos: Photos, smiles: Sequence[Sequence[int]], on_clip: Callable[[], None]
) -> NDArray[np.float64]:
    """Judge the photos of each person in time -> (people, T, C), T steps of a hop; each photo is shown for a window.

    A step has the mean of the windows that cover it.

    Args:
        engine: the model.
        photos: the photos.
        smiles: the numbers of the tested photos of each person.
        on_clip: called after each person.
    """
    tables = []
    with open_crops(photos.manifest) as read:
        for numbers in smiles:
            video = np.concatenate([animate_still(read(photos.tested[number])) for number in numbers])
            starts = range(0, len(video) - CLIP_FRAMES + 1, _HOP_FRAMES)
            windows = [Clip(video[start : start + CLIP_FRAMES], None) for start in starts]
            tables.append(_average_windows(score_batches(engine, windows, batch_size=1)))
            on_clip()
    return np.stack(tables)


def _average_windows(probabilities: Table) -> Table:
    """Average the windows (n, C) that cover each step -> (n + 3, C)."""
    covering = CLIP_FRAMES // _HOP_FRAMES
    steps = len(probabilities) + covering - 1
    rows = [probabilities[max(0, step - covering + 1) : step + 1].mean(axis=0) for step in range(steps)]
    return np.stack(rows)


def score_smiles(
    photos: str, probabilities: NDArray[np.float64], people: Sequence[str], labels: Sequence[str]
) -> SmileScores:
    """Score what `judge_smiles` returns.

    Args:
        photos: ``all`` or ``clear``.
        probabilities: (people, T, C).
        people: who they are.
        labels: the C labels.
    """
    right = [labels.index(label) for label in _SHOWN]
    in_order = np.array([[key for key, _ in groupby(table.argmax(axis=1))] == right for table in probabilities])
    before, during, after = np.split(probabilities[..., labels.index("happiness")], len(_SHOWN), axis=1)
    happiest = during.mean(axis=1) > np.maximum(before.mean(axis=1), after.mean(axis=1))
    return SmileScores(
        photos, measure_mean(in_order.astype(np.float64), people), measure_mean(happiest.astype(np.float64), people)
    )
