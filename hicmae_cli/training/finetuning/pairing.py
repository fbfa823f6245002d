"""Pair clips of one stream: the faces of one clip with the sound of another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import format_target
from hicmae_cli.recipes.settings import FinetuneSettings

Stream = Literal["video", "audio"]


class PartnerPool:
    """Finds partners for clips of one stream among the clips that have only the other one.

    Args:
        samples: the training clips; the manifest says which streams a clip has.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.labels = [format_target(sample.target) for sample in samples]
        self.streams: list[Stream | None] = [_name_only_stream(sample) for sample in samples]
        self.rows: dict[Stream, dict[str, list[int]]] = {"video": {}, "audio": {}}
        for row, (label, stream) in enumerate(zip(self.labels, self.streams, strict=True)):
            if stream is not None:
                self.rows[stream].setdefault(label, []).append(row)

    def draw(self, row: int, settings: FinetuneSettings, rng: np.random.Generator) -> int | None:
        """Draw the partner of a clip.

        A partner that disagrees has any other label with equal probability; any clip of the label is equally likely.

        Args:
            row: index of the clip.
            settings: the recipe, for ``pair_streams`` and ``pair_disagreeing``.
            rng: draws, only for a clip that has one stream.

        Returns:
            Index of the partner; None if the clip has both streams, stays alone, or there is no such partner.
        """
        stream = self.streams[row]
        if stream is None or rng.random() >= settings.pair_streams:
            return None
        pool = self.rows["audio" if stream == "video" else "video"]
        label = self.labels[row]
        if rng.random() < settings.pair_disagreeing:
            others = sorted(set(pool) - {label})
            if not others:
                return None
            label = others[rng.integers(len(others))]
        found = pool.get(label, ())
        return found[rng.integers(len(found))] if found else None


def _name_only_stream(sample: Sample) -> Stream | None:
    """The stream of a clip that has one; None if it has both."""
    if sample.video is not None and sample.audio is not None:
        return None
    return "audio" if sample.video is None else "video"
